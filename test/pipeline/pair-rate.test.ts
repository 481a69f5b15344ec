import { describe, expect, test } from "vitest";
import { PairRate } from "../../src/pipeline/pair-rate.ts";

const NOW = 1_800_000_000_000;

function noted(count: number, at = NOW): PairRate {
  const rate = new PairRate();
  for (let index = 0; index < count; index++) rate.note("ann", at);
  return rate;
}

describe("PairRate", () => {
  test("somebody new need not wait", () => {
    expect(new PairRate().waitMs("ann", NOW)).toBe(0);
  });

  test("45 may go at once, and the next has to wait for one to be paid back", () => {
    expect(noted(44).waitMs("ann", NOW)).toBe(0);
    expect(noted(45).waitMs("ann", NOW)).toBe(6000);
    expect(noted(45).waitMs("ann", NOW + 5999)).toBe(1);
    expect(noted(45).waitMs("ann", NOW + 6000)).toBe(0);
  });

  test("one person's debt is nobody else's", () => {
    expect(noted(60).waitMs("bob", NOW)).toBe(0);
  });

  test("a debt is paid back after 4.5 minutes, and rest earns no credit beyond the burst", () => {
    const rate = noted(45);
    const later = NOW + 45 * 6000;

    for (let count = 0; count < 45; count++) {
      expect(rate.waitMs("ann", later)).toBe(0);
      rate.note("ann", later);
    }

    expect(rate.waitMs("ann", later)).toBe(6000);
  });

  test("one message every six seconds never waits", () => {
    const rate = new PairRate();
    for (let count = 0; count < 1000; count++) {
      expect(rate.waitMs("ann", NOW + count * 6000)).toBe(0);
      rate.note("ann", NOW + count * 6000);
    }
  });

  test("P10: with very many people it forgets those who have paid before those who have not", () => {
    const rate = noted(70, NOW - 100_000);
    for (let person = 0; person < 99_999; person++) rate.note(`p${person}`, NOW - 60_000);
    rate.note("last", NOW);

    expect(rate.waitMs("ann", NOW)).toBeGreaterThan(0);
  });
});
