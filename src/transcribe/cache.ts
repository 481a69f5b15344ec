import type { Transcript } from "../pipeline/media.ts";

/** All texts together; the oldest go first. */
const MAX_CHARS = 2_000_000;
/** What an entry takes beside its text. */
const ENTRY_CHARS = 200;

/** Transcripts by the SHA-256 of their recordings, for a while. One provider, model and language made all of them. */
export class TranscriptCache {
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** In the order in which they came, which is the order in which they expire. */
  readonly #entries = new Map<string, { readonly transcript: Transcript; readonly until: number }>();
  #chars = 0;

  /** 0 keeps nothing. */
  constructor(ttlMs: number, now: () => number) {
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  get(sha256: string): Transcript | undefined {
    this.#dropExpired();
    return this.#entries.get(sha256)?.transcript;
  }

  set(sha256: string, transcript: Transcript): void {
    if (this.#ttlMs === 0) return;
    this.#drop(sha256);
    this.#entries.set(sha256, { transcript, until: this.#now() + this.#ttlMs });
    this.#chars += cost(transcript);
    for (const oldest of this.#entries.keys()) {
      if (this.#chars <= MAX_CHARS) return;
      this.#drop(oldest);
    }
  }

  #dropExpired(): void {
    for (const [sha256, { until }] of this.#entries) {
      if (until > this.#now()) return;
      this.#drop(sha256);
    }
  }

  #drop(sha256: string): void {
    const entry = this.#entries.get(sha256);
    if (entry) this.#chars -= cost(entry.transcript);
    this.#entries.delete(sha256);
  }
}

function cost(transcript: Transcript): number {
  return ENTRY_CHARS + (transcript.kind === "text" ? transcript.text.length : transcript.reason.length);
}
