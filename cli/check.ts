import { describeError, RelayError } from "../src/errors.ts";
import { ApiError } from "../src/whatsapp/connection.ts";
import { CommandError, EXIT, exitCodeOfFailure, type ExitCode } from "./exit-code.ts";

/** One link of the chain that `wa-cli preflight` looked at. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** The one next step; of a check that passed, what to see to before it fails. */
  readonly hint?: string | undefined;
  /** It had failed, and `--fix` mended it. */
  readonly fixed?: boolean | undefined;
  readonly exitCode: ExitCode;
}

/** What is to be said of a link that holds. */
export type Passed = Pick<Check, "detail" | "hint" | "fixed">;

/** Runs one check; what it throws is its failure. `remedy` is for a refusal that brings no next step of its own. */
export async function attempt(
  name: string,
  check: () => Promise<string | Passed>,
  remedy = "wa-cli status tells more",
): Promise<Check> {
  try {
    const found = await check();
    return typeof found === "string" ? passed(name, found) : passed(name, found.detail, found);
  } catch (error) {
    const exitCode = exitCodeOfCheck(error);
    const hint = error instanceof RelayError ? error.hint : undefined;
    const next = exitCode === EXIT.temporary ? "try again in a minute" : remedy;
    return { name, ok: false, detail: describeError(error), hint: hint ?? next, exitCode };
  }
}

export function passed(name: string, detail: string, { hint, fixed }: Omit<Passed, "detail"> = {}): Check {
  return { name, ok: true, detail, hint, fixed, exitCode: EXIT.done };
}

function exitCodeOfCheck(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof ApiError ? exitCodeOfFailure(error.failure) : EXIT.failed;
}
