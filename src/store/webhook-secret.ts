import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isCode } from "../errors.ts";

/** The secret that we made for our own webhook; undefined when there is none. */
export function readWebhookSecret(folder: string): string | undefined {
  try {
    return readFileSync(fileIn(folder), "utf8").trim() || undefined;
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** What we sign and register with, and everything that is believed: one that we made stays good when another is configured. */
export function readWebhookSecrets(
  folder: string,
  { secret, oldSecrets }: { readonly secret: string | undefined; readonly oldSecrets: readonly string[] },
): { readonly ours: string | undefined; readonly all: readonly string[] } {
  const made = readWebhookSecret(folder);
  const ours = secret ?? made;
  return { ours, all: [...new Set([ours, made, ...oldSecrets].filter((value) => value !== undefined))] };
}

/** Makes one, unless it is there; it stays the same for as long as the state folder does. */
export function makeWebhookSecret(folder: string): string {
  const known = readWebhookSecret(folder);
  if (known !== undefined) return known;
  const draft = `${fileIn(folder)}.${randomBytes(6).toString("hex")}`;
  const secret = randomBytes(32).toString("hex");
  writeFileSync(draft, `${secret}\n`, { mode: 0o600, flag: "wx", flush: true });
  try {
    // Whole or not at all, and never over that of another process which was faster.
    linkSync(draft, fileIn(folder));
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
    // One without a secret in it is no secret: with it, anybody could sign.
    if (readWebhookSecret(folder) === undefined) renameSync(draft, fileIn(folder));
  } finally {
    rmSync(draft, { force: true });
  }
  return readWebhookSecret(folder) ?? secret;
}

function fileIn(folder: string): string {
  return join(folder, "webhook-secret");
}
