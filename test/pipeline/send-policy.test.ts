import { describe, expect, test } from "vitest";
import { refuseCount, refusePerson, type SendPolicy } from "../../src/pipeline/send-policy.ts";
import { opensWindow, windowOf } from "../../src/pipeline/window.ts";
import { ANN, NOW } from "../inbound.ts";

const HOUR = 3_600_000;
const NOBODY = { everybody: false, roles: false, recent: false, people: new Set<string>() };
const ROLES = new Map([
  ["5511987654321", "member"],
  ["US.42", "member"],
]);
const NO_OWN = { roles: ROLES, ownPhone: undefined, now: NOW };

const rule = (
  allowTo: Partial<SendPolicy["allowTo"]>,
  to: { phone?: string; bsuid?: string },
  openedAt?: number,
) => refusePerson({ to, openedAt }, { allowTo: { ...NOBODY, ...allowTo } }, NO_OWN)?.rule;

describe("refusePerson()", () => {
  test.each([
    ["nobody is listed", {}, { phone: ANN }, undefined, "send.allow_to"],
    ["everybody", { everybody: true }, { phone: ANN }, undefined, undefined],
    [
      "a role, with Brazil's other spelling",
      { roles: true },
      { phone: "551187654321" },
      undefined,
      undefined,
    ],
    ["a role of a user id", { roles: true }, { phone: ANN, bsuid: "US.42" }, undefined, undefined],
    ["no role", { roles: true }, { phone: ANN }, undefined, "send.allow_to"],
    ["a role, when roles do not count", { recent: true }, { bsuid: "US.42" }, undefined, "send.allow_to"],
    ["wrote just now", { recent: true }, { phone: ANN }, NOW - 23 * HOUR, undefined],
    ["wrote yesterday", { recent: true }, { phone: ANN }, NOW - 24 * HOUR, "send.allow_to"],
    ["wrote just now, when that does not count", { roles: true }, { phone: ANN }, NOW, "send.allow_to"],
    ["is on the list", { people: new Set([ANN]) }, { phone: ANN }, undefined, undefined],
  ])("%s", (_, allowTo, to, openedAt, expected) => {
    expect(rule(allowTo, to, openedAt)).toBe(expected);
  });

  test("the own number is refused whoever may be written to, in every spelling", () => {
    const policy = { allowTo: { ...NOBODY, everybody: true } };
    const circumstances = { ...NO_OWN, ownPhone: "5511987654321" };

    for (const phone of ["5511987654321", "551187654321"])
      expect(refusePerson({ to: { phone } }, policy, circumstances)?.rule).toBe("send.own_number");
    expect(refusePerson({ to: { bsuid: "US.1" } }, policy, circumstances)).toBeUndefined();
  });
});

test.each([
  [{ toPerson: 0, toAll: 0 }, 3, undefined],
  [{ toPerson: 1, toAll: 1 }, 3, "send.per_recipient"],
  [{ toPerson: 0, toAll: 8 }, 3, "send.per_day"],
  [{ toPerson: 3, toAll: 10 }, 1, "send.per_recipient"],
])("refuseCount() of %j and %i more", (counts, adding, expected) => {
  const policy = { perRecipient: { max: 3, windowMs: HOUR }, perDay: { max: 10, windowMs: 24 * HOUR } };
  const none = { perRecipient: { max: 0, windowMs: HOUR }, perDay: { max: 0, windowMs: HOUR } };

  expect(refuseCount(counts, adding, policy)?.rule).toBe(expected);
  expect(refuseCount(counts, adding, none)).toBeUndefined();
});

test("windowOf() ends 24 hours after the message, and a clock that is ahead makes it no longer", () => {
  expect(windowOf(undefined, NOW)).toEqual({ kind: "unknown" });
  expect(windowOf(NOW - HOUR, NOW)).toEqual({ kind: "open", until: NOW + 23 * HOUR });
  expect(windowOf(NOW - 24 * HOUR, NOW)).toEqual({ kind: "closed", since: NOW });
  expect(windowOf(NOW + 5 * HOUR, NOW)).toEqual({ kind: "open", until: NOW + 24 * HOUR });
});

test.each([
  [{ type: "text", text: "hi" }, true],
  [{ type: "choice", title: "Yes" }, true],
  [{ type: "unsupported" }, true],
  [{ type: "reaction", target: "wamid.X", emoji: "👍" }, false],
  [{ type: "revoke", target: "wamid.X" }, false],
  [{ type: "system", event: "x" }, false],
] as const)("opensWindow(%j): %s", (content, expected) => {
  expect(opensWindow(content)).toBe(expected);
});
