import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lanes } from "../../src/pipeline/lanes.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Waits until nothing runs. Within the test's own time, so that a lane that hangs fails soon. */
async function finished(lanes: Lanes): Promise<void> {
  for (let turns = 0; turns < 200 && (turns === 0 || lanes.running > 0); turns++) await turn();
  expect(lanes.running).toBe(0);
}

/** Whether `promise` resolves soon. */
async function resolvesSoon(promise: Promise<void>): Promise<boolean> {
  const soon = async () => {
    for (let turns = 0; turns < 50; turns++) await turn();
    return false;
  };
  return Promise.race([promise.then(() => true), soon()]);
}

/** A task that ends when it is told to. */
function task(log: string[], name: string) {
  const gate = Promise.withResolvers<void>();
  return {
    finish: () => gate.resolve(),
    run: async () => {
      log.push(`${name} starts`);
      await gate.promise;
      log.push(`${name} ends`);
    },
  };
}

describe("Lanes", () => {
  test("P3: tasks of one key run in order, one after the other", async () => {
    const lanes = new Lanes(8);
    const log: string[] = [];
    const tasks = ["a", "b"].map((name) => task(log, name));
    for (const { run } of tasks) lanes.push("key", run);

    await turn();
    expect(log).toEqual(["a starts"]);
    for (const { finish } of tasks) finish();
    await finished(lanes);

    expect(log).toEqual(["a starts", "a ends", "b starts", "b ends"]);
  });

  test("P3, P10: what waits for something takes nobody's place, and keeps its own in its lane", async () => {
    const lanes = new Lanes(1);
    const log: string[] = [];
    const file = Promise.withResolvers<void>();
    const [slow, behind, other] = ["slow", "behind", "other"].map((name) => task(log, name));
    for (const each of [slow, behind, other]) each?.finish();
    lanes.push("a", slow?.run ?? turn, file.promise);
    lanes.push("a", behind?.run ?? turn);
    lanes.push("b", other?.run ?? turn);

    await turn();
    await turn();
    expect(log).toEqual(["other starts", "other ends"]);
    file.reject(new Error("it failed"));
    await finished(lanes);

    expect(log.slice(2)).toEqual(["slow starts", "slow ends", "behind starts", "behind ends"]);
  });

  test("P3: keys run side by side", async () => {
    const lanes = new Lanes(8);
    const log: string[] = [];
    const slow = task(log, "slow");
    const quick = task(log, "quick");
    lanes.push("a", slow.run);
    lanes.push("b", quick.run);

    quick.finish();
    await turn();
    expect(log).toEqual(["slow starts", "quick starts", "quick ends"]);
    slow.finish();

    await finished(lanes);
  });

  test("P10: no more run at once than allowed, and the next starts as soon as one ends", async () => {
    const lanes = new Lanes(2);
    const log: string[] = [];
    const tasks = ["a", "b", "c"].map((name) => task(log, name));
    for (const [index, { run }] of tasks.entries()) lanes.push(`key ${index}`, run);

    await turn();
    expect(lanes.running).toBe(2);
    expect(log).toEqual(["a starts", "b starts"]);
    tasks[1]?.finish();
    await turn();

    expect(log).toEqual(["a starts", "b starts", "b ends", "c starts"]);
    for (const { finish } of tasks) finish();
    await finished(lanes);
  });

  test("P3: a key with much to do does not starve another", async () => {
    const lanes = new Lanes(1);
    const order: string[] = [];
    for (let index = 0; index < 50; index++) lanes.push("busy", async () => void order.push("busy"));
    lanes.push("quiet", async () => void order.push("quiet"));

    await finished(lanes);

    expect(order.indexOf("quiet")).toBeLessThan(5);
  });

  test("close() starts nothing more, lets what runs finish and takes nothing new", async () => {
    const lanes = new Lanes(1);
    const log: string[] = [];
    const running = task(log, "running");
    lanes.push("a", running.run);
    lanes.push("a", task(log, "waiting").run);
    lanes.push("b", task(log, "other").run);
    await turn();

    lanes.close();
    lanes.push("c", task(log, "late").run);
    const idle = lanes.idle();
    running.finish();
    expect(await resolvesSoon(idle)).toBe(true);
    await turn();

    expect(log).toEqual(["running starts", "running ends"]);
    expect(lanes.running).toBe(0);
  });

  test("idle() resolves at once when there is nothing, and again after more work", async () => {
    const lanes = new Lanes(2);
    await lanes.idle();
    let done = 0;

    for (let round = 1; round <= 3; round++) {
      lanes.push("a", async () => {
        await turn();
        done++;
      });
      await lanes.idle();
      expect(done).toBe(round);
    }
  });

  test("idle() resolves for who asked before the last task of a lane began", async () => {
    const lanes = new Lanes(1);
    lanes.push("a", turn);
    lanes.push("a", turn);

    expect(await resolvesSoon(lanes.idle())).toBe(true);
  });

  test("idle() waits for tasks that a task adds", async () => {
    const lanes = new Lanes(1);
    const order: string[] = [];
    lanes.push("a", async () => {
      order.push("first");
      lanes.push("b", async () => {
        await turn();
        order.push("added");
      });
    });

    expect(await resolvesSoon(lanes.idle())).toBe(true);
    expect(order).toEqual(["first", "added"]);
  });

  test("P3, P10: any work is done once, in order for each key and within the bound", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 3 })), { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        async (work, bound) => {
          const lanes = new Lanes(bound);
          const done = new Map<string, number[]>();
          const busy = new Set<string>();
          let most = 0;
          for (const [index, [lane, turns]] of work.entries()) {
            const key = String(lane);
            lanes.push(key, async () => {
              expect(busy.has(key)).toBe(false);
              busy.add(key);
              most = Math.max(most, busy.size);
              for (let count = 0; count < turns; count++) await Promise.resolve();
              busy.delete(key);
              done.set(key, [...(done.get(key) ?? []), index]);
            });
          }

          await finished(lanes);

          expect([...done.values()].flat()).toHaveLength(work.length);
          for (const order of done.values()) expect(order).toEqual(order.toSorted((a, b) => a - b));
          expect(most).toBeLessThanOrEqual(bound);
        },
      ),
      { numRuns: 60 },
    );
  });
});
