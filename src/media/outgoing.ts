import { createHash, randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../clock.ts";
import type { MediaType } from "../content.ts";
import { describeError } from "../errors.ts";
import type { Log } from "../log.ts";
import { canCaption } from "../outgoing.ts";
import type { MediaFile, MediaPreparer } from "../pipeline/media.ts";
import { openAllowed, type Allowed } from "./allowed-file.ts";
import type { Downloader } from "./download.ts";
import { cleanFilename } from "../filename.ts";
import type { MediaFolder } from "./folder.ts";
import {
  decideKind,
  HEAD_BYTES,
  isConvertible,
  LIMITS,
  showSize,
  type Candidate,
  type Wish,
} from "./kinds.ts";
import { convertPicture, type ConvertPicture } from "./picture.ts";

export interface OutgoingParts {
  readonly allowed: Allowed;
  readonly folder: Pick<MediaFolder, "draft" | "keep" | "hasRoom">;
  /** One that asks no server of this machine or its network: the agent may have been told to. */
  readonly downloader: Pick<Downloader, "get">;
  readonly convert?: ConvertPicture;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OutgoingOptions extends Wish {
  readonly caption?: string;
  /** How the person is to see it, in place of its own name. */
  readonly filename?: string | undefined;
}

export type Outgoing =
  | {
      readonly kind: "file";
      /** A copy of ours; its `mimeType` is what WhatsApp is told. */
      readonly file: MediaFile;
      readonly as: MediaType;
      /** As the person will see it. */
      readonly filename: string;
      /** What goes with it. */
      readonly caption?: string;
      /** A caption that can not go with it: a message of its own. */
      readonly text?: string;
      /** Why it is not sent as what it is, or was asked for as. */
      readonly note?: string;
    }
  | Refused;

interface Refused {
  readonly kind: "refused";
  /** In words for the person, as the end of a sentence: no path, no address. */
  readonly reason: string;
}

interface Brought {
  readonly kind: "file";
  readonly file: MediaFile;
  readonly filename: string;
}

const MAX_BYTES = LIMITS.document.maxBytes;
const DOWNLOAD_MS = 120_000;
const NO_ADDRESS = "only files of this machine and addresses of the web can be sent";
const NO_ROOM = "there is no room for more files at the moment";

/**
 * Makes what an agent wants to send ours: `reference` is a path or an address as it wrote it, which may be what somebody
 * else talked it into, or the bytes. Rejects only when `signal` aborts.
 */
export async function prepareOutgoing(
  reference: string | { readonly bytes: Uint8Array },
  { caption = "", filename: wanted, ...wish }: OutgoingOptions,
  parts: OutgoingParts,
  signal: AbortSignal,
): Promise<Outgoing> {
  signal.throwIfAborted();
  try {
    if (!(await parts.folder.hasRoom(parts.clock.now()))) return refuse(NO_ROOM);
    const brought = await bring(reference, parts, signal);
    if (brought.kind === "refused") return brought;
    const named = wanted === undefined ? brought : { ...brought, filename: nameOf(wanted, brought.file) };
    // What was asked for as it is must not become another picture.
    const isKept = wish.asDocument === true || wish.asSticker === true;
    const { file, filename } = isKept ? named : await showable(named, parts, signal);
    const decision = decideKind(await candidate(file, filename), wish);
    if (decision.kind === "refused") {
      await rm(file.path, { force: true });
      return decision;
    }
    const { as, mimeType, note } = decision;
    const isCaption = canCaption(as, caption);
    return {
      kind: "file",
      file: { ...file, mimeType },
      as,
      filename,
      ...(caption !== "" && (isCaption ? { caption } : { text: caption })),
      ...(note !== undefined && { note }),
    };
  } catch (error) {
    signal.throwIfAborted();
    parts.log.error({ reason: describeError(error) }, "file to be sent not stored");
    return refuse("it could not be stored");
  }
}

export function createPreparer(parts: OutgoingParts): MediaPreparer {
  return {
    async prepare({ reference, asVoice }, signal) {
      const outgoing = await prepareOutgoing(reference, { asVoice }, parts, signal);
      if (outgoing.kind === "refused") return outgoing;
      const { as, file, filename, note } = outgoing;
      if (note !== undefined)
        parts.log.info({ as, mimeType: file.mimeType, reason: note }, "file not sent as asked");
      return { kind: "file", media: { as, path: file.path, mimeType: file.mimeType, filename } };
    },
  };
}

async function bring(
  reference: string | { readonly bytes: Uint8Array },
  parts: OutgoingParts,
  signal: AbortSignal,
): Promise<Brought | Refused> {
  if (typeof reference !== "string") {
    const file = await store([reference.bytes], parts.folder, signal);
    return file ? { kind: "file", file, filename: nameOf("file", file) } : refuse(tooLarge());
  }
  if (/^https?:\/\//i.test(reference)) return download(reference, parts, signal);
  const path = readPath(reference);
  return path === undefined ? refuse(NO_ADDRESS) : copy(path, parts, signal);
}

/** Undefined for what names no file of this machine. */
function readPath(reference: string): string | undefined {
  if (!/^(?:[a-z][a-z\d+.-]*:\/\/|file:|data:)/i.test(reference)) return reference;
  if (!/^file:/i.test(reference)) return undefined;
  try {
    return fileURLToPath(reference);
  } catch {
    // Of another machine, or no URL after all.
    return undefined;
  }
}

async function copy(
  path: string,
  { allowed, folder }: OutgoingParts,
  signal: AbortSignal,
): Promise<Brought | Refused> {
  const opened = await openAllowed(path, allowed);
  if (opened.kind === "refused") return opened;
  await using handle = opened.handle;
  if (opened.bytes > MAX_BYTES) return refuse(tooLarge(opened.bytes));
  // One byte more than there may be shows a file that grows.
  const bytes = handle.createReadStream({ autoClose: false, end: MAX_BYTES });
  const file = await store(bytes, folder, signal);
  return file ? { kind: "file", file, filename: nameOf(path, file) } : refuse(tooLarge());
}

async function download(
  url: string,
  { folder, downloader }: OutgoingParts,
  signal: AbortSignal,
): Promise<Brought | Refused> {
  const key = newKey();
  const draft = await folder.draft(key);
  const order = { url, path: draft, maxBytes: MAX_BYTES, timeoutMs: DOWNLOAD_MS };
  const loaded = await downloader.get(order, signal);
  if (loaded.kind === "disk") throw loaded.error;
  if (loaded.kind === "too-large") return refuse(tooLarge());
  if (loaded.kind === "foreign" || loaded.kind === "private")
    return refuse("its server is none that may be asked");
  if (loaded.kind !== "file") return refuse(loaded.reason);
  const file = await folder.keep(key, draft, loaded.sha256);
  return { kind: "file", file, filename: nameOf(decode(URL.parse(url)?.pathname ?? ""), file) };
}

/** The picture as one that WhatsApp shows, if it can be made one. */
async function showable(
  { file, filename }: Brought,
  { folder, convert = convertPicture }: OutgoingParts,
  signal: AbortSignal,
): Promise<Pick<Brought, "file" | "filename">> {
  if (!isConvertible(await candidate(file, filename))) return { file, filename };
  const picture = await convert(file.path, signal);
  const converted = picture && (await store([picture.bytes], folder, signal));
  if (!picture || !converted) return { file, filename };
  await rm(file.path, { force: true });
  return { file: converted, filename: `${basename(filename, extname(filename))}.${picture.extension}` };
}

/** Undefined when there is more than any message may have. */
async function store(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  folder: OutgoingParts["folder"],
  signal: AbortSignal,
): Promise<MediaFile | undefined> {
  const key = newKey();
  const draft = await folder.draft(key);
  const hash = createHash("sha256");
  let left = MAX_BYTES;
  try {
    await using file = await open(draft, "wx", 0o600);
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      left -= chunk.byteLength;
      if (left < 0) break;
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.datasync();
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  if (left >= 0) return folder.keep(key, draft, hash.digest("hex"));
  await rm(draft, { force: true });
  return undefined;
}

async function candidate({ path, mimeType, bytes }: MediaFile, filename: string): Promise<Candidate> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return { mimeType, bytes, filename, head: buffer.subarray(0, bytesRead) };
}

/** Nobody else has a file under it: what is sent twice is stored twice, and swept like the rest. */
function newKey(): string {
  return `outgoing:${randomUUID()}`;
}

/** With an ending, because phones choose the program by it. */
function nameOf(path: string, file: MediaFile): string {
  const name = cleanFilename(path) ?? "file";
  const ending = extname(file.path);
  return extname(name).length > 1 || ending === ".bin" ? name : name + ending;
}

function decode(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    // Not encoded by the rules; it is only a name.
    return pathname;
  }
}

function tooLarge(bytes?: number): string {
  const limit = showSize(MAX_BYTES);
  return `it is larger than the ${limit} that WhatsApp takes${bytes === undefined ? "" : ` (${showSize(bytes)})`}`;
}

function refuse(reason: string): Refused {
  return { kind: "refused", reason };
}
