import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { GapDetector, type Coverage, type GapState } from "../../src/pipeline/gap-detector.ts";
import { TestClock } from "../clock.ts";
import { NOW } from "../inbound.ts";

/** Runs the detector over spans of time of which it is told this coverage. */
async function detect(coverages: readonly Coverage[]) {
  const stop = new AbortController();
  const logged: string[] = [];
  const states: GapState[] = [];
  const spans: { from: number; to: number; sentSince: number }[] = [];
  const clock = new TestClock();
  let silences = 0;
  const detector = new GapDetector({
    arrivals: {
      coverage: async (from, to, sentSince) => {
        spans.push({ from, to, sentSince });
        return coverages[spans.length - 1] ?? { total: 0, missed: 0 };
      },
    },
    clock,
    log: pino({ level: "info" }, { write: (line: string) => logged.push(line) }),
    onState: (state) => states.push(state),
    onSilence: () => silences++,
  });
  const running = detector.run(stop.signal);
  while (spans.length < coverages.length) await clock.step();
  stop.abort();
  await running;
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
    expect(states.map(({ kind }) => kind)).toEqual(["arriving"]);
    expect(silences).toBe(0);
  });

  test("tells how many messages webhooks missed", async () => {
    const { logged, states } = await detect([{ total: 120, missed: 3 }]);

    expect(logged).toHaveLength(1);
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({ level: 40, missed: 3, of: 120 });
    expect(states.map(({ kind }) => kind)).toEqual(["arriving"]);
  });

  test("warns when webhooks bring nothing while messages arrive, asks for a look, and notices when they are back", async () => {
    const { states, silences } = await detect([
      { total: 2, missed: 2 },
      { total: 1, missed: 1 },
      { total: 0, missed: 0 },
      { total: 4, missed: 1 },
    ]);

    expect(states.map(({ kind }) => kind)).toEqual(["silent", "arriving"]);
    expect(states[0]?.hint).toContain("wa-cli webhook list");
    expect(silences).toBe(2);
  });

  test("looks at each span once, a minute late, and only at what was sent since it listens", async () => {
    const { spans } = await detect([
      { total: 0, missed: 0 },
      { total: 0, missed: 0 },
      { total: 0, missed: 0 },
    ]);

    // It looks every half a minute; what is sent while it starts may still count as sent before.
    const sentSince = NOW + 5000;
    expect(spans).toEqual([
      { from: NOW, to: NOW + 30_000, sentSince },
      { from: NOW + 30_000, to: NOW + 60_000, sentSince },
      { from: NOW + 60_000, to: NOW + 90_000, sentSince },
    ]);
  });
});
