import { z } from "zod";

/** A text field that may be absent, null or of another type. */
export const text = z.string().nullish().catch(undefined);

/** A command and a daemon of different versions are usual, and explain nothing. */
const VERSION_WARNING = /^Warning: client version .*$/gm;

/** For messages: the first line that says something. Empty when none does. */
export function firstLine(output: string): string {
  return output.replaceAll(VERSION_WARNING, "").trim().split("\n")[0]?.slice(0, 200) ?? "";
}
