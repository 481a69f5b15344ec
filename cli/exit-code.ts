import { ConfigError, RelayError } from "../src/errors.ts";
import type { Failure } from "../src/whatsapp/failure.ts";
import { isUndeliverable } from "../src/whatsapp/undeliverable.ts";

/** What a caller can tell from the exit code alone. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  config: 3,
  credentials: 4,
  undeliverable: 5,
  unknown: 6,
  temporary: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command ended other than well; `report` is what `--json` prints of it. */
export class CommandError extends RelayError {
  readonly exitCode: ExitCode;
  readonly report: Readonly<Record<string, unknown>>;

  constructor(
    exitCode: ExitCode,
    message: string,
    options: { readonly hint?: string | undefined; readonly report?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, { hint: options.hint });
    this.exitCode = exitCode;
    this.report = options.report ?? {};
  }
}

/** How an error ends the program; what a command does not expect is a plain failure. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof ConfigError ? EXIT.config : EXIT.failed;
}

/** What the code of a given-up row of the outbox says. */
export function exitCodeOfRow(code: string | null): ExitCode {
  if (code === "withdrawn") return EXIT.temporary;
  if (code === "credentials") return EXIT.credentials;
  if (code === "unknown") return EXIT.unknown;
  return code !== null && isUndeliverable(code) ? EXIT.undeliverable : EXIT.failed;
}

/** What a request that failed says. */
export function exitCodeOfFailure(failure: Failure): ExitCode {
  switch (failure.kind) {
    case "blocked":
      return failure.code === "credentials" ? EXIT.credentials : EXIT.failed;
    case "refused":
      return EXIT.failed;
    case "later":
    case "unknown":
      return EXIT.temporary;
  }
}
