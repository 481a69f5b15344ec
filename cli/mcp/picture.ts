import { readFile } from "node:fs/promises";
import { z } from "zod";

/** In base64 a million characters, which is what hosts take of an answer. */
const MAX_BYTES = 750_000;

const pictureFile = z.object({
  path: z.string(),
  mimeType: z.enum(["image/jpeg", "image/png", "image/webp", "image/gif"]),
  bytes: z.number().max(MAX_BYTES),
});

/** The picture whose file an answer names, for the model to see: its host may not open files of this machine. */
export async function readPicture(answer: unknown) {
  const named = pictureFile.safeParse(answer);
  if (!named.success) return [];
  const { path, mimeType } = named.data;
  // It may be swept away in between; the answer is the same without it.
  const data = await readFile(path, "base64").catch(() => undefined);
  return data === undefined ? [] : [{ type: "image" as const, data, mimeType }];
}
