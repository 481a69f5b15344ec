import type { Media, MediaContent } from "../content.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { describeError } from "../errors.ts";
import { maskWamid } from "../message.ts";
import type { Fetched, MediaFetcher, MediaFile } from "../pipeline/media.ts";
import { abortable } from "../abortable.ts";
import { Retrieval, type RetrievalOptions, type RetrievalParts } from "./retrieval.ts";
import { Slots } from "../slots.ts";

export interface FetcherOptions extends Partial<RetrievalOptions> {
  /** Files that are fetched at once; the others wait. */
  readonly maxParallel?: number;
  /** For one file, from its turn on. */
  readonly timeoutMs?: number;
}

const MAX_BYTES = 25 * 1_048_576;
const MAX_PARALLEL = 8;
const TIMEOUT_MS = 60_000;

/** Gets the files of messages into the folder, each once. */
export class CloudMediaFetcher implements MediaFetcher {
  readonly #parts: RetrievalParts;
  readonly #options: RetrievalOptions;
  readonly #timeoutMs: number;
  readonly #slots: Slots;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(
    parts: RetrievalParts,
    {
      maxBytes = MAX_BYTES,
      maxParallel = MAX_PARALLEL,
      timeoutMs = TIMEOUT_MS,
      ...options
    }: FetcherOptions = {},
  ) {
    this.#parts = parts;
    this.#options = { maxBytes, ...options };
    this.#timeoutMs = timeoutMs;
    this.#slots = new Slots(maxParallel);
  }

  async fetch({ media }: MediaContent, wamid: string, signal: AbortSignal): Promise<Fetched> {
    signal.throwIfAborted();
    // Whoever comes second for a message finds the file there.
    for (let first; (first = this.#underWay.get(wamid));) await abortable(first, signal);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#underWay.set(wamid, promise);
    try {
      const outcome = await this.#get(media, wamid, signal);
      if (typeof outcome === "string") return { kind: "failed", reason: outcome };
      return { kind: "file", file: outcome };
    } catch (error) {
      signal.throwIfAborted();
      const fields = { wamid: maskWamid(wamid), reason: describeError(error) };
      this.#parts.log.error(fields, "media file not stored");
      return { kind: "failed", reason: "it could not be stored" };
    } finally {
      this.#underWay.delete(wamid);
      resolve();
    }
  }

  /** The file, or why there is none. */
  async #get(media: Media, wamid: string, signal: AbortSignal): Promise<MediaFile | string> {
    const { folder, clock } = this.#parts;
    const known = await folder.find(wamid);
    if (known) return known;
    return this.#slots.use(signal, async () => {
      if (!(await folder.hasRoom(clock.now()))) return "there is no room for more files at the moment";
      const retrieval = new Retrieval(this.#parts, this.#options, media, wamid);
      return withDeadline(this.#timeoutMs, signal, async (limit) => retrieval.run(limit)).catch(
        (error: unknown) => {
          if (error instanceof DeadlineError) return `not loaded within ${this.#timeoutMs / 1000} seconds`;
          throw error;
        },
      );
    });
  }
}
