import { z } from "zod";
import { MAX_TEXT_CHARS } from "../content.ts";

const MAX_ID_CHARS = 1024;
const MAX_URL_CHARS = 8192;

/** A text, cut and without halves of characters; an empty one counts as absent, and so does every other type. */
export const words = z
  .string()
  .min(1)
  .transform((text) => cut(text, MAX_TEXT_CHARS))
  .optional()
  .catch(undefined);

/** A number may be an id too. Never cut: half of an id is another's. */
export const id = z
  .union([z.string().min(1).max(MAX_ID_CHARS), z.int().transform(String)])
  .optional()
  .catch(undefined);

export const url = z.string().max(MAX_URL_CHARS).refine(isWebUrl).optional().catch(undefined);

/** Finite; as a number or as one in a text. */
export const decimal = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^-?\d+(?:\.\d+)?$/)
      .transform(Number),
  ])
  .refine(Number.isFinite);

export const amount = decimal
  .refine((value) => value >= 0)
  .optional()
  .catch(undefined);

/** At most so many entries, each for somebody else to judge. */
export function listOf(max: number): z.ZodType<unknown[]> {
  return z
    .array(z.unknown())
    .catch([])
    .transform((entries) => entries.slice(0, max));
}

/** A field of what may be no object at all. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

export function cut(text: string, maxChars: number): string {
  // The cut may leave half of a character, and some arrive so.
  return text.slice(0, maxChars).toWellFormed();
}

function isWebUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}
