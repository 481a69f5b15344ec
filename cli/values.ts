import { InvalidArgumentError } from "commander";
import { parseDuration } from "../src/config/duration.ts";
import { CommandError, EXIT } from "./exit-code.ts";

const VALUED =
  /^--(to|text|config|timeout|limit|url|media|as|caption|filename|location|contact|react|reply-to|buttons|list|link|template|lang|param|wait|idempotency-key|with|search|since|out|lines|level|dir)$/;

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
  if (!/^#?[1-9]\d{0,9}$/.test(value)) throw new InvalidArgumentError("It must be a positive whole number.");
  return Number(value.replace("#", ""));
}
