/** A message as the stand-in keeps it. */
export interface Row {
  readonly storedAt: number;
  /** Decides between rows of the same time. */
  readonly order: number;
  readonly direction: "inbound" | "outbound";
  readonly body: unknown;
}

export interface ListParameters {
  readonly direction: string | null;
  readonly since: number;
  readonly until: number;
  readonly limit: number;
  /** `storedAt` and `order` of the last row that was seen. */
  readonly after: readonly [number, number] | undefined;
}

export function readListQuery(search: URLSearchParams): ListParameters {
  const after = search.get("after");
  const decoded: unknown =
    after === null ? undefined : JSON.parse(Buffer.from(after, "base64").toString("utf8"));
  return {
    direction: search.get("direction"),
    since: Date.parse(search.get("since") ?? "1970-01-01T00:00:00Z"),
    until: Date.parse(search.get("until") ?? "9999-01-01T00:00:00Z"),
    limit: Math.min(100, Number(search.get("limit") ?? 20)),
    after: Array.isArray(decoded) ? [Number(decoded[0]), Number(decoded[1])] : undefined,
  };
}

/** One page, newest first. As at Kapso, a page always has a cursor, the last one too. */
export function listRows(
  rows: readonly Row[],
  { direction, since, until, limit, after }: ListParameters,
): { readonly data: readonly unknown[]; readonly paging: unknown } {
  const page = rows
    .filter((row) => direction === null || row.direction === direction)
    .filter((row) => row.storedAt >= since && row.storedAt <= until)
    .filter((row) => !after || row.storedAt < after[0] || (row.storedAt === after[0] && row.order < after[1]))
    .sort((a, b) => b.storedAt - a.storedAt || b.order - a.order)
    .slice(0, limit);
  const last = page.at(-1);
  const cursor = last && Buffer.from(JSON.stringify([last.storedAt, last.order])).toString("base64");
  return { data: page.map((row) => row.body), paging: { cursors: { before: null, after: cursor ?? null } } };
}
