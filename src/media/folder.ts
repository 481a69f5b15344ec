import { createHash, randomBytes } from "node:crypto";
import { createReadStream, lstatSync, rmSync, type Stats } from "node:fs";
import { chmod, lstat, mkdir, readdir, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { isCode } from "../errors.ts";
import type { Log } from "../log.ts";
import type { MediaFile } from "../pipeline/media.ts";
import { opusSeconds } from "./ogg.ts";
import { sniff } from "./sniff.ts";

export interface FolderLimits {
  /** Since a file came, or was last asked for. */
  readonly retentionMs: number;
  /** Of all files together. */
  readonly quotaBytes: number;
}

export const FOLDER_LIMITS: FolderLimits = {
  retentionMs: 7 * 86_400_000,
  quotaBytes: 2 * 1024 ** 3,
};

/** So long nobody takes a file from whoever was just told of it. */
const FRESH_MS = 3_600_000;
/** A download that wrote nothing for so long is none any more. */
const LEFTOVER_MS = 600_000;
const SWEEP_PAUSE_MS = 60_000;
/** Ours; whatever else is in the folder stays. */
const NAME = /^[0-9a-f]{32}\.([0-9a-f]{8}\.part|[a-z0-9][a-z0-9.]*)$/;
const DRAFT = ".part";
const STEM_CHARS = 32;

interface Entry {
  readonly path: string;
  readonly name: string;
  readonly stats: Stats;
}

/**
 * The files of messages, one each. A file is named after its message and its bytes, so that a sender has no say in where
 * it goes, and it is whole: until then it is a draft.
 */
export class MediaFolder {
  readonly path: string;
  readonly #limits: FolderLimits;
  readonly #inUse: () => ReadonlySet<string>;
  readonly #log: Log;
  #known: Promise<Map<string, string>> | undefined;
  /** Of all files; undefined until they were counted. */
  #bytes: number | undefined;
  #sweptAt = 0;

  constructor(
    stateFolder: string,
    {
      limits = FOLDER_LIMITS,
      inUse = () => new Set(),
      log,
    }: {
      readonly limits?: FolderLimits;
      /** Paths of files that somebody still has to send. */
      readonly inUse?: () => ReadonlySet<string>;
      readonly log: Log;
    },
  ) {
    this.path = join(stateFolder, "media");
    this.#limits = limits;
    this.#inUse = inUse;
    this.#log = log;
  }

  /** The file of this message, when it is here. */
  async find(wamid: string): Promise<MediaFile | undefined> {
    const name = (await this.#index()).get(stem(wamid));
    if (name === undefined) return undefined;
    const path = join(this.path, name);
    try {
      if (!(await lstat(path)).isFile()) return undefined;
      // From here on it is fresh, and stays.
      await utimes(path, new Date(), new Date());
      const { mimeType } = await sniff(path);
      return await describe(path, mimeType, await hashOf(path));
    } catch (error) {
      if (isCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Where to write the file of this message; nothing is there yet. */
  async draft(wamid: string): Promise<string> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await chmod(this.path, 0o700);
    return join(this.path, `${stem(wamid)}.${randomBytes(4).toString("hex")}${DRAFT}`);
  }

  /** Makes a whole draft the file of this message. */
  async keep(wamid: string, draft: string, sha256: string): Promise<MediaFile> {
    try {
      const { mimeType, extension } = await sniff(draft);
      const path = join(this.path, `${stem(wamid)}.${extension}`);
      await rename(draft, path);
      (await this.#known)?.set(stem(wamid), `${stem(wamid)}.${extension}`);
      const file = await describe(path, mimeType, sha256);
      if (this.#bytes !== undefined) this.#bytes += file.bytes;
      return file;
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  /** False when there is more than the quota, and nothing of it may go. */
  async hasRoom(now: number): Promise<boolean> {
    const isFull = () => (this.#bytes ?? Number.POSITIVE_INFINITY) >= this.#limits.quotaBytes;
    if (isFull() && (this.#bytes === undefined || now - this.#sweptAt >= SWEEP_PAUSE_MS))
      await this.sweep(now);
    return !isFull();
  }

  /** Removes what is too old, what is too much (the oldest first), and what broken downloads left. */
  async sweep(now: number): Promise<void> {
    this.#sweptAt = now;
    this.#known = undefined;
    const entries = await this.#entries();
    const age = ({ stats }: Entry) => now - stats.mtimeMs;
    const isDraft = ({ name }: Entry) => name.endsWith(DRAFT);
    const maxAge = Math.max(this.#limits.retentionMs, FRESH_MS);
    let bytes = entries.reduce((sum, { stats }) => sum + stats.size, 0);
    let removed = 0;
    const inUse = this.#inUse();
    for (const entry of entries.toSorted((a, b) => age(b) - age(a))) {
      const isOver = bytes > this.#limits.quotaBytes && age(entry) > FRESH_MS;
      const isDue = isDraft(entry) ? age(entry) > LEFTOVER_MS : age(entry) > maxAge || isOver;
      if (!isDue || inUse.has(entry.path) || !removeUnlessTouched(entry)) continue;
      bytes -= entry.stats.size;
      removed++;
    }
    this.#bytes = bytes;
    const { quotaBytes } = this.#limits;
    if (removed > 0) this.#log.info({ removed, bytes }, "old media files removed");
    if (bytes > quotaBytes)
      this.#log.warn({ bytes, quotaBytes }, "media files of the last hour exceed their quota");
  }

  /** Which file is whose: the folder is read once, however many there are in it. */
  async #index(): Promise<Map<string, string>> {
    this.#known ??= this.#names().then(
      (names) =>
        new Map(
          names.filter((name) => !name.endsWith(DRAFT)).map((name) => [name.slice(0, STEM_CHARS), name]),
        ),
    );
    return this.#known;
  }

  async #entries(): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const name of await this.#names()) {
      const path = join(this.path, name);
      const stats = await lstat(path).catch(() => undefined);
      if (stats?.isFile()) entries.push({ path, name, stats });
    }
    return entries;
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.path).catch((error: unknown) => {
      if (isCode(error, "ENOENT")) return [];
      throw error;
    });
    return names.filter((name) => NAME.test(name));
  }
}

/** The part of a name that tells the message. */
function stem(wamid: string): string {
  return createHash("sha256").update(wamid).digest("hex").slice(0, STEM_CHARS);
}

async function describe(path: string, mimeType: string, sha256: string): Promise<MediaFile> {
  const { size } = await lstat(path);
  const seconds = mimeType === "audio/ogg" ? await opusSeconds(path) : undefined;
  return { path, mimeType, bytes: size, sha256, ...(seconds !== undefined && { seconds }) };
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  const chunks: AsyncIterable<Uint8Array> = createReadStream(path);
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

/** In one go, so that nobody can be told of the file in between. False when it is not as it was, or can not go. */
function removeUnlessTouched({ path, stats }: Entry): boolean {
  try {
    if (lstatSync(path).mtimeMs !== stats.mtimeMs) return false;
    rmSync(path);
    return true;
  } catch {
    // Gone already, or not ours to remove: then it counts until the next time.
    return false;
  }
}
