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
  return decodeText(Buffer.concat(chunks), "Standard input", "a file is sent with --media FILE");
}

/** What is no text must not reach anybody as one. */
export function decodeText(bytes: Buffer, name: string, hint?: string): string {
  const mark = bytes.subarray(0, 2).toString("latin1");
  if (mark === "\u00FF\u00FE" || mark === "\u00FE\u00FF")
    throw usage(`${name} is UTF-16: only UTF-8 is read`, "iconv -f UTF-16 -t UTF-8 makes it that");
  try {
    // Takes the byte order mark off, too.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // Told below.
  }
  throw usage(`${name} is no text in UTF-8`, hint);
}
