import { Readable, Writable } from "node:stream";
import { z } from "zod";
import { parseJson } from "../../src/json.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Io, Run } from "../io.ts";
import type { Input, Tool } from "./tools.ts";

export interface Called {
  readonly exitCode: ExitCode;
  /** The document of `--json`, with the exit code and what that means. */
  readonly answer: Readonly<Record<string, unknown>>;
}

/** For a model, which knows no exit codes. */
const MEANINGS: Readonly<Record<ExitCode, string>> = {
  [EXIT.done]: "done",
  [EXIT.failed]: "failed",
  [EXIT.usage]:
    "refused here: wrong input, or a rule of the owner's is against it; there is no way around a rule",
  [EXIT.config]: "the configuration is wrong or incomplete: tell the user",
  [EXIT.credentials]: "the key was refused: tell the user",
  [EXIT.undeliverable]: "it can not be delivered",
  [EXIT.unknown]: "it is unknown what became of it: do not send it again",
  [EXIT.temporary]: "nothing was done; it may work later: try again in some minutes",
};

const documentSchema = z.union([
  z.record(z.string(), z.unknown()),
  z.array(z.unknown()).transform((rows) => ({ rows })),
]);

/** What every call has in common. */
export interface Common {
  readonly config?: string;
  readonly reveal: boolean;
}

/** Runs a command line in this process, as an agent. */
export async function call(
  run: Run,
  { env, pid, signal }: Pick<Io, "env" | "pid" | "signal">,
  args: readonly string[],
): Promise<Called> {
  const chunks: Buffer[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  // What is said there is in the document too; a host keeps our standard error, where no number should stand.
  const stderr = new Writable({ write: (_chunk, _encoding, done) => done() });
  const stdin = Readable.from([]);
  const exitCode = await run({ env, pid, signal, stdin, stdout, stderr, isAgent: true }, args);
  const document = documentSchema.parse(parseJson(Buffer.concat(chunks).toString("utf8")));
  return { exitCode, answer: { ...document, exitCode, meaning: MEANINGS[exitCode] } };
}

/** Each value stands in one word with its option, or behind `--`: none can become an option, whatever it begins with. */
export function toArgs(
  { command, word = "", isMasked = false }: Tool,
  { [word]: last, ...options }: Input,
  { config, reveal }: Common,
): readonly string[] {
  const all: Input = { ...options, config, reveal: isMasked && reveal };
  const given = Object.entries(all).flatMap(([name, value]) => {
    const option = `--${name.replaceAll("_", "-")}`;
    if (value === undefined || typeof value === "boolean") return value === true ? [option] : [];
    return [value].flat().map((one) => `${option}=${one}`);
  });
  return [...command, "--json", ...given, ...(last === undefined ? [] : ["--", String(last)])];
}
