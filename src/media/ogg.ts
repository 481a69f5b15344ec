import { open, type FileHandle } from "node:fs/promises";

/** Of a page and its header, at most: https://www.rfc-editor.org/rfc/rfc3533#section-6 */
const MAX_PAGE_BYTES = 65_307;
const PAGE_HEADER_BYTES = 27;
/** Whatever a file says: nobody speaks for longer. */
const MAX_SECONDS = 86_400;
/** https://www.rfc-editor.org/rfc/rfc7845#section-4 */
const SAMPLES_PER_SECOND = 48_000;

interface Page {
  readonly stream: number;
  /** Samples up to its end; negative when no packet ends in it. */
  readonly position: bigint;
  readonly bodyAt: number;
}

/** Length of a voice message: what its last page says. Undefined for everything but Opus in Ogg. */
export async function opusSeconds(path: string): Promise<number | undefined> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const head = await read(file, 0, 512);
  const first = readPage(head, 0);
  if (first === undefined || head.length < first.bodyAt + 12) return undefined;
  if (head.toString("latin1", first.bodyAt, first.bodyAt + 8) !== "OpusHead") return undefined;
  const tail = await read(file, Math.max(0, size - 2 * MAX_PAGE_BYTES), 2 * MAX_PAGE_BYTES);
  const end = lastPosition(tail, first.stream);
  // Decoded, and not played.
  const skipped = head.readUInt16LE(first.bodyAt + 10);
  const seconds = (Number(end ?? -1n) - skipped) / SAMPLES_PER_SECOND;
  return seconds >= 0 && seconds <= MAX_SECONDS ? Math.round(seconds * 10) / 10 : undefined;
}

function lastPosition(tail: Buffer, stream: number): bigint | undefined {
  for (let before = tail.length; before > 0;) {
    const at = tail.subarray(0, before).lastIndexOf("OggS");
    if (at === -1) return undefined;
    const page = readPage(tail, at);
    if (page?.stream === stream && page.position >= 0n) return page.position;
    before = at;
  }
  return undefined;
}

function readPage(bytes: Buffer, at: number): Page | undefined {
  if (bytes.length < at + PAGE_HEADER_BYTES) return undefined;
  if (bytes.toString("latin1", at, at + 4) !== "OggS" || bytes[at + 4] !== 0) return undefined;
  return {
    position: bytes.readBigInt64LE(at + 6),
    stream: bytes.readUInt32LE(at + 14),
    bodyAt: at + PAGE_HEADER_BYTES + bytes.readUInt8(at + 26),
  };
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
