import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The secret that we made for our own webhook; undefined when there is none. */
export function readWebhookSecret(folder: string): string | undefined {
  try {
    return readFileSync(fileIn(folder), "utf8").trim() || undefined;
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Makes one, unless it is there; it stays the same for as long as the state folder does. */
export function makeWebhookSecret(folder: string): string {
  const known = readWebhookSecret(folder);
  if (known !== undefined) return known;
  const draft = `${fileIn(folder)}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
  try {
    // Whole or not at all, and never over that of another process which was faster.
    linkSync(draft, fileIn(folder));
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  } finally {
    unlinkSync(draft);
  }
  return readFileSync(fileIn(folder), "utf8").trim();
}

function fileIn(folder: string): string {
  return join(folder, "webhook-secret");
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
