import { pino, type DestinationStream } from "pino";
import type { LogFile } from "../src/log-file.ts";
import type { Log } from "../src/log.ts";
import { visible, visibleLines } from "../src/visible.ts";

export interface LogOptions {
  readonly level: string;
  readonly format: "pretty" | "json";
  /** Every line goes there too, as JSON. */
  readonly file?: LogFile | undefined;
  /** Standard error is a file that nobody shortens, so what `file` has is not written there as well. */
  readonly isUnbounded?: boolean;
}

/** The daemon's log, on stderr: lines for people on a terminal, else JSON. */
export async function createLog({ level, format, file, isUnbounded }: LogOptions): Promise<Log> {
  const stream = format === "json" ? jsonStream() : await prettyStream();
  const log: Log = pino(
    {
      level,
      base: null,
      redact: ["token", "apiKey", "authorization", "*.token", "*.apiKey", "*.authorization"],
    },
    file === undefined
      ? stream
      : {
          write: (line: string) => {
            if (!isUnbounded) stream.write(line);
            file.write(line);
          },
        },
  );
  return log;
}

/** Errors may quote what others wrote, and a terminal would obey it. */
function jsonStream(): DestinationStream {
  const stream = pino.destination({ dest: 2, sync: true });
  return { write: (line) => void stream.write(visibleLines(line)) };
}

async function prettyStream(): Promise<DestinationStream> {
  const { default: pretty } = await import("pino-pretty");
  const stream = pretty({
    destination: 2,
    sync: true,
    singleLine: true,
    ignore: "pid,hostname",
    translateTime: "SYS:HH:MM:ss",
  });
  const show = (key: string, value: unknown) => {
    if (typeof value !== "string") return value;
    return key === "stack" ? visibleLines(value) : visible(value);
  };
  return { write: (line) => void stream.write(`${JSON.stringify(JSON.parse(line, show))}\n`) };
}
