import type { Readable, Writable } from "node:stream";
import type { Environment } from "../src/config/read.ts";
import { visible } from "../src/visible.ts";
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

/** What a command answers: a document for programs, and for people a text, or its lines: what stands in one can not end it. */
export interface Answer {
  readonly json: unknown;
  readonly text: string | readonly string[];
}

export function print(io: Io, { json, text }: Answer, asJson: boolean | undefined): void {
  const shown = asJson === true ? visible(JSON.stringify(json)) : show(io, text);
  if (shown !== "") io.stdout.write(`${shown}\n`);
}

/** What a terminal may get: names, texts and errors come from others, and only our own colours are codes. */
export function show({ stdout, env }: Pick<Io, "stdout" | "env">, text: Answer["text"]): string {
  const lines = typeof text === "string" ? text.split("\n") : text;
  if (isPlain({ stdout, env })) return lines.map(visible).join("\n");
  return lines
    .map((line) =>
      line
        .split(PAINTED)
        .map((part, index) => (index % 2 === 1 ? part : visible(part)))
        .join(""),
    )
    .join("\n");
}

/** A line beside the answer, on standard error. */
export function say({ stderr }: Pick<Io, "stderr">, line: string): void {
  stderr.write(`${visible(line)}\n`);
}

const CODES = { red: 31, green: 32, yellow: 33, dim: 2 } as const;
/** What `paint` makes; a code without its end is not of ours. */
const PAINTED = new RegExp(String.raw`(\x1B\[(?:${Object.values(CODES).join("|")})m)([^\x1B]*)(\x1B\[0m)`);

/** Colours for a terminal, and none elsewhere or with NO_COLOR: https://no-color.org */
export function paint(io: Io): (text: string, color: keyof typeof CODES) => string {
  if (isPlain(io)) return (text) => text;
  return (text, color) => `\u001B[${CODES[color]}m${text}\u001B[0m`;
}

function isPlain({ stdout, env }: Pick<Io, "stdout" | "env">): boolean {
  return stdout.isTTY !== true || Boolean(env["NO_COLOR"]);
}
