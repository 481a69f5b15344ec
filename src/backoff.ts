/** Waits between tries: from `firstMs`, times `factor` (2) each time, up to `maxMs`. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly factor?: number;
}

/** The delay after try number `attempt` (from 1), with jitter: from half to all of it, so that many waiters do not come back together. */
export function backoffMs(
  attempt: number,
  { firstMs, maxMs, factor = 2 }: Backoff,
  random = Math.random,
): number {
  const full = Math.min(maxMs, firstMs * factor ** Math.min(attempt - 1, 30));
  return Math.round(full * (0.5 + random() / 2));
}
