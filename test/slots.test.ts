import { describe, expect, test } from "vitest";
import { Slots } from "../src/slots.ts";
import { never } from "./media/stand-in.ts";

describe("Slots", () => {
  /** Work that ends when it is told to. */
  function gates(slots: Slots) {
    const started: number[] = [];
    const ends: (() => void)[] = [];
    const start = (name: number, signal = never) =>
      slots.use(signal, async () => {
        started.push(name);
        const { promise, resolve } = Promise.withResolvers<void>();
        ends.push(resolve);
        await promise;
        return name;
      });
    return { started, ends, start };
  }
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

  test("so many work at once, the others in the order in which they came", async () => {
    const { started, ends, start } = gates(new Slots(2));
    const all = Promise.all([1, 2, 3, 4].map((name) => start(name)));
    await turn();
    expect(started).toEqual([1, 2]);

    for (let done = 0; done < 4; done++) {
      ends[done]?.();
      await turn();
    }

    expect(started).toEqual([1, 2, 3, 4]);
    expect(await all).toEqual([1, 2, 3, 4]);
  });

  test("work that fails gives its slot back", async () => {
    const slots = new Slots(1);

    await expect(slots.use(never, async () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    expect(await slots.use(never, async () => 7)).toBe(7);
  });

  test("who gives up while waiting takes no slot along", async () => {
    const { started, ends, start } = gates(new Slots(1));
    const stop = new AbortController();
    const first = start(1);
    const second = start(2, stop.signal);
    const third = start(3);

    stop.abort(new Error("stopped"));
    await expect(second).rejects.toThrow("stopped");
    ends[0]?.();
    await turn();
    ends[1]?.();

    expect(await Promise.all([first, third])).toEqual([1, 3]);
    expect(started).toEqual([1, 3]);
  });

  test.each(["before", "after"])("nor when it gives up just %s its turn comes", async (when) => {
    const { ends, start } = gates(new Slots(1));
    const stop = new AbortController();
    const first = start(1);
    const second = start(2, stop.signal).catch(() => "gave up");
    await turn();

    if (when === "before") stop.abort(new Error("stopped"));
    ends[0]?.();
    if (when === "after") stop.abort(new Error("stopped"));
    await turn();
    ends[1]?.();
    await Promise.all([first, second]);

    const last = start(3);
    await turn();
    ends.at(-1)?.();
    expect(await last).toBe(3);
  });
});
