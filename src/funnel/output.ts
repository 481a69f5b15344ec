import { z } from "zod";

/** A text field that may be absent, null or of another type. */
export const text = z.string().nullish().catch(undefined);
/** Undefined when it is none. */
export function parseJson(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}

/** For messages. */
export function firstLine(output: string): string {
  return output.trim().split("\n")[0]?.slice(0, 200) ?? "";
}
