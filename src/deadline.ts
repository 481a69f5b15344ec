/** Node's timers can not wait longer: one that is asked to fires at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** Work was not done in time. */
export class DeadlineError extends Error {}

/**
 * Runs `work` with a signal that aborts when `signal` does, or with a DeadlineError after `ms` milliseconds. Unlike
 * `AbortSignal.timeout` and `AbortSignal.any`, nothing of it outlives the work: a day's timer for each message would.
 */
export async function withDeadline<T>(
  ms: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const pass = () => limit.abort(signal.reason);
  signal.addEventListener("abort", pass, { once: true });
  const timer = setTimeout(
    () => limit.abort(new DeadlineError(`Not done within ${ms} ms`)),
    Math.min(ms, MAX_TIMER_MS),
  );
  try {
    return await work(limit.signal);
  } catch (error) {
    // The work may have put the reason into an error of its own.
    throw limit.signal.reason instanceof DeadlineError && !signal.aborted ? limit.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", pass);
  }
}
