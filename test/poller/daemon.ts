import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EchoGateway } from "../../src/sandbox/gateway.ts";
import type { StandInKapso } from "../../src/sandbox/kapso.ts";
import { accountEnv } from "../account.ts";

const BIN = fileURLToPath(new URL("../../poller/bin.ts", import.meta.url));

export interface DaemonSetup {
  readonly kapso: StandInKapso;
  readonly gateway: Pick<EchoGateway, "url">;
  readonly env?: Readonly<Record<string, string>>;
  /** What starts the program: Node with the sources unless it is given. */
  readonly command?: readonly [string, ...string[]];
}

/** A real `wa-poller` process on a state folder of its own, which outlives restarts. */
export class Daemon implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "wa-poller-test-"));
  readonly #env: Record<string, string>;
  readonly #command: readonly [string, ...string[]];
  #child: ChildProcess | undefined;
  #log = "";

  constructor({ kapso, gateway, env, command = [process.execPath, BIN] }: DaemonSetup) {
    this.#command = command;
    this.#env = {
      PATH: process.env["PATH"] ?? "",
      HOME: this.folder,
      ...accountEnv(kapso),
      KAPSO_STATE_DIR: join(this.folder, "state"),
      KAPSO_SECURITY_MODE: "open",
      KAPSO_RATE_LIMIT: "100000",
      KAPSO_POLL_INTERVAL: "1s",
      OPENCLAW_GATEWAY_URL: gateway.url,
      WA_SETTLE: "2s",
      WA_LOG_FORMAT: "json",
      ...env,
    };
  }

  /** Everything that was logged, by every process so far. */
  get log(): string {
    return this.#log;
  }

  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const [program, ...args] = this.#command;
    const child = spawn(program, args, {
      cwd: this.folder,
      env: this.#env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.on("data", (chunk: Buffer) => (this.#log += chunk.toString("utf8")));
    this.#child = child;
  }

  /** Resolves with the exit code, or the signal that ended the process. */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<number | string> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? "none";
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
    return child.exitCode ?? child.signalCode ?? "none";
  }

  async exited(): Promise<number | null> {
    if (this.#child && this.#child.exitCode === null) await once(this.#child, "exit");
    return this.#child?.exitCode ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until `isDone`, and fails with what is missing when that takes too long. */
export async function until(what: string, isDone: () => boolean, timeoutMs = 25_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!isDone()) {
    if (Date.now() > end) throw new Error(`Still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
