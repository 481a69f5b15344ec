/**
 * Runs tasks in order within a key and side by side across keys, at most `maxParallel` at once. A key costs memory
 * only while it has work.
 */
export class Lanes {
  readonly #maxParallel: number;
  readonly #waiting = new Map<string, (() => Promise<void>)[]>();
  /** Keys that have work and no running task, in the order in which they got it. */
  readonly #ready = new Set<string>();
  #running = 0;
  #open = true;
  #idleWaiters: (() => void)[] = [];

  constructor(maxParallel: number) {
    this.#maxParallel = maxParallel;
  }

  /** Tasks that run now. */
  get running(): number {
    return this.#running;
  }

  /** Adds a task at the end of its key's lane. The task must not reject: it settles its own errors. */
  push(key: string, task: () => Promise<void>): void {
    if (!this.#open) return;
    const lane = this.#waiting.get(key);
    if (lane) {
      lane.push(task);
      return;
    }
    this.#waiting.set(key, [task]);
    this.#ready.add(key);
    this.#startReady();
  }

  /** Starts nothing more; what waits is dropped (it is on disk) and what runs may finish. */
  close(): void {
    this.#open = false;
    this.#ready.clear();
  }

  /** Resolves when no task runs and, unless closed, none waits. */
  async idle(): Promise<void> {
    if (this.#running === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idleWaiters.push(resolve);
    await promise;
  }

  #startReady(): void {
    for (const key of this.#ready) {
      if (this.#running >= this.#maxParallel) return;
      this.#ready.delete(key);
      void this.#runHead(key);
    }
  }

  async #runHead(key: string): Promise<void> {
    const lane = this.#waiting.get(key);
    const task = lane?.shift();
    if (!lane || !task) return;
    this.#running++;
    try {
      await task();
    } finally {
      this.#running--;
      if (lane.length > 0 && this.#open) this.#ready.add(key);
      else this.#waiting.delete(key);
      this.#startReady();
      if (this.#running === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }
}
