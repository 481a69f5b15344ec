import { pino, type Logger } from "pino";
import pretty from "pino-pretty";

export type Log = Logger;

export interface LogOptions {
  readonly level: string;
  readonly format: "pretty" | "json";
}

/**
 * The daemon's log, on stderr: stdout belongs to what a command answers. Facts are fields; text of messages never
 * appears above debug, numbers are masked by whoever logs them (`maskContact`), and keys never get here.
 */
export function createLog({ level, format }: LogOptions): Log {
  const options = { level, base: null, redact: ["*.token", "*.apiKey", "*.api_key", "*.authorization"] };
  if (format === "json") return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(
    options,
    pretty({ destination: 2, sync: true, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss" }),
  );
}

/** A log that keeps nothing, for library use and tests. */
export const silentLog: Log = pino({ level: "silent" });
