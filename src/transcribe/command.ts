import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

export interface Command {
  readonly bin: string;
  readonly args: readonly string[];
  /** Also where it may write what it likes. */
  readonly cwd: string;
  /** All that it gets to see. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type Ended =
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly complaint: string }
  /** Ended by somebody else, such as a system that is out of memory. */
  | { readonly kind: "killed"; readonly by: string }
  | { readonly kind: "notStarted"; readonly error: Error };

const MAX_COMPLAINT_CHARS = 4096;
const TERM_MS = 2000;
/** Its own children may hold its output open after it ended. */
const DRAIN_MS = 500;

/** Runs a command to its end, without a shell. When `signal` aborts it is ended first; then this rejects. */
export async function runCommand({ bin, args, cwd, env }: Command, signal: AbortSignal): Promise<Ended> {
  signal.throwIfAborted();
  const child = spawn(bin, args, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  const ended = Promise.withResolvers<Ended>();
  // First of all: without a listener it would end the whole program.
  child.on("error", (error) => {
    if (child.pid === undefined) ended.resolve({ kind: "notStarted", error });
  });
  let complaint = "";
  child.stderr
    .setEncoding("utf8")
    .on("data", (chunk: string) => (complaint = (complaint + chunk).slice(-MAX_COMPLAINT_CHARS)));
  child.once("exit", () => setTimeout(() => child.stderr.destroy(), DRAIN_MS).unref());
  child.once("close", (code, by) => {
    if (by !== null) ended.resolve({ kind: "killed", by });
    else ended.resolve(code === 0 ? { kind: "done" } : { kind: "failed", complaint: complaint.trim() });
  });
  const rest = new AbortController();
  const end = () => {
    child.kill("SIGTERM");
    void delay(TERM_MS, undefined, { signal: rest.signal }).then(
      () => child.kill("SIGKILL"),
      () => {
        // It ended in time.
      },
    );
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    const result = await ended.promise;
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener("abort", end);
    rest.abort();
  }
}
