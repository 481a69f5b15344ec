import { execFile, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { basename, delimiter, isAbsolute, join } from "node:path";
import { readNodeState, type NodeState } from "./node-state.ts";
import { firstLine } from "./output.ts";
import type { Child } from "./process.ts";
import { readServes, type Serve } from "./serves.ts";

const ASK_MS = 10_000;
const MAX_OUTPUT_BYTES = 4_194_304;
/** Where the command is when PATH does not have it: NixOS, Homebrew, the macOS app (by exactly this path). */
const USUAL_PLACES = [
  "/usr/bin/tailscale",
  "/run/current-system/sw/bin/tailscale",
  "/usr/local/bin/tailscale",
  "/opt/homebrew/bin/tailscale",
  "/Applications/Tailscale.app/Contents/MacOS/Tailscale",
];

/**
 * The `tailscale` command. It is asked, not its API on a socket, because the command is the same on every system.
 * https://tailscale.com/kb/1080/cli
 */
export class Tailscale {
  readonly #bin: string;
  readonly #env: Readonly<Record<string, string | undefined>>;

  /** `env` is all that the command gets to see. */
  constructor(bin: string, env: Readonly<Record<string, string | undefined>>) {
    this.#bin = bin;
    this.#env = env;
  }

  /** The command that is named, or the first that there is; undefined when there is none. A bare name is in the PATH. */
  static find(named: string | undefined, path: string): string | undefined {
    const name = named ?? "tailscale";
    if (name !== basename(name)) return isExecutable(name) ? name : undefined;
    const inPath = path.split(delimiter).filter(isAbsolute);
    const places = inPath.map((folder) => join(folder, name));
    return [...places, ...(named === undefined ? USUAL_PLACES : [])].find(isExecutable);
  }

  /** Never rejects for what the command says: that is a state. */
  async status(signal: AbortSignal): Promise<NodeState> {
    const { out, err, exitCode } = await this.#ask(["status", "--json", "--peers=false"], signal);
    return readNodeState(out, err, exitCode);
  }

  /** Everything that the node serves; undefined when it can not be told. */
  async serves(signal: AbortSignal): Promise<readonly Serve[] | undefined> {
    const { out, exitCode } = await this.#ask(["funnel", "status", "--json"], signal);
    return exitCode === 0 ? readServes(out) : undefined;
  }

  /**
   * Publishes one path, for as long as the process lives. Never with `--bg`, which would outlive us, and only the webhook's
   * own path: the rest of the port stays private.
   */
  funnel(port: number, target: string): Child {
    const args = ["funnel", `--https=${port}`, `--set-path=${new URL(target).pathname}`, target];
    return spawn(this.#bin, args, {
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  async #ask(args: readonly string[], signal: AbortSignal): Promise<Output> {
    const { promise, resolve } = Promise.withResolvers<Output>();
    const options = {
      env: this.#env,
      timeout: ASK_MS,
      killSignal: "SIGKILL",
      maxBuffer: MAX_OUTPUT_BYTES,
      signal,
    } as const;
    execFile(this.#bin, args, options, (error, out, err) => {
      const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : undefined;
      const silence = error?.killed ? "it does not answer" : (error?.message ?? "");
      resolve({ out, err: firstLine(`${err}\n${out}`) === "" ? silence : err, exitCode });
    });
    const output = await promise;
    signal.throwIfAborted();
    return output;
  }
}

interface Output {
  readonly out: string;
  readonly err: string;
  /** Undefined when it was ended by a signal or could not be started. */
  readonly exitCode: number | undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
