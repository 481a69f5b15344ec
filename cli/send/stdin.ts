import { addAbortSignal } from "node:stream";
import type { Io } from "../io.ts";
import { usage } from "./options.ts";

const MAX_STDIN_BYTES = 1_048_576;

/** Standard input as text; on a terminal nobody is waited for. */
export async function readStdin({ stdin, signal }: Io): Promise<string> {
  if (stdin.isTTY === true)
    throw usage("What to send? Give --text, words after the number, or standard input");
  // Ctrl-C must end the wait for an input that never ends.
  addAbortSignal(signal, stdin);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_STDIN_BYTES) throw usage("Standard input is longer than 1 MiB");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
