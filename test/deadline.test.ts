import { describe, expect, test, vi } from "vitest";
import { DeadlineError, withDeadline } from "../src/deadline.ts";

const never = (limit: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    limit.addEventListener("abort", () => reject(new Error("given up")), { once: true });
  });

describe("withDeadline()", () => {
  test("gives the result and leaves neither timer nor listener behind", async () => {
    const clear = vi.spyOn(globalThis, "clearTimeout");
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, "removeEventListener");

    expect(await withDeadline(60_000, signal, async () => 7)).toBe(7);

    expect(clear).toHaveBeenCalledOnce();
    expect(removed).toHaveBeenCalledOnce();
  });

  test("rejects with DeadlineError when time is up, whatever the work made of it", async () => {
    const { signal } = new AbortController();

    await expect(withDeadline(5, signal, never)).rejects.toBeInstanceOf(DeadlineError);
  });

  test("a time longer than a timer can wait is no time that is up", async () => {
    const { signal } = new AbortController();
    const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

    expect(
      await withDeadline(30 * 86_400_000, signal, async (limit) => pause().then(() => limit.aborted)),
    ).toBe(false);
  });

  test("passes the signal on, and rejects with the work's own error then", async () => {
    const stop = new AbortController();
    const work = withDeadline(60_000, stop.signal, never);

    stop.abort(new Error("stopped"));

    await expect(work).rejects.toThrow("given up");
  });
});
