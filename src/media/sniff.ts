import { openAsBlob } from "node:fs";
import { open } from "node:fs/promises";

export interface Sniffed {
  readonly mimeType: string;
  /** Without a dot in front; small letters, digits and dots. */
  readonly extension: string;
}

const SAMPLE_BYTES = 65_536;
const TEXT: Sniffed = { mimeType: "text/plain", extension: "txt" };
const UNKNOWN: Sniffed = { mimeType: "application/octet-stream", extension: "bin" };

/** What else may consist of readable characters; a text that begins with "BM" is no picture. */
const READABLE = /^text\/|\b(pdf|rtf|xml|postscript)\b/;

/** What a file is by its bytes, whatever anybody says of it. */
export async function sniff(path: string): Promise<Sniffed> {
  // Not needed until the first file comes.
  const { fileTypeFromBlob } = await import("file-type");
  // Its own reader of files loads a package that no bundler sees. It reads here and there, never all of a blob.
  const blob = await openAsBlob(path);
  // It may stumble over a file that was made to be stumbled over.
  const found = await fileTypeFromBlob(blob).catch(() => undefined);
  const isText = await consistsOfText(path);
  if (found === undefined || (isText && !READABLE.test(found.mime))) return isText ? TEXT : UNKNOWN;
  const [mimeType = found.mime] = found.mime.split(";");
  // Services that write speech down know it by this name only.
  return { mimeType, extension: found.ext === "opus" ? "ogg" : found.ext.toLowerCase() };
}

/** UTF-8 without control characters, as far as a sample tells. */
async function consistsOfText(path: string): Promise<boolean> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
  if (bytesRead === 0) return false;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const text = decoder.decode(buffer.subarray(0, bytesRead), { stream: bytesRead === SAMPLE_BYTES });
    return !/[^\P{Cc}\t\n\r\f\u0085]/u.test(text);
  } catch {
    // Not UTF-8.
    return false;
  }
}
