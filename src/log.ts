/** A line: facts as fields and a short constant sentence. */
export interface LogLine {
  (fields: object, message: string): void;
  (message: string): void;
}

/**
 * What the parts write to; pino implements it. Text of messages never appears above debug, numbers are masked by
 * whoever logs them (`maskContact`), and keys never get here.
 */
export interface Log {
  readonly trace: LogLine;
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  child(fields: object): Log;
}

const nothing = () => {};

/** A log that keeps nothing. */
export const silentLog: Log = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
