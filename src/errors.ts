/** The base of every error that this program raises on purpose. `hint` is the one next step for the reader. */
export class RelayError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, options: ErrorOptions & { readonly hint?: string | undefined } = {}) {
    super(message, options);
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** The configuration can not be used; one line in `problems` per fault, each naming its key. */
export class ConfigError extends RelayError {
  readonly problems: readonly string[];
  /** Some secret's file is missing, closed or empty. Who brings it may be late, so a later start may get further. */
  readonly awaitsSecret: boolean;

  constructor(
    problems: readonly string[],
    {
      awaitsSecret = false,
      ...options
    }: ConstructorParameters<typeof RelayError>[1] & { readonly awaitsSecret?: boolean } = {},
  ) {
    super(problems.join("\n"), options);
    this.problems = problems;
    this.awaitsSecret = awaitsSecret;
  }
}

/** The state folder can not be used: not writable, in use by another daemon, or from a newer version. */
export class StateError extends RelayError {}

/** The agent's turn ended without an answer and asking again would not help. Its message is for the log, never for the chat. */
export class GatewayError extends RelayError {}

/** What went wrong, with the causes behind it, for one line of a log or a terminal. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.message || error.name;
  const cause = error.cause === undefined ? "" : describeError(error.cause);
  return cause === "" || text.endsWith(cause) ? text : `${text}: ${cause}`;
}

/** True for a system error such as `ENOENT`. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
