import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { type ConfigOptions, environment, logFile, prepareConfig } from "./gateway-config.ts";
import { NODE_BIN, OPENCLAW_SCRIPT } from "./version.ts";

const READY_TIMEOUT_MS = 90_000;
// A gateway that is told to stop finishes its running turns first, which can take minutes.
const DISPOSE_GRACE_MS = 5_000;

export interface GatewayOptions extends ConfigOptions {
  /** State folder to create or to carry on with; without it a temporary one is used. */
  readonly dir?: string;
  /** Folder of commands that comes first in the gateway's PATH. */
  readonly bin?: string;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Starts an OpenClaw gateway on loopback and waits until it takes connections. */
export async function startGateway(options: GatewayOptions): Promise<OpenClawGateway> {
  if (!existsSync(OPENCLAW_SCRIPT)) {
    throw new Error('Cannot start OpenClaw: not installed, run "node test/openclaw/install.ts"');
  }
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "openclaw-")));
  const { port, token } = await prepareConfig(dir, options);
  const gateway = new OpenClawGateway({
    dir,
    port,
    token,
    isTemporary: !options.dir,
    bin: options.bin,
  });
  try {
    await gateway.start();
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
  return gateway;
}

interface GatewayState {
  readonly dir: string;
  readonly port: number;
  readonly token: string;
  readonly isTemporary: boolean;
  readonly bin: string | undefined;
}

/** One gateway with its state folder; the process in it can be stopped and started again. */
export class OpenClawGateway implements AsyncDisposable {
  readonly dir: string;
  readonly port: number;
  readonly token: string;
  readonly url: string;
  readonly #isTemporary: boolean;
  readonly #bin: string | undefined;
  #child: ChildProcess | undefined;
  readonly #killOnExit = (): void => killGroup(this.#child);

  constructor({ dir, port, token, isTemporary, bin }: GatewayState) {
    this.dir = dir;
    this.port = port;
    this.token = token;
    this.url = `ws://127.0.0.1:${port}`;
    this.#isTemporary = isTemporary;
    this.#bin = bin;
  }

  async start(): Promise<void> {
    const args = ["gateway", "run", "--port", String(this.port), "--bind", "loopback"];
    const log = openSync(logFile(this.dir), "a");
    this.#child = spawn(NODE_BIN, [OPENCLAW_SCRIPT, ...args], {
      cwd: this.dir,
      env: environment(this.dir, this.#bin),
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    process.once("exit", this.#killOnExit);
    await waitUntilReady(this.#child, this.port, this.dir);
  }

  /** Stops the gateway and waits for its end. SIGTERM lets running turns finish first. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (!child) return;
    if (hasExited(child)) killGroup(child);
    else {
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
      killGroup(child);
    }
    process.off("exit", this.#killOnExit);
    this.#child = undefined;
  }

  async restart(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  /** Runs the `openclaw` command line against this gateway's state. */
  async openclaw(...args: readonly string[]): Promise<CommandResult> {
    const { promise, resolve } = Promise.withResolvers<CommandResult>();
    const options = { cwd: this.dir, env: environment(this.dir, this.#bin) };
    const child = execFile(NODE_BIN, [OPENCLAW_SCRIPT, ...args], options, (_, stdout, stderr) => {
      resolve({ stdout, stderr, code: child.exitCode ?? 1 });
    });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    const timer = setTimeout(() => killGroup(child), DISPOSE_GRACE_MS);
    await this.stop();
    clearTimeout(timer);
    if (this.#isTemporary) await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function killGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing is left of the group.
  }
}

async function waitUntilReady(child: ChildProcess, port: number, dir: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await isReady(port))) {
    const problem = hasExited(child)
      ? `it exited with ${child.exitCode ?? child.signalCode}`
      : Date.now() > deadline && `not ready after ${READY_TIMEOUT_MS / 1000} s`;
    if (problem) {
      const tail = readFileSync(logFile(dir), "utf8").split("\n").slice(-30).join("\n");
      throw new Error(`Cannot start OpenClaw: ${problem}\n${tail}`);
    }
    await sleep(100);
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(5_000);
    return (await fetch(`http://127.0.0.1:${port}/readyz`, { signal })).ok;
  } catch {
    return false; // It does not listen yet.
  }
}
