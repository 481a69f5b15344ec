import { pino } from "pino";
import pretty from "pino-pretty";
import type { Log } from "../src/log.ts";

/** The daemon's log, on stderr: lines for people on a terminal, else JSON. */
export function createLog({
  level,
  format,
}: {
  readonly level: string;
  readonly format: "pretty" | "json";
}): Log {
  const options = { level, base: null, redact: ["*.token", "*.apiKey", "*.api_key", "*.authorization"] };
  if (format === "json") return pino(options, pino.destination({ dest: 2, sync: true }));
  const style = { destination: 2, sync: true, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss" };
  return pino(options, pretty(style));
}
