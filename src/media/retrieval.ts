import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { Media } from "../content.ts";
import { describeError } from "../errors.ts";
import type { Log } from "../log.ts";
import { maskWamid } from "../message.ts";
import type { MediaFile } from "../pipeline/media.ts";
import { largerThan, type Download, type Downloader, type HeadersFor } from "./download.ts";
import type { MediaFolder } from "./folder.ts";

/** What the provider says of a file by its id. */
export type LookedUp =
  | {
      readonly kind: "found";
      readonly url: string;
      /** Hexadecimal or base64, as claimed. */
      readonly sha256?: string;
      readonly bytes?: number;
    }
  /** The id is unknown, or not any more. */
  | { readonly kind: "gone" }
  /** Asking again may help. `error` is for the log. */
  | { readonly kind: "later" | "failed"; readonly error: string };

export type LookUp = (id: string, signal: AbortSignal) => Promise<LookedUp>;

export interface RetrievalParts {
  readonly downloader: Pick<Downloader, "get">;
  readonly folder: MediaFolder;
  readonly lookUp: LookUp;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RetrievalOptions {
  readonly maxBytes: number;
  /** Sent with every hop to which they belong. */
  readonly headers?: HeadersFor | undefined;
  /** Sent instead, once more, when a server wants to know who asks (HTTP 401 or 403). */
  readonly headersWhenRefused?: HeadersFor | undefined;
}

type Found = Extract<LookedUp, { kind: "found" }>;
type Failure = Exclude<Download, { kind: "file" }>;

/** The file, or why there is none, in words for people. */
type Outcome = MediaFile | string;

const MAX_TRIES = 3;
/** The second one for an address that ran out between the two requests. */
const MAX_LOOK_UPS = 2;
const BACKOFF: Backoff = { firstMs: 1000, maxMs: 8000 };
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

/** One file on its way: from the address in its message, else from the one that its id has now. */
export class Retrieval {
  readonly #parts: RetrievalParts;
  readonly #options: RetrievalOptions;
  readonly #media: Media;
  readonly #wamid: string;
  #tries = 0;
  #lookUps = 0;

  constructor(parts: RetrievalParts, options: RetrievalOptions, media: Media, wamid: string) {
    this.#parts = { ...parts, log: parts.log.child({ wamid: maskWamid(wamid) }) };
    this.#options = options;
    this.#media = media;
    this.#wamid = wamid;
  }

  async run(limit: AbortSignal): Promise<Outcome> {
    const { url } = this.#media;
    if (url === undefined) return this.#byId("the provider does not give it", limit);
    const result = await this.#from({ kind: "found", url }, limit);
    // The id may lead elsewhere: other servers have it, and an address lives for minutes only.
    if ("kind" in result) return isFinal(result) ? result.reason : this.#byId(result.reason, limit);
    return result;
  }

  async #byId(reason: string, limit: AbortSignal): Promise<Outcome> {
    const { id } = this.#media;
    if (id === undefined || this.#lookUps === MAX_LOOK_UPS) return reason;
    this.#lookUps++;
    const found = await this.#ask(id, limit);
    if (typeof found === "string") return found;
    const result = await this.#from(found, limit);
    if (!("kind" in result)) return result;
    return result.kind === "gone" ? this.#byId(result.reason, limit) : result.reason;
  }

  async #ask(id: string, limit: AbortSignal): Promise<Found | string> {
    const { lookUp, log } = this.#parts;
    for (;;) {
      const answer = await lookUp(id, limit).catch((error: unknown): LookedUp => {
        limit.throwIfAborted();
        return { kind: "later", error: describeError(error) };
      });
      if (answer.kind === "found") return answer;
      log.warn(
        { outcome: answer.kind, ...("error" in answer && { reason: answer.error }) },
        "media file not found by its id",
      );
      if (answer.kind === "gone") return "no longer available";
      if (answer.kind === "failed") return "the provider does not give it";
      if (!(await this.#again(limit))) return "the provider does not answer";
    }
  }

  /** Tries until there is a file or no hope for this address. */
  async #from(found: Found, limit: AbortSignal): Promise<MediaFile | Failure> {
    const { maxBytes } = this.#options;
    if ((found.bytes ?? 0) > maxBytes) return { kind: "too-large", reason: largerThan(maxBytes) };
    for (;;) {
      const path = await this.#parts.folder.draft(this.#wamid);
      const result = await this.#download(found.url, path, limit);
      if (result.kind === "file") {
        this.#compare(result.sha256, found.sha256 ?? this.#media.sha256);
        return this.#parts.folder.keep(this.#wamid, path, result.sha256);
      }
      this.#parts.log.warn(factsOf(result), "media file not loaded");
      if (!isPassing(result) || !(await this.#again(limit))) return result;
    }
  }

  async #download(url: string, path: string, limit: AbortSignal): Promise<Download> {
    const { maxBytes, headers, headersWhenRefused } = this.#options;
    const { downloader } = this.#parts;
    const order = { url, path, maxBytes };
    const result = await downloader.get({ ...order, ...(headers && { headers }) }, limit);
    const isRefused = result.kind === "status" && (result.status === 401 || result.status === 403);
    if (!isRefused || !headersWhenRefused) return result;
    return downloader.get({ ...order, headers: headersWhenRefused }, limit);
  }

  /** Waits before the next try; false when there is none. */
  async #again(limit: AbortSignal): Promise<boolean> {
    if (++this.#tries >= MAX_TRIES) return false;
    await this.#parts.clock.sleep(backoffMs(this.#tries, BACKOFF), limit);
    return true;
  }

  /** What a claim is about nobody tells, so a wrong one is no reason to drop a file. */
  #compare(sha256: string, claimed: string | undefined): void {
    if (claimed === undefined) return;
    const base64 = Buffer.from(sha256, "hex").toString("base64");
    if (claimed.toLowerCase() !== sha256 && claimed !== base64)
      this.#parts.log.warn(
        { sha256, claimed: claimed.slice(0, 64) },
        "media file is not what its message claims",
      );
  }
}

/** For the log. */
function factsOf(failure: Failure): object {
  if (failure.kind !== "disk") return failure;
  return { kind: failure.kind, reason: `${failure.reason}: ${describeError(failure.error)}` };
}

function isPassing(failure: Failure): boolean {
  if (failure.kind === "status") return failure.status >= 500 || PASSING.has(failure.status);
  return failure.kind === "network" || failure.kind === "timeout";
}

/** True when it would be the same from elsewhere. */
function isFinal(failure: Failure): boolean {
  return failure.kind === "too-large" || failure.kind === "disk";
}
