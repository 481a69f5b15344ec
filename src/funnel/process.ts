import { execFileSync, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";

export type Child = ChildProcessByStdio<null, Readable, Readable>;

/** What is remembered of it, to find it again after a crash: the command is its name and its arguments. */
export const processRecord = z.object({
  pid: z.int().min(2),
  command: z.array(z.string()).min(2).readonly(),
});
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
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (this.#out = keep(this.#out + chunk)));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (this.#err = keep(this.#err + chunk)));
    // Not "exit": what it said last is still to come then.
    child.once("close", () => this.#end());
    child.once("error", (error) => {
      this.#err = keep(this.#err + describeError(error));
      this.#end();
    });
  }

  /** No process has the id 0: it could not be started. */
  get record(): ProcessRecord {
    const [bin = "", ...args] = this.#child.spawnargs;
    return { pid: this.#child.pid ?? 0, command: [basename(bin), ...args] };
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get output(): string {
    return this.#out;
  }

  /** What it said of its end, if anything. */
  get complaint(): string {
    return this.#err;
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
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
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

/** Asks or makes a process end that is no child of ours. */
export type Kill = (pid: number, signal: "SIGTERM" | "SIGKILL") => void;

/** Ends a process that a killed bridge left behind, if it is exactly this command: a process id is soon somebody else's. */
export async function endOrphan(
  { pid, command }: ProcessRecord,
  { kill, clock, signal }: { readonly kill: Kill; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<"none" | "ended" | "stays"> {
  // Before the name, there may be its folder and an interpreter.
  const isThere = () => `/${commandLine(pid)}`.endsWith(`/${command.join(" ")}`);
  if (!isThere()) return "none";
  for (const how of ["SIGTERM", "SIGKILL"] as const) {
    kill(pid, how);
    for (let waitedMs = 0; isThere() && waitedMs < TERM_MS; waitedMs += LOOK_MS)
      await clock.sleep(LOOK_MS, signal);
    if (!isThere()) return "ended";
  }
  return "stays";
}

/** The words of a process's command, with spaces between them; undefined when there is no such process. */
function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    // No such process, or no Linux.
  }
  try {
    const args = ["-ww", "-o", "args=", "-p", String(pid)];
    return execFileSync("ps", args, { encoding: "utf8", stdio: "pipe", env: {} }).trim();
  } catch {
    return undefined;
  }
}

/** The end of it, where the reason is. */
function keep(text: string): string {
  return text.slice(-MAX_OUTPUT_CHARS);
}
