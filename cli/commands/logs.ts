import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { loadConfig } from "../../src/config/config.ts";
import { secretsOf } from "../../src/config/secrets.ts";
import { parseJson } from "../../src/json.ts";
import { logPaths } from "../../src/log-file.ts";
import { maskNumbers, withoutSecrets } from "../../src/mask.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { paint, print, type Io } from "../io.ts";

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly follow?: boolean;
  readonly lines: number;
  readonly level: Level;
}

const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const;
type Level = keyof typeof LEVELS;

const LOOK_MS = 250;
const CHUNK_BYTES = 65_536;

const entry = z.looseObject({
  level: z.number().catch(LEVELS.info),
  time: z.number().optional().catch(undefined),
  component: z.string().optional().catch(undefined),
  msg: z.string().catch(""),
});

/** The daemon's newest log lines, as wa-poller leaves them in the state folder; with `follow` until it is interrupted. */
export async function logs(io: Io, options: Options): Promise<void> {
  const config = loadConfig({ env: io.env, file: options.config });
  const { now, before } = logPaths(config.state.dir);
  if (!existsSync(now) && !existsSync(before) && options.follow !== true)
    throw new CommandError(EXIT.failed, `There is no log in ${config.state.dir}`, {
      hint: config.log.file
        ? "wa-poller writes it from its next start on; until then it is where its standard error goes (journalctl -u wa-poller)"
        : "log.file (WA_LOG_FILE) is off: look where wa-poller's standard error goes (journalctl -u wa-poller)",
    });
  const secrets = secretsOf(config);
  const show = (line: string) => {
    const clean = maskNumbers(withoutSecrets(line, secrets));
    const shown = render(clean, LEVELS[options.level], options.json === true, io);
    if (shown !== undefined) print(io, { json: undefined, text: [shown] }, false);
  };
  const known = [before, now].filter(existsSync).map((path) => readFileSync(path, "utf8"));
  const [old = ""] = known.slice(-1);
  const fits = (line: string) => line !== "" && render(line, LEVELS[options.level], true, io) !== undefined;
  const lines = known.join("").split("\n").filter(fits);
  for (const line of lines.slice(-options.lines)) show(line);
  if (options.follow !== true) return;
  const from = existsSync(now) ? Buffer.byteLength(old.slice(0, old.lastIndexOf("\n") + 1)) : 0;
  for await (const line of follow(now, from, io.signal)) show(line);
}

/** Lines that are added to a file, and to the one that takes its place. Ends when `signal` aborts. */
async function* follow(path: string, from: number, signal: AbortSignal): AsyncGenerator<string> {
  let position = from;
  let fd: number | undefined;
  let rest = Buffer.alloc(0);
  try {
    while (!signal.aborted) {
      fd ??= existsSync(path) ? openSync(path, "r") : undefined;
      if (fd !== undefined) {
        // Asked before the end is read: what is written in between is in the old one.
        const isReplaced = !existsSync(path) || statSync(path).ino !== fstatSync(fd).ino;
        for (let chunk = read(fd, position); chunk.length > 0; chunk = read(fd, position)) {
          position += chunk.length;
          rest = Buffer.concat([rest, chunk]);
          const end = rest.lastIndexOf(10) + 1;
          yield* rest.subarray(0, end).toString("utf8").split("\n").filter(Boolean);
          rest = rest.subarray(end);
        }
        if (isReplaced) {
          closeSync(fd);
          fd = undefined;
          position = 0;
          rest = Buffer.alloc(0);
        }
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function read(fd: number, position: number): Buffer {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  return chunk.subarray(0, readSync(fd, chunk, 0, CHUNK_BYTES, position));
}

/** Undefined for what is less important than asked. */
function render(line: string, least: number, asJson: boolean, io: Io): string | undefined {
  const found = entry.safeParse(parseJson(line)).data;
  if (!found) return asJson ? undefined : line;
  const { level, time, component, msg, ...facts } = found;
  if (level < least) return undefined;
  if (asJson) return line;
  const color = paint(io);
  const name = Object.entries(LEVELS).find(([, value]) => value === level)?.[0] ?? String(level);
  const tone = level >= LEVELS.error ? "red" : level >= LEVELS.warn ? "yellow" : "dim";
  const when = time === undefined ? "" : new Date(time).toISOString();
  const told = Object.entries(facts).map(([key, value]) => `${color(`${key}=`, "dim")}${plain(value)}`);
  const head = [color(when, "dim"), color(name.padEnd(5), tone), component && `${component}:`, msg];
  return [...head.filter(Boolean), ...told].join(" ");
}

function plain(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && "message" in value) return String(value.message);
  return JSON.stringify(value);
}
