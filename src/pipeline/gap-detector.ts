import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { PartState } from "../part.ts";

/** Messages of a span of time, and those of them that only polling brought. */
export interface Coverage {
  readonly total: number;
  readonly missed: number;
}

export interface Arrivals {
  /** Of the messages that were sent since and received in a span of time. Milliseconds since 1970. */
  coverage(from: number, to: number, sentSince: number): Promise<Coverage>;
}

export type GapState = PartState<"arriving" | "silent">;

export interface GapParts {
  readonly arrivals: Arrivals;
  readonly clock: Clock;
  readonly log: Log;
  readonly onState: (state: GapState) => void;
  /** Webhooks bring nothing while messages arrive: somebody should look at their registration. */
  readonly onSilence: () => void;
}

const CHECK_MS = 30_000;
/** Kapso repeats a webhook for about 50 s before it gives up: https://docs.kapso.ai/docs/platform/webhooks/overview */
export const GRACE_MS = 60_000;
/** WhatsApp tells times in whole seconds, on its own clock. */
const START_MS = 5000;

/** Compares what polling found with what webhooks brought, and says so when they miss messages. */
export class GapDetector {
  readonly #parts: GapParts;
  #checkedTo = 0;
  #kind: GapState["kind"] | undefined;

  constructor(parts: GapParts) {
    this.#parts = parts;
  }

  /** Watches messages sent from now on, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const startedAt = clock.now();
    this.#checkedTo = startedAt;
    while (!signal.aborted) {
      await clock.sleep(CHECK_MS, signal).catch(() => {});
      if (signal.aborted) return;
      await this.#check(startedAt + START_MS).catch((err: unknown) =>
        log.warn({ err }, "gaps not looked for"),
      );
    }
  }

  async #check(sentSince: number): Promise<void> {
    const { arrivals, clock, log } = this.#parts;
    const to = clock.now() - GRACE_MS;
    if (to <= this.#checkedTo) return;
    const { total, missed } = await arrivals.coverage(this.#checkedTo, to, sentSince);
    this.#checkedTo = to;
    if (missed > 0) log.warn({ missed, of: total }, "webhooks missed messages, polling brought them");
    if (total === 0) return;
    if (missed < total) return this.#report({ kind: "arriving", message: "Webhooks bring messages" });
    this.#report({
      kind: "silent",
      message: `Webhooks bring nothing: the last ${missed} came by polling alone`,
      hint: "wa-cli webhook list shows what is registered, wa-cli preflight tries the way from outside",
    });
    this.#parts.onSilence();
  }

  #report(state: GapState): void {
    if (this.#kind === state.kind) return;
    this.#kind = state.kind;
    if (state.kind === "silent")
      this.#parts.log.warn({ hint: state.hint }, "webhooks are silent while messages arrive");
    this.#parts.onState(state);
  }
}
