import type { Clock } from "../clock.ts";

const WINDOW_MS = 60_000;

/** So many in a minute, and no more than a sixth of them at once. */
export class Rate {
  readonly #perMinute: number;
  readonly #clock: Pick<Clock, "now">;
  readonly #burst: number;
  #left: number;
  #countedAt: number;

  constructor(perMinute: number, clock: Pick<Clock, "now">) {
    this.#perMinute = perMinute;
    this.#clock = clock;
    this.#burst = Math.max(1, Math.ceil(perMinute / 6));
    this.#left = this.#burst;
    this.#countedAt = clock.now();
  }

  /** How long to wait before asking again; 0 when it may be done now, and was counted. */
  take(): number {
    const now = this.#clock.now();
    const grown = (Math.max(0, now - this.#countedAt) / WINDOW_MS) * this.#perMinute;
    this.#left = Math.min(this.#burst, this.#left + grown);
    this.#countedAt = now;
    if (this.#left < 1) return Math.ceil(((1 - this.#left) / this.#perMinute) * WINDOW_MS);
    this.#left--;
    return 0;
  }
}
