/** Kapso counts requests of a key in fixed windows of a minute: https://docs.kapso.ai/api/rate-limits */
export const RATE_WINDOW_MS = 60_000;
/** The smallest plan, until an answer says otherwise. */
const DEFAULT_LIMIT = 100;
/** Part of a window that polling and typing leave to answers. */
const RESERVE = 0.25;

/** What is left of the plan's requests, as far as the last answer told. Sending, polling and typing share it. */
export class RateBudget {
  #limit = DEFAULT_LIMIT;
  #remaining = DEFAULT_LIMIT;
  #notedAt = 0;

  note(limit: string | null, remaining: string | null, now: number): void {
    if (limit !== null && /^\d+$/.test(limit) && Number(limit) > 0) this.#limit = Number(limit);
    if (remaining === null || !/^\d+$/.test(remaining)) return;
    this.#remaining = Number(remaining);
    this.#notedAt = now;
  }

  /** True when what is left should be kept for answers. A window later nothing of it holds any more. */
  isLow(now: number): boolean {
    return now - this.#notedAt < RATE_WINDOW_MS && this.#remaining < this.#limit * RESERVE;
  }

  /** The shortest wait between two polls that uses at most half of the plan's requests. */
  get minPollIntervalMs(): number {
    return (2 * RATE_WINDOW_MS) / this.#limit;
  }
}
