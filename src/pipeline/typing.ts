import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";
import type { Log } from "../log.ts";
import { maskWamid } from "../message.ts";

/** Shows blue ticks, and with `typing` that an answer is on its way. */
export interface Receipts {
  markRead(wamid: string, options: { readonly typing: boolean }, signal: AbortSignal): Promise<void>;
}

/** Typing fades after 25 s, and a repeat before that has no effect: https://github.com/vercel/chat/pull/320 */
const REFRESH_MS = 26_000;
/** About an hour: an agent that is at work that long is seen to be no more. */
const MAX_REFRESHES = 140;

/**
 * Keeps "typing…" alive until `signal` aborts. Never rejects and is never waited for: it can neither delay nor fail an
 * answer. A request that is under way is left alone: it has arrived, and ending it would cost the connection.
 */
export async function keepTyping(
  wamid: string,
  { receipts, mode, clock, log }: TypingOptions,
  { signal, stopping }: { readonly signal: AbortSignal; readonly stopping: AbortSignal },
): Promise<void> {
  if (mode === "none") return;
  try {
    for (let shown = 0; shown < MAX_REFRESHES && !signal.aborted; shown++) {
      await receipts.markRead(wamid, { typing: mode === "typing" }, stopping);
      if (mode === "read") return;
      await clock.sleep(REFRESH_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted && !stopping.aborted)
      log.debug({ wamid: maskWamid(wamid), reason: describeError(error) }, "typing not shown");
  }
}

export interface TypingOptions {
  readonly receipts: Receipts;
  readonly mode: "typing" | "read" | "none";
  readonly clock: Clock;
  readonly log: Log;
}
