import { readFile } from "node:fs/promises";
import type { MediaFile } from "../pipeline/media.ts";

/** A picture inside a turn's request. */
export interface Attachment {
  readonly type: "image";
  readonly mimeType: string;
  readonly fileName: string;
  /** base64 */
  readonly content: string;
}

export interface AttachmentLimits {
  /** Of one picture. */
  readonly maxBytes: number;
  /** Of the whole request, which the pictures may fill to the larger part. */
  readonly maxPayload: number;
}

const PICTURES = new Set(["image/jpeg", "image/png", "image/webp", "image/gif"]);

/**
 * Pictures as the `agent` method takes them. One that is too large or can not be read is left out: the message names its
 * path as well. A request over the limit would end the connection. https://docs.openclaw.ai/gateway/protocol
 */
export async function loadAttachments(
  files: readonly MediaFile[],
  { maxBytes, maxPayload }: AttachmentLimits,
): Promise<readonly Attachment[]> {
  const attachments: Attachment[] = [];
  let leftBytes = maxPayload / 2;
  for (const { path, mimeType, bytes, sha256 } of files) {
    if (!PICTURES.has(mimeType) || bytes > maxBytes || bytes * (4 / 3) > leftBytes) continue;
    const content = await readFile(path, "base64").catch(() => undefined);
    if (content === undefined) continue;
    leftBytes -= content.length;
    const fileName = `${sha256.slice(0, 12)}.${mimeType.slice("image/".length)}`;
    attachments.push({ type: "image", mimeType, fileName, content });
  }
  return attachments;
}
