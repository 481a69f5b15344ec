import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { visibleLines } from "../visible.ts";
import type { StandInKapso } from "./kapso.ts";

export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & { readonly isTTY?: boolean };
}

/** The person who types; a number from the range that is reserved for fiction. */
export const SANDBOX_NUMBER = "15550100001";
const PROMPT = "you › ";
/** After the last line of a pipe: how long an answer may take. */
const LAST_ANSWER_MS = 120_000;

/**
 * Plays a person on WhatsApp: lines typed here reach the stand-in, and what is sent to the person is shown. Resolves
 * when the input ends and everything typed was answered, or when the signal aborts.
 */
export async function runTerminal(
  { input, output }: Terminal,
  kapso: StandInKapso,
  signal: AbortSignal,
): Promise<void> {
  const isTty = input.isTTY === true && output.isTTY === true;
  const lines = createInterface({ input, terminal: false });
  const prompt = () => isTty && output.write(PROMPT);
  let open = 0;
  let answered = Promise.withResolvers<void>();
  kapso.onSent = ({ text }) => {
    output.write(`${isTty ? "\r" : ""}agent › ${visibleLines(text).replaceAll("\n", "\n        ")}\n`);
    prompt();
    open = Math.max(0, open - 1);
    if (open === 0) answered.resolve();
  };
  const stop = () => lines.close();
  signal.addEventListener("abort", stop, { once: true });
  prompt();
  for await (const line of lines) {
    if (line.trim() === "") prompt();
    else {
      if (!isTty) output.write(`${PROMPT}${line}\n`);
      if (open++ === 0) answered = Promise.withResolvers<void>();
      kapso.receive({ from: SANDBOX_NUMBER, name: "You", text: line });
    }
  }
  signal.removeEventListener("abort", stop);
  if (open > 0 && !signal.aborted)
    await Promise.race([answered.promise, aborted(signal), timeout(LAST_ANSWER_MS)]);
}

async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

async function timeout(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms).unref();
  return promise;
}
