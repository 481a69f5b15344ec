const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `"30s"`, `"5m"`, `"1.5h"`, `"500ms"`, `"8d"`; a bare number counts seconds. Undefined when it is neither. */
export function parseDuration(value: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(String(value).trim());
  if (!match) return undefined;
  const unit = Object.entries(UNIT_MS).find(([name]) => name === match[2])?.[1] ?? UNIT_MS.s;
  return Math.round(Number(match[1]) * unit);
}
