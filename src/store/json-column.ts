import { z } from "zod";

/** JSON that we wrote ourselves, from the type; undefined where there is none. */
export function jsonColumn<T>() {
  return z
    .string()
    .nullable()
    .transform((text): T | undefined => (text === null ? undefined : JSON.parse(text)));
}
