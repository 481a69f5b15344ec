import { InvalidArgumentError, type Command } from "commander";
import { parseDuration } from "../src/config/duration.ts";
import { CommandError, EXIT } from "./exit-code.ts";

const VALUED =
  /^--(to|text|config|timeout|limit|url|media|as|caption|filename|location|contact|react|reply-to|buttons|list|link|template|lang|param|wait|idempotency-key|with|search|since|out|lines|level|dir)$/;

/** As phones and word processors write `--`. */
const OTHER_DASHES = /^(?=-?[^-])[-\u2010-\u2015\u2212\uFE58\uFE63\uFF0D]{1,3}([a-z][a-z-]*)(?:=|$)/i;

/** `—dry-run` is no option, and nobody should receive it. */
export function refuseOtherDashes(args: readonly string[], program: Command): void {
  const end = args.indexOf("--");
  const options = new Set(optionsOf(program));
  for (const arg of end === -1 ? args : args.slice(0, end)) {
    const name = `--${OTHER_DASHES.exec(arg)?.[1]?.toLowerCase()}`;
    if (options.has(name))
      throw new CommandError(EXIT.usage, `"${arg}" begins with another dash than options do`, {
        hint: `write ${name}; if it is meant as text, write --text="${arg}"`,
      });
  }
}

function optionsOf(command: Command): string[] {
  return [...command.options.map(({ long }) => long ?? ""), "--help", ...command.commands.flatMap(optionsOf)];
}

/** No shell can give one; a model can. */
export function refuseNul(args: readonly string[]): void {
  if (args.some((arg) => arg.includes("\0")))
    throw new CommandError(EXIT.usage, "There is a NUL in the command line: bytes are no text");
}

/**
 * `--text --json` has lost its text, and nobody should receive the next flag. A text may still begin with dashes:
 * `--text=--json`.
 */
export function refuseFlagAsValue(args: readonly string[]): void {
  for (const [index, arg] of args.entries()) {
    const value = args[index + 1];
    if (arg === "--") return;
    if (VALUED.test(arg) && value !== undefined && /^--\w/.test(value))
      throw new CommandError(EXIT.usage, `The value of ${arg} is missing: "${value}" looks like an option`, {
        hint: `if it is meant as the value, write ${arg}=${value}`,
      });
  }
}

export function once(value: string, previous: string | undefined): string {
  if (previous !== undefined) throw new InvalidArgumentError("It is given twice.");
  return value;
}

/** The next option is no value. */
export function word(value: string): string {
  if (/^(--\w|$)/.test(value)) throw new InvalidArgumentError("Its value is missing.");
  return value;
}

/** Seconds of `20`, `30s`, `2m`. */
export function parseTimeout(value: string): number {
  const seconds = (parseDuration(value) ?? 0) / 1000;
  if (!(seconds >= 1 && seconds <= 3600)) throw new InvalidArgumentError("It must be 1 to 3600 seconds.");
  return seconds;
}

export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

export function collectWords(value: string, previous: readonly string[] = []): readonly string[] {
  return collect(word(value), previous);
}

export function parseCount(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError("It must be a positive whole number.");
  return Number(value);
}

/** A row as `wa-cli outbox` shows it: `#12`. */
export function parseRow(value: string): number {
  if (!/^#?[1-9]\d{0,9}$/.test(value)) throw new InvalidArgumentError("It must be a positive whole number.");
  return Number(value.replace("#", ""));
}
