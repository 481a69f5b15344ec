import type { Clock } from "../src/clock.ts";
import { describeError } from "../src/errors.ts";
import type { Log } from "../src/log.ts";
import { isWell, type PartName, type PartState } from "../src/part.ts";
import type { Task } from "../src/pipeline/bridge.ts";
import type { Health } from "../src/source/health.ts";
import type { Store } from "../src/store/store.ts";

/** Each look writes to the disk, which nobody should be able to ask for at will. */
const LOOK_MS = 5000;
const FAILURE_MS = 30_000;
/** `wa-cli status` takes a daemon that gave no sign of life for twice as long for one that hangs. */
const BEAT_MS = 60_000;

/** What each part last said of itself: for /health in this process, and in the store for `wa-cli status`. */
export class HealthBoard implements Task {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #parts = new Map<PartName, PartState>();
  #disk: Promise<boolean> | undefined;
  #lookedAt = 0;
  #storeFailedAt = Number.NEGATIVE_INFINITY;

  constructor(store: Store, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** A part that takes part from now on; where it says its states. */
  add(
    name: PartName,
    initial: PartState = { kind: "starting", message: "Starting" },
  ): (state: PartState) => void {
    const note = (state: PartState) => {
      this.#parts.set(name, state);
      this.#store.facts
        .set(name, JSON.stringify(state), this.#clock.now())
        .catch((error: unknown) => this.#log.warn({ reason: describeError(error) }, "state not noted"));
    };
    note(initial);
    return note;
  }

  /** Tells which parts are well, without details: it may be asked from anywhere. */
  async report(): Promise<Health> {
    const parts: Record<string, { readonly ok: boolean; readonly state: string }> = {};
    for (const [name, state] of this.#parts) parts[name] = { ok: isWell(name, state), state: state.kind };
    const isWritable = await this.isWritable();
    parts["store"] = { ok: isWritable, state: isWritable ? "writable" : "not writable" };
    return { ok: Object.values(parts).every((part) => part.ok), parts };
  }

  /** Gives a sign of life, by looking whether the store takes one: who is stopped or stuck can not tell it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.isWritable();
      await this.#clock.sleep(BEAT_MS, signal).catch(() => {});
    }
  }

  /** Something could not be stored: for a while the store counts as unwell, whatever a small write says. */
  noteStoreFailure(): void {
    this.#storeFailedAt = this.#clock.now();
  }

  /** Whether the store takes what it is given. */
  async isWritable(): Promise<boolean> {
    const now = this.#clock.now();
    if (now - this.#storeFailedAt < FAILURE_MS) return false;
    if (this.#disk === undefined || now - this.#lookedAt >= LOOK_MS) {
      this.#lookedAt = now;
      this.#disk = this.#store.facts.set("health", String(now), now).then(
        () => true,
        () => false,
      );
    }
    return this.#disk;
  }
}
