interface Flight<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

/** Whoever asks for what is already under way waits for the same result. The work is aborted when nobody waits any more. */
export class SharedWork<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** `work` must reject only when its signal aborts. Rejects when `signal` does. */
  async join(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    flight.waiting++;
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([flight.result, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      flight.waiting--;
      if (flight.waiting === 0) await this.#end(key, flight);
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const abort = new AbortController();
    const flight = { result: work(abort.signal), abort, waiting: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  /** Resolves when the work let go of what it held, such as a process. */
  async #end(key: string, { result, abort }: Flight<T>): Promise<void> {
    // Nobody may join what is being aborted.
    this.#flights.delete(key);
    abort.abort();
    await result.catch(() => {
      // Everybody who wanted to know has left.
    });
  }
}
