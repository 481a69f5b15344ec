import { execFileSync, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";

export type Child = ChildProcessByStdio<null, Readable, Readable>;

/** What is remembered of it, to find it again after a crash. */
export const processRecord = z.object({ pid: z.int(), args: z.array(z.string()).readonly() });
export type ProcessRecord = z.output<typeof processRecord>;

const MAX_OUTPUT_CHARS = 16_384;
const TERM_MS = 5000;
const LOOK_MS = 100;

/** A command that is meant to keep running: what it says is kept, bounded, and its end is noticed. */
export class FunnelProcess implements AsyncDisposable {
  readonly #child: Child;
  readonly #ended = Promise.withResolvers<void>();
  #hasEnded = false;
  #out = "";
  #err = "";

  constructor(child: Child) {
    this.#child = child;
    child.stdout.on("data", (chunk: Buffer) => (this.#out = keep(this.#out, chunk)));
    child.stderr.on("data", (chunk: Buffer) => (this.#err = keep(this.#err, chunk)));
    // Not "exit": what it said last is still to come then.
    child.once("close", () => this.#end());
    child.once("error", (error) => {
      this.#err = keep(this.#err, Buffer.from(describeError(error)));
      this.#end();
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get output(): string {
    return this.#out + this.#err;
  }

  /** What it said of its end. */
  get complaint(): string {
    return this.#err.trim() === "" ? this.#out : this.#err;
  }

  /** Resolves when it ended, or after this time. Rejects when `signal` aborts. */
  async endsWithin(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const rest = new AbortController();
    const pass = () => rest.abort(signal.reason);
    signal.addEventListener("abort", pass, { once: true });
    try {
      await Promise.race([clock.sleep(ms, rest.signal), this.#ended.promise]);
    } finally {
      signal.removeEventListener("abort", pass);
      rest.abort();
    }
  }

  /** Asks it to end, without waiting. */
  kill(): void {
    this.#child.kill("SIGTERM");
  }

  /** Asks it to end, then makes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.pid === undefined) return;
    const ended = once(this.#child, "exit");
    this.kill();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), TERM_MS);
    await ended;
    clearTimeout(timer);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#ended.resolve();
  }
}

/**
 * Ends a process that a killed bridge left behind, if it is exactly this command: a process id is soon somebody else's.
 * True when there was one.
 */
export async function endOrphan(
  { pid, args }: ProcessRecord,
  {
    kill,
    clock,
    signal,
  }: { readonly kill: (pid: number) => void; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  const isThere = () => commandLine(pid)?.endsWith(` ${args.join(" ")}`) === true;
  if (!isThere()) return false;
  kill(pid);
  for (let waitedMs = 0; isThere() && waitedMs < TERM_MS; waitedMs += LOOK_MS)
    await clock.sleep(LOOK_MS, signal);
  return true;
}

/** The words of a process's command, with spaces between them; undefined when there is no such process. */
function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    // No such process, or no Linux.
  }
  try {
    return execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return undefined;
  }
}

function keep(text: string, chunk: Buffer): string {
  return (text + chunk.toString("utf8")).slice(0, MAX_OUTPUT_CHARS);
}
