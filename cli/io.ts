import type { Readable, Writable } from "node:stream";
import type { Environment } from "../src/config/read.ts";
import type { ExitCode } from "./exit-code.ts";

/** Everything that a command may touch of the process, as a value. */
export interface Io {
  readonly env: Environment;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly signal: AbortSignal;
  readonly pid: number;
  /** A model gives the command, so files leave only from where an agent may send them (`media.send_from`). */
  readonly isAgent?: boolean;
}

/** Runs one command line, and reports how it ended. */
export type Run = (io: Io, args: readonly string[]) => Promise<ExitCode>;

/** What a command answers: a document for programs and lines for people. */
export interface Answer {
  readonly json: unknown;
  readonly text: string;
}

export function print({ stdout }: Io, { json, text }: Answer, asJson: boolean | undefined): void {
  stdout.write(asJson === true ? `${JSON.stringify(json)}\n` : text === "" ? "" : `${text}\n`);
}

/** Colours for a terminal, and none elsewhere or with NO_COLOR: https://no-color.org */
export function paint({
  stdout,
  env,
}: Io): (text: string, color: "red" | "green" | "yellow" | "dim") => string {
  const codes = { red: 31, green: 32, yellow: 33, dim: 2 };
  const isPlain = stdout.isTTY !== true || Boolean(env["NO_COLOR"]);
  return (text, color) => (isPlain ? text : `\u001B[${codes[color]}m${text}\u001B[0m`);
}
