import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, globSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";

interface Step {
  readonly name: string;
  readonly value: string;
}

/**
 * What a container engine does before a program runs: mounts in a namespace of their own, then the new root. The base
 * image is this machine's own /usr, seen only. Arguments: root, /usr/local, volume, "ro" to run or "rw" to build, user, command…
 */
const ENTER = `
set -e
root=$1 local=$2 volume=$3 mode=$4 user=$5; shift 5
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
mount --bind "$local" "$root/usr/local"
mount -o "remount,bind,$mode" "$root/usr/local"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ "$mode" = ro ]; then
  mount -t tmpfs tmpfs "$root/tmp"
  mount --bind "$volume" "$root/var/lib/wa-relay"
fi
mount -o "remount,bind,$mode" "$root"
exec chroot --userspec="$user" "$root" "$@"
`;

/** The steps of a Containerfile; a backslash goes on with the next line. */
function readSteps(text: string): Step[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll("\\\n", " ")
    .split("\n");
  return lines.flatMap((line) => {
    const [, name, value] = /^([A-Z]+)\s+(.+)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [{ name, value }];
  });
}

/** A program in the image, running. */
export interface Running {
  readonly child: ChildProcess;
  /** Of the program, as this machine counts. */
  readonly pid: () => number;
  readonly log: () => string;
}

/** A Containerfile carried out without a container engine: as root, on Linux. */
export class Image {
  readonly #folder: string;
  readonly #steps: readonly Step[];
  readonly #env: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  #user = "0:0";

  private constructor(folder: string, steps: readonly Step[]) {
    this.#folder = folder;
    this.#steps = steps;
  }

  /** Works in `folder`; `context` holds the Containerfile and what it copies. */
  static build(folder: string, context: string): Image {
    const image = new Image(folder, readSteps(readFileSync(join(context, "Containerfile"), "utf8")));
    image.#layBase();
    for (const step of image.#steps) image.#carryOut(step, context);
    return image;
  }

  get root(): string {
    return join(this.#folder, "root");
  }

  get stopSignal(): NodeJS.Signals {
    return this.#value("STOPSIGNAL") as NodeJS.Signals;
  }

  get healthCheck(): string[] {
    return JSON.parse(this.#value("HEALTHCHECK").replace(/^.*CMD /, ""));
  }

  /** A named volume as an engine makes it: what the image has at its place, owner and mode included. */
  makeVolume(): string {
    const volume = join(this.#folder, "volume");
    execFileSync("cp", ["-a", join(this.root, this.#value("VOLUME")), volume]);
    return volume;
  }

  /** Runs the entry point with nothing writable but `volume` and /tmp. */
  run(volume: string, env: Readonly<Record<string, string>>): Running {
    const entryPoint: string[] = JSON.parse(this.#value("ENTRYPOINT"));
    const child = spawn("unshare", this.#enter(volume, "ro", entryPoint), {
      env: { ...this.#env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
    const pid = () => Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8"));
    return { child, pid, log: () => log };
  }

  /** Runs a command beside a running program, as `exec` of an engine does. */
  async exec(running: Running, command: readonly string[], env: Readonly<Record<string, string>>) {
    const [uid = "", gid = ""] = this.#user.split(":");
    const place = ["--target", String(running.pid()), "--mount", "--pid", "--root", "--wd"];
    const child = spawn("nsenter", [...place, "--setuid", uid, "--setgid", gid, "--", ...command], {
      env: { ...this.#env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    return { code: child.exitCode, stdout, stderr };
  }

  /** Stands in for the official image: a shell and its like, Node, npm, and the user "node". */
  #layBase(): void {
    const local = join(this.#folder, "local");
    for (const path of ["usr", "proc", "dev", "tmp", "etc", "var/lib", "home/node", "root", "run/secrets"])
      mkdirSync(join(this.root, path), { recursive: true });
    for (const path of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${path}`, join(this.root, path));
    writeFileSync(
      join(this.root, "etc/passwd"),
      "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n",
    );
    writeFileSync(join(this.root, "etc/group"), "root:x:0:\nnode:x:1000:\n");
    mkdirSync(join(local, "bin"), { recursive: true });
    cpSync(realpathSync(process.execPath), join(local, "bin/node"));
    const npm = dirname(dirname(process.env["npm_execpath"] ?? ""));
    cpSync(npm, join(local, "lib/node_modules/npm"), { recursive: true });
    symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(local, "bin/npm"));
  }

  #carryOut({ name, value }: Step, context: string): void {
    switch (name) {
      case "COPY": {
        const [pattern = "", folder = ""] = value.split(/\s+/);
        for (const file of globSync(pattern, { cwd: context }))
          cpSync(join(context, file), join(this.root, folder, file));
        return;
      }
      case "RUN":
        execFileSync("unshare", this.#enter("", "rw", ["sh", "-c", value]), {
          env: this.#env,
          stdio: "pipe",
        });
        return;
      case "ENV":
        for (const [, key = "", set = ""] of value.matchAll(/(\w+)=(\S+)/g)) this.#env[key] = set;
        return;
      case "USER":
        this.#user = value;
        return;
      case "FROM":
      case "LABEL":
      case "VOLUME":
      case "STOPSIGNAL":
      case "HEALTHCHECK":
      case "ENTRYPOINT":
        return;
      default:
        throw new Error(`The test can not carry out ${name}`);
    }
  }

  #enter(volume: string, mode: "ro" | "rw", command: readonly string[]): string[] {
    const place = [this.root, join(this.#folder, "local"), volume, mode, this.#user];
    return ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", ...place, ...command];
  }

  #value(name: string): string {
    const step = this.#steps.find((candidate) => candidate.name === name);
    if (!step) throw new Error(`The Containerfile has no ${name}`);
    return step.value;
  }
}
