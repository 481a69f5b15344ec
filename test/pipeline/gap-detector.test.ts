import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { GapDetector, type Coverage, type GapState } from "../../src/pipeline/gap-detector.ts";

/** Runs the detector over spans of time of which it is told this coverage. */
async function detect(coverages: readonly Coverage[]) {
  const stop = new AbortController();
  const logged: string[] = [];
  const states: GapState[] = [];
  const spans: { from: number; to: number; sentSince: number }[] = [];
  let now = 1_000_000;
  let silences = 0;
  const detector = new GapDetector({
    arrivals: {
      coverage: async (from, to, sentSince) => {
        spans.push({ from, to, sentSince });
        const coverage = coverages[spans.length - 1];
        if (spans.length >= coverages.length) stop.abort();
        return coverage ?? { total: 0, missed: 0 };
      },
    },
    clock: {
      now: () => now,
      sleep: async (ms, signal) => {
        signal.throwIfAborted();
        now += ms;
      },
    },
    log: pino({ level: "info" }, { write: (line: string) => logged.push(line) }),
    onState: (state) => states.push(state),
    onSilence: () => silences++,
  });
  await detector.run(stop.signal);
  return { logged, states, spans, silences };
}

describe("GapDetector", () => {
  test("stays quiet while webhooks bring everything", async () => {
    const { logged, states, silences } = await detect([
      { total: 3, missed: 0 },
      { total: 0, missed: 0 },
      { total: 5, missed: 0 },
    ]);

    expect(logged).toEqual([]);
    expect(states.map(({ kind }) => kind)).toEqual(["complete"]);
    expect(silences).toBe(0);
  });

  test("tells how many messages webhooks missed", async () => {
    const { logged, states } = await detect([{ total: 120, missed: 3 }]);

    expect(logged).toHaveLength(1);
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({ level: 40, missed: 3, of: 120 });
    expect(states.map(({ kind }) => kind)).toEqual(["complete"]);
  });

  test("warns when webhooks bring nothing while messages arrive, asks for a look, and notices when they are back", async () => {
    const { states, silences } = await detect([
      { total: 2, missed: 2 },
      { total: 1, missed: 1 },
      { total: 0, missed: 0 },
      { total: 4, missed: 1 },
    ]);

    expect(states.map(({ kind }) => kind)).toEqual(["silent", "complete"]);
    expect(states[0]?.hint).toContain("wa-cli webhook list");
    expect(silences).toBe(2);
  });

  test("looks at each span once, a minute late, and only at what was sent since it listens", async () => {
    const { spans } = await detect([
      { total: 0, missed: 0 },
      { total: 0, missed: 0 },
      { total: 0, missed: 0 },
    ]);

    for (const [index, { from }] of spans.entries()) expect(from).toBe(spans[index - 1]?.to ?? 1_000_000);
    for (const { sentSince } of spans) expect(sentSince).toBeGreaterThanOrEqual(1_000_000);
    expect(spans.at(-1)?.to).toBeLessThanOrEqual(1_000_000 + 5 * 30_000 - 60_000);
  });
});
