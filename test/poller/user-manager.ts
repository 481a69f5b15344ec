import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const SYSTEMD = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"].find((path) => existsSync(path));
const run = promisify(execFile);
const START_MS = 5000;

/**
 * systemd refuses a user's instance where the system was not booted with it, which it tells by a folder. And it takes hold of
 * every process in its control group, so it gets a group of its own, above which it sees nothing.
 */
const BOOT = `
set -e
mkdir "$GROUP"
echo $$ > "$GROUP/cgroup.procs"
exec unshare --mount --cgroup sh -ec '
  mkdir -p /run/systemd
  mount -t tmpfs none /run/systemd
  mkdir /run/systemd/system
  mount -t cgroup2 none /sys/fs/cgroup
  exec ${SYSTEMD} --user --log-target=null'
`;

/** A real systemd of a user, with nobody's services in it, and a home folder. */
export class UserManager implements AsyncDisposable {
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #child: ChildProcess;
  readonly #group: string;

  private constructor(home: string, path: string, group: string) {
    this.home = home;
    this.#group = group;
    const runtime = join(home, "run");
    mkdirSync(runtime, { mode: 0o700 });
    this.env = { HOME: home, PATH: path, XDG_RUNTIME_DIR: runtime };
    this.#child = spawn("sh", ["-c", BOOT], {
      env: { ...this.env, GROUP: group },
      stdio: "ignore",
      detached: true,
    });
  }

  /** Undefined where it can not be started: without systemd, control groups or the right to make them. */
  static async start(path = process.env["PATH"] ?? ""): Promise<UserManager | undefined> {
    const parent = ownGroup();
    if (SYSTEMD === undefined || parent === undefined) return undefined;
    const home = mkdtempSync(join(tmpdir(), "wa-service-"));
    const manager = new UserManager(home, path, join(parent, basename(home)));
    const socket = join(manager.home, "run", "systemd", "private");
    for (const end = Date.now() + START_MS; Date.now() < end && manager.#child.exitCode === null;) {
      if (existsSync(socket)) return manager;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await manager[Symbol.asyncDispose]();
    return undefined;
  }

  async systemctl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run("systemctl", ["--user", ...args], { env: this.env });
    return stdout.trim();
  }

  /** One property of our unit. */
  async shows(property: string): Promise<string> {
    return this.systemctl("show", "wa-relay.service", `--property=${property}`, "--value");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const hasGroup = existsSync(this.#group);
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, "exit");
      // Everything in the group.
      if (hasGroup) writeFileSync(join(this.#group, "cgroup.kill"), "1");
      else this.#child.kill("SIGKILL");
      await ended;
    }
    // Removed from the leaves up; rm would stumble over their files.
    if (hasGroup) await run("find", [this.#group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** The folder of the control group in which we are, in the second version of these groups. */
function ownGroup(): string | undefined {
  const base = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) =>
    existsSync(join(path, "cgroup.controllers")),
  );
  if (base === undefined) return undefined;
  const path = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  return path === undefined ? undefined : join(base, path);
}
