import { abortable } from "./abortable.ts";

/** So many may work at once; the others wait in line. */
export class Slots {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Rejects with the signal's reason when it aborts before the turn comes. */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#line.push(resolve);
    await abortable(promise, signal).catch((error: unknown) => {
      const place = this.#line.indexOf(resolve);
      // The turn may have come in the same moment: it is the next one's then.
      if (place === -1) this.#give();
      else this.#line.splice(place, 1);
      throw error;
    });
  }

  #give(): void {
    const next = this.#line.shift();
    if (next) next();
    else this.#free++;
  }
}
