import { RelayError } from "../src/errors.ts";

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
