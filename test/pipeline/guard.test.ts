import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contactId, type Identity } from "../../src/message.ts";
import { Guard, type Candidate, type GuardPolicy } from "../../src/pipeline/guard.ts";

const NOW = 1_800_000_000_000;
const ANN = "15550100001";
const BOB = "15550100002";

function guard(given: Partial<GuardPolicy> = {}): Guard {
  return new Guard({
    open: false,
    roles: new Map([
      [ANN, "admin"],
      ["US.1", "member"],
    ]),
    defaultRole: "guest",
    rateLimit: 3,
    rateWindowMs: 60_000,
    sessionKey: "main",
    sessionIsolation: true,
    ...given,
  });
}

function candidate(from: Identity, sentAt: number): Candidate {
  return { contact: contactId(from), from, sentAt };
}

describe("Guard", () => {
  test.each([
    ["a listed number", { phone: ANN }, { kind: "allow", role: "admin", session: `main-wa-${ANN}` }],
    ["a listed user id", { bsuid: "US.1" }, { kind: "allow", role: "member", session: "main-wa-US.1" }],
    [
      "a listed user id with an unlisted number",
      { phone: BOB, bsuid: "US.1" },
      { kind: "allow", role: "member", session: `main-wa-${BOB}` },
    ],
    [
      "a number and a user id with different roles: the number's",
      { phone: ANN, bsuid: "US.1" },
      { kind: "allow", role: "admin", session: `main-wa-${ANN}` },
    ],
    ["an unlisted number", { phone: BOB }, { kind: "deny" }],
    ["an unlisted user id", { bsuid: "GB.1" }, { kind: "deny" }],
    ["a number that a listed one begins with", { phone: ANN.slice(0, -1) }, { kind: "deny" }],
    ["a number that begins with a listed one", { phone: `${ANN}0` }, { kind: "deny" }],
    ["the digits of a listed user id", { phone: "1" }, { kind: "deny" }],
    ["a user id in other case", { bsuid: "us.1" }, { kind: "deny" }],
  ])("P4: %s", (_what, from, verdict) => {
    expect(guard().check(candidate(from, NOW))).toEqual(verdict);
  });

  test("P4: with nobody listed everybody is refused", () => {
    expect(guard({ roles: new Map() }).check(candidate({ phone: ANN }, NOW))).toEqual({ kind: "deny" });
  });

  test("an open guard gives strangers the default role and listed people theirs", () => {
    const open = guard({ open: true });

    expect(open.check(candidate({ phone: BOB }, NOW))).toMatchObject({ kind: "allow", role: "guest" });
    expect(open.check(candidate({ phone: ANN }, NOW))).toMatchObject({ kind: "allow", role: "admin" });
  });

  test("people with hidden numbers have sessions of their own", () => {
    const given = guard({ open: true });
    const sessions = ["US.1", "GB.1", "US.11"].map((bsuid) => {
      const verdict = given.check(candidate({ bsuid }, NOW));
      return verdict.kind === "allow" ? verdict.session : undefined;
    });

    expect(new Set(sessions)).toEqual(new Set(["main-wa-US.1", "main-wa-GB.1", "main-wa-US.11"]));
  });

  test("without isolation all share a session", () => {
    const shared = guard({ sessionIsolation: false });

    expect(shared.sessionOf(ANN)).toBe("main");
    expect(shared.check(candidate({ phone: ANN }, NOW))).toMatchObject({ session: "main" });
  });

  test("the limit counts within a window, tells of it once and opens again", () => {
    const given = guard();
    const kinds = (at: number, count: number) =>
      Array.from({ length: count }, () => given.check(candidate({ phone: ANN }, at)));

    const limited = (first: boolean) => ({ kind: "limit", first });
    expect(kinds(NOW, 6).slice(3)).toEqual([limited(true), limited(false), limited(false)]);
    expect(kinds(NOW + 59_999, 1)).toEqual([limited(false)]);
    expect(kinds(NOW + 60_000, 4).map(({ kind }) => kind)).toEqual(["allow", "allow", "allow", "limit"]);
  });

  test("one person's limit is nobody else's", () => {
    const given = guard({ open: true });
    for (let count = 0; count < 10; count++) given.check(candidate({ phone: ANN }, NOW));

    expect(given.check(candidate({ phone: BOB }, NOW)).kind).toBe("allow");
    expect(given.check(candidate({ bsuid: "US.1" }, NOW)).kind).toBe("allow");
  });

  test("messages that waited while we were away are counted by when they were written", () => {
    const given = guard();
    const kinds = Array.from(
      { length: 30 },
      (_, index) => given.check(candidate({ phone: ANN }, NOW + index * 30_000)).kind,
    );

    expect(new Set(kinds)).toEqual(new Set(["allow"]));
  });

  test("P4: who is refused is refused however often, and never limited", () => {
    const given = guard();
    const kinds = Array.from({ length: 100 }, () => given.check(candidate({ phone: BOB }, NOW)).kind);

    expect(new Set(kinds)).toEqual(new Set(["deny"]));
  });

  test("no window ever lets more through than the limit", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 60 }),
        fc.integer({ min: 0, max: 5 }),
        (steps, rateLimit) => {
          const given = guard({ rateLimit });
          const allowed: number[] = [];
          let at = NOW;
          for (const step of steps) {
            at += step;
            if (given.check(candidate({ phone: ANN }, at)).kind === "allow") allowed.push(at);
          }
          // Fixed windows: at most two of them touch any span of a window's length.
          for (const start of allowed) {
            const within = allowed.filter((time) => time >= start && time < start + 60_000);
            expect(within.length).toBeLessThanOrEqual(2 * rateLimit);
          }
        },
      ),
    );
  });
});
