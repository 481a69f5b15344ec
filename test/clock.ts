import type { Clock } from "../src/clock.ts";
import { NOW } from "./inbound.ts";

/**
 * Time that passes only when a test lets it. Whoever sleeps is woken when that time has come, so that nothing waits in
 * earnest and nothing depends on how quick the machine is.
 */
export class TestClock implements Clock {
  /** How long each sleep was to be, in the order in which they began. */
  readonly sleeps: number[] = [];
  readonly #start: () => number;
  readonly #asleep = new Map<() => void, number>();
  #begun = Promise.withResolvers<void>();
  #passedMs = 0;

  /** Begins at `NOW`; with `Date.now` it runs along with the machine's, for servers that have that one. */
  constructor(start: () => number = () => NOW) {
    this.#start = start;
  }

  now(): number {
    return this.#start() + this.#passedMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    this.sleeps.push(ms);
    this.#asleep.set(resolve, this.now() + ms);
    this.#begun.resolve();
    this.#begun = Promise.withResolvers();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
      this.#asleep.delete(resolve);
    }
  }

  /** Moves on, and wakes everybody whose time has come. */
  advance(ms: number): void {
    this.#passedMs += ms;
    for (const [wake, endsAt] of this.#asleep)
      if (endsAt <= this.now()) {
        this.#asleep.delete(wake);
        wake();
      }
  }

  /** Moves on to the end of the sleep that ends first. Nothing happens while nobody sleeps. */
  skip(): void {
    if (this.#asleep.size > 0) this.advance(Math.max(0, Math.min(...this.#asleep.values()) - this.now()));
  }

  /** Resolves when somebody sleeps. */
  async idle(): Promise<void> {
    while (this.#asleep.size === 0) await this.#begun.promise;
  }

  /** Ends the sleep of whoever works in turns, and waits for the next. */
  async step(): Promise<void> {
    await this.idle();
    this.skip();
    await this.idle();
  }
}
