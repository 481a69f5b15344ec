interface Task {
  readonly run: () => Promise<void>;
  readonly prerequisite: Promise<unknown> | undefined;
}

/**
 * Runs tasks in order within a key and side by side across keys, at most `maxParallel` at once. A key costs memory
 * only while it has work.
 */
export class Lanes {
  readonly #maxParallel: number;
  readonly #waiting = new Map<string, Task[]>();
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

  /**
   * Adds a task at the end of its key's lane. The task must not reject: it settles its own errors. It begins after
   * `prerequisite`, and until then takes nobody's place.
   */
  push(key: string, run: () => Promise<void>, prerequisite?: Promise<unknown>): void {
    if (!this.#open) return;
    const task = { run, prerequisite };
    const lane = this.#waiting.get(key);
    if (lane) {
      lane.push(task);
      return;
    }
    this.#waiting.set(key, [task]);
    this.#offer(key, task);
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

  #offer(key: string, { prerequisite }: Task): void {
    const offer = () => {
      if (!this.#open) return;
      this.#ready.add(key);
      this.#startReady();
    };
    if (prerequisite) void prerequisite.then(offer, offer);
    else offer();
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
      await task.run();
    } finally {
      this.#running--;
      const [next] = lane;
      if (next && this.#open) this.#offer(key, next);
      else this.#waiting.delete(key);
      this.#startReady();
      if (this.#running === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }
}
