import { pino, type DestinationStream } from "pino";
import type { Log } from "../src/log.ts";

export interface LogOptions {
  readonly level: string;
  readonly format: "pretty" | "json";
}

/** The daemon's log, on stderr: lines for people on a terminal, else JSON. */
export async function createLog({ level, format }: LogOptions): Promise<Log> {
  const log: Log = pino(
    {
      level,
      base: null,
      redact: ["token", "apiKey", "authorization", "*.token", "*.apiKey", "*.authorization"],
    },
    format === "json" ? pino.destination({ dest: 2, sync: true }) : await prettyStream(),
  );
  return log;
}

async function prettyStream(): Promise<DestinationStream> {
  const { default: pretty } = await import("pino-pretty");
  return pretty({
    destination: 2,
    sync: true,
    singleLine: true,
    ignore: "pid,hostname",
    translateTime: "SYS:HH:MM:ss",
  });
}
