import { describe, expect, test } from "vitest";
import { parseRetryAfter } from "../src/retry-after.ts";

describe("parseRetryAfter()", () => {
  const now = Date.UTC(2026, 10, 20, 12, 0, 0);

  test.each([
    ["seconds", "60", 60_000],
    ["seconds with spaces", " 5 ", 5000],
    ["part of a second", "0.5", 500],
    ["nothing to wait for", "0", 0],
    ["a date", "Fri, 20 Nov 2026 12:00:30 GMT", 30_000],
    ["a date that is over", "Fri, 20 Nov 2026 11:00:00 GMT", 0],
    ["more than ten minutes", "86400", 600_000],
    ["a date far away", "Fri, 20 Nov 2099 12:00:00 GMT", 600_000],
    ["no header", null, undefined],
    ["an empty header", "", undefined],
    ["spaces", "  ", undefined],
    ["words", "soon", undefined],
    ["seconds with a unit", "60 seconds", undefined],
    ["a number too large to be one", "9".repeat(400), undefined],
  ])("P10: %s", (_what, value, expected) => {
    expect(parseRetryAfter(value, now)).toBe(expected);
  });

  test.each(["-5", "try 60"])("what is neither seconds nor a date is no answer: %j", (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined();
  });
});
