import { expect, onTestFinished, test } from "vitest";
import { HealthBoard } from "../../poller/health.ts";
import { silentLog } from "../../src/log.ts";
import { Store } from "../../src/store/store.ts";
import { tempFolder } from "../media/stand-in.ts";

const MINUTE_MS = 60_000;

test("a sign of life each minute, and no more, until it stops", async () => {
  using folder = tempFolder();
  using store = Store.open(folder.path);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  let now = 0;
  const seen: (number | undefined)[] = [];
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      seen.push(store.facts.get("health")?.changedAt);
      now += ms;
      if (seen.length === 3) stop.abort();
    },
  };

  await new HealthBoard(store, { clock, log: silentLog }).run(stop.signal);

  expect(seen).toEqual([0, MINUTE_MS, 2 * MINUTE_MS]);
});
