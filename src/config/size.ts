const UNIT_BYTES = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 } as const;

/** Bytes of `"25MB"`, `"1.5GB"`, `"500KB"`; a bare number counts bytes. Undefined when it is neither. */
export function parseSize(value: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(KB|MB|GB)?$/i.exec(String(value).trim());
  if (!match) return undefined;
  const unit = Object.entries(UNIT_BYTES).find(([name]) => name === match[2]?.toUpperCase())?.[1] ?? 1;
  return Math.round(Number(match[1]) * unit);
}
