import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("tailscale-stand-in.cjs", import.meta.url));

/** One part of what `funnel status --json` tells. */
export interface ServeConfig {
  readonly TCP?: Readonly<Record<string, object>>;
  readonly Web?: Readonly<Record<string, { readonly Handlers: Readonly<Record<string, object>> }>>;
  readonly AllowFunnel?: Readonly<Record<string, boolean>>;
}

interface RawOutput {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exitCode: number;
}

/** How the node stands. Tests change it while things run; every command looks again. */
export interface TailscaleState {
  /** Whether tailscaled answers. */
  readonly isDaemonUp: boolean;
  /** What is said when it does not. */
  readonly noDaemonText: string;
  readonly backendState: string;
  readonly dnsName: string;
  readonly authUrl: string;
  readonly hasHttps: boolean;
  readonly hasFunnel: boolean;
  /** As in the capability: `443,8443,10000`, ranges allowed; null without it. */
  readonly ports: string | null;
  readonly isOperator: boolean;
  readonly isShieldsUp: boolean;
  /** Said on stderr by every command. */
  readonly warning: string;
  /** What the tailnet answers when Funnel is not enabled: nothing, a page and waiting for it, a page and exit 0. */
  readonly consent: "none" | "wait" | "leave";
  readonly background: ServeConfig;
  /** Session → config, of others. */
  readonly foreground: Readonly<Record<string, ServeConfig>>;
  /** Sessions say that they serve, and do not. */
  readonly isDeaf: boolean;
  readonly ignoresTerm: boolean;
  readonly diesAfterMs: number | null;
  readonly lastWords: string;
  /** Instead of what `status --json` would say. */
  readonly statusOutput: RawOutput | null;
  /** Instead of what `funnel` would do. */
  readonly funnelOutput: RawOutput | null;
  /** Commands that never answer. */
  readonly hangs: readonly ("status" | "serves" | "funnel")[];
  /** When it changes, sessions serve nothing any more; their processes stay. */
  readonly epoch: number;
  /** When it changes, tailscaled was started again: sessions end with an error. */
  readonly daemonRun: number;
  /** When it changes, somebody emptied the whole configuration: sessions end well. */
  readonly resets: number;
}

export interface TailscaleCall {
  readonly pid: number;
  readonly args: readonly string[];
  /** Names of the variables it was given. */
  readonly env: readonly string[];
}

export interface TailscaleSession {
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  readonly target: string;
}

const NODE: TailscaleState = {
  isDaemonUp: true,
  noDaemonText:
    "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)",
  backendState: "Running",
  dnsName: "relay.tail1234.ts.net",
  authUrl: "",
  hasHttps: true,
  hasFunnel: true,
  ports: "443,8443,10000",
  isOperator: true,
  isShieldsUp: false,
  warning: "",
  consent: "none",
  background: {},
  foreground: {},
  isDeaf: false,
  ignoresTerm: false,
  diesAfterMs: null,
  lastWords: "",
  statusOutput: null,
  funnelOutput: null,
  hangs: [],
  epoch: 0,
  daemonRun: 0,
  resets: 0,
};

/**
 * A stand-in for the `tailscale` command: real processes with the streams, texts and exit codes of the real one, and a
 * node behind them whose state the test sets. Without more, a node on which Funnel works.
 */
export class StandInTailscale implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "wa-tailscale-test-"));
  /** The command. */
  readonly bin = join(this.folder, "tailscale");
  #state = NODE;
  readonly #others: ChildProcess[] = [];

  constructor(state: Partial<TailscaleState> = {}) {
    mkdirSync(join(this.folder, "sessions"));
    this.set(state);
    copyFileSync(SCRIPT, this.bin);
    chmodSync(this.bin, 0o755);
  }

  /** Finds the stand-in, and the node that runs it. */
  get path(): string {
    return [this.folder, dirname(process.execPath)].join(delimiter);
  }

  get state(): TailscaleState {
    return this.#state;
  }

  /** Changes how the node stands, for every command from now on and for those that run. */
  set(state: Partial<TailscaleState>): void {
    this.#state = { ...this.#state, ...state };
    const file = join(this.folder, "state.json");
    writeFileSync(`${file}.new`, JSON.stringify(this.#state));
    renameSync(`${file}.new`, file);
  }

  /** Sessions stay alive and serve nothing, as after logging out and in again. */
  dropSessions(): void {
    this.set({ epoch: this.#state.epoch + 1 });
  }

  /** As every upgrade does it. */
  restartDaemon(): void {
    this.set({ daemonRun: this.#state.daemonRun + 1 });
  }

  /** As `funnel reset` by somebody else. */
  resetServes(): void {
    this.set({ background: {}, resets: this.#state.resets + 1 });
  }

  /** Every command that was run so far. */
  calls(): readonly TailscaleCall[] {
    const file = join(this.folder, "calls.jsonl");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line): TailscaleCall => JSON.parse(line));
  }

  /** The commands that would publish something. */
  funnels(): readonly TailscaleCall[] {
    return this.calls().filter(({ args }) => args[0] === "funnel" && args[1] !== "status");
  }

  /** What foreground processes hold now, whether it is served or not. */
  sessions(): readonly TailscaleSession[] {
    const folder = join(this.folder, "sessions");
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .flatMap((name): TailscaleSession[] => {
        try {
          return [JSON.parse(readFileSync(join(folder, name), "utf8"))];
        } catch {
          return [];
        }
      })
      .filter(({ pid }) => this.#isThere(pid));
  }

  /** Processes of the command that are still there, zombies among them. */
  processes(): readonly number[] {
    return this.calls()
      .map(({ pid }) => pid)
      .filter((pid) => this.#isThere(pid));
  }

  /** A `tailscale funnel` that nobody looks after, as one that a killed bridge left behind. */
  async runFunnel(args: readonly string[]): Promise<{ readonly pid: number; readonly child: ChildProcess }> {
    const before = this.sessions().length;
    const child = spawn(this.bin, ["funnel", ...args], { env: { PATH: this.path }, stdio: "ignore" });
    this.#others.push(child);
    await once(child, "spawn");
    const { pid } = child;
    if (pid === undefined) throw new Error("It did not start");
    while (this.sessions().length === before) {
      if (child.exitCode !== null) throw new Error("It ended");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { pid, child };
  }

  /** Ends whatever is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.processes())
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It just ended.
      }
    for (const child of this.#others)
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Process ids are used again: ours has the command in its words, or no words when it is a zombie. */
  #isThere(pid: number): boolean {
    try {
      process.kill(pid, 0);
    } catch {
      return false;
    }
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return words === "" || words.includes(this.folder);
    } catch {
      return !existsSync("/proc/self/cmdline");
    }
  }
}
