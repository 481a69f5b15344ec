/** Longer than this, a look in between is worth it. */
const MAX_MS = 600_000;

/** Milliseconds of a `Retry-After` header, ten minutes at most: seconds or a date (RFC 9110). Undefined when it is neither. */
export function parseRetryAfter(value: string | null, now = Date.now()): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Math.min(Number(text) * 1000, MAX_MS);
  const date = /^[A-Z][a-z]+,? .* GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(date) ? Math.min(Math.max(date - now, 0), MAX_MS) : undefined;
}
