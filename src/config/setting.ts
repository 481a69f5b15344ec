import { z } from "zod";
import { parseDuration } from "./duration.ts";
import { parseSize } from "./size.ts";

/** One key of config.toml: its check and default, the variables that override it, and a line for people. */
export interface Setting<T extends z.ZodType = z.ZodType> {
  readonly schema: T;
  readonly env: readonly string[];
  readonly about: string;
  /** Secrets can also come from a file: `<key>_file` and `<VARIABLE>_FILE`. */
  readonly secret: boolean;
}

/** What a checked setting is. */
export type ValueOf<T> = T extends { readonly schema: infer S extends z.ZodType } ? z.output<S> : never;

export function setting<T extends z.ZodType>(
  schema: T,
  env: string | readonly string[],
  about: string,
): Setting<T> {
  return { schema, env: typeof env === "string" ? [env] : env, about, secret: false };
}

/** It travels in a header, where another character would be refused with the whole value in the error. */
export const secretLine = z
  .string()
  .regex(/^[\x21-\x7E]+$/, "must be one line of printable ASCII without spaces or quotes around it");

export function secret(env: string | readonly string[], about: string): Setting<z.ZodOptional<z.ZodString>> {
  return { ...setting(secretLine.optional(), env, about), secret: true };
}

interface Range {
  readonly min: string;
  readonly max: string;
}

/** Milliseconds inside; `min` and `max` too. */
export function duration(fallback: string, { min, max }: Range) {
  const what = `a duration from ${min} to ${max}, such as "${fallback}"; a bare number counts seconds`;
  return quantity(fallback, { min, max, noun: "duration", what, parse: parseDuration });
}

/** Bytes inside. */
export function size(fallback: string, { min, max }: Range) {
  const what = `a size from ${min} to ${max}, such as "${fallback}"; a bare number counts bytes`;
  return quantity(fallback, { min, max, noun: "size", what, parse: parseSize });
}

function quantity(
  fallback: string,
  {
    min,
    max,
    noun,
    what,
    parse,
  }: Range & {
    readonly noun: string;
    readonly what: string;
    readonly parse: (value: string | number) => number | undefined;
  },
) {
  const bound = (text: string) => parse(text) ?? 0;
  return z
    .union([z.string(), z.number()], what)
    .meta({ description: `${noun}, ${min} to ${max}` })
    .default(fallback)
    .transform((value, context) => {
      const parsed = parse(value);
      if (parsed !== undefined && parsed >= bound(min) && parsed <= bound(max)) return parsed;
      context.addIssue(`must be ${what}`);
      return z.NEVER;
    });
}
