import { describe, expect, test } from "vitest";
import { refusal } from "../../src/bridge/access.ts";
import { Rate } from "../../src/bridge/rate.ts";

const head = (headers: Readonly<Record<string, string>>, method = "POST", path = "/send") => ({
  method,
  path,
  headers,
  query: new URLSearchParams(),
});

describe("refusal()", () => {
  test.each([
    [{ authorization: "Bearer t-1" }, undefined],
    [{ authorization: "bearer  t-1" }, undefined],
    [{ "x-webhook-secret": "t-1" }, undefined],
    [{ "x-webhook-secret": "t-1", authorization: "Bearer other" }, undefined],
    [{}, 401],
    [{ authorization: "t-1" }, 401],
    [{ authorization: "Bearer t-1 t-1" }, 401],
    [{ authorization: "Bearer" }, 401],
    [{ "x-webhook-secret": "" }, 401],
    [{ host: "127.0.0.1:1" }, 401],
  ])("with a token, %o gives %s", (headers, status) => {
    expect(refusal(head(headers as Record<string, string>), "t-1")?.status).toBe(status);
  });

  test.each([
    [{ host: "127.0.0.1:18791" }, undefined],
    [{ host: "localhost" }, undefined],
    [{ host: "[::1]:18791" }, undefined],
    [{}, 403],
    [{ host: "evil.example" }, 403],
    [{ host: "127.0.0.1.evil.example" }, 403],
    [{ host: "localhost", origin: "http://localhost" }, 403],
    [{ host: "localhost", origin: "null" }, 403],
  ])("without one, %o gives %s", (headers, status) => {
    expect(refusal(head(headers as Record<string, string>), undefined)?.status).toBe(status);
  });

  test.each([
    ["GET", "/health", undefined],
    ["GET", "/media/x", undefined],
    ["POST", "/health", 401],
    ["GET", "/healthy", 401],
    ["GET", "/send", 401],
    ["GET", "/mediax", 401],
  ])("%s %s without the token gives %s", (method, path, status) => {
    expect(refusal(head({}, method, path), "t-1")?.status).toBe(status);
  });
});

describe("Rate", () => {
  test("take() gives a sixth at once, the rest over the minute, and says how long to wait", () => {
    const clock = { at: 0, now: () => clock.at };
    const rate = new Rate(60, clock);

    const first = Array.from({ length: 11 }, () => rate.take());
    clock.at += first[10] ?? 0;
    const then = [rate.take(), rate.take()];
    clock.at += 3_600_000;
    const later = Array.from({ length: 11 }, () => rate.take());

    expect(first).toEqual([...Array.from({ length: 10 }, () => 0), 1000]);
    expect(then).toEqual([0, 1000]);
    expect(later.filter((waitMs) => waitMs === 0)).toHaveLength(10);
  });

  test("a clock that goes back gives nothing away and takes nothing", () => {
    const clock = { at: 1_000_000, now: () => clock.at };
    const rate = new Rate(6, clock);

    expect(rate.take()).toBe(0);
    clock.at = 0;
    expect(rate.take()).toBeGreaterThan(0);
    clock.at += 10_000;
    expect(rate.take()).toBe(0);
  });
});
