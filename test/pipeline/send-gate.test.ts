import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Admitted } from "../../src/pipeline/admission.ts";
import { judge, plan, queue, type SenderRights } from "../../src/pipeline/send-gate.ts";
import type { OnClosed, SendPolicy } from "../../src/pipeline/send-policy.ts";
import { sendStatus } from "../../src/pipeline/send-status.ts";
import { ANN, NOW } from "../inbound.ts";

const HOUR = 3_600_000;
const TO = { phone: ANN };
const TEMPLATE = { type: "template", name: "may_i", language: "de", body: [], buttons: [] } as const;
const CLI: SenderRights = { mayAnswer: false, unknownWindow: "closed" };
const HTTP: SenderRights = { mayAnswer: true, unknownWindow: "open" };
const COUNTED = { kind: "send", isCounted: true };

function policy({
  everybody = true,
  onClosed = { kind: "fail" },
  checkWindow = true,
}: { everybody?: boolean; onClosed?: OnClosed; checkWindow?: boolean } = {}): SendPolicy {
  return {
    allowTo: { everybody, roles: false, recent: false, people: new Set() },
    perRecipient: { max: 2, windowMs: HOUR },
    perDay: { max: 5, windowMs: 24 * HOUR },
    onClosed,
    checkWindow,
  };
}

function judged(
  ageMs: number | undefined,
  rights: SenderRights,
  given: Parameters<typeof policy>[0] & { isTemplate?: boolean; ownPhone?: string } = {},
) {
  const { isTemplate = false, ownPhone, ...rules } = given;
  const openedAt = ageMs === undefined ? undefined : NOW - ageMs;
  const circumstances = { roles: new Map<string, string>(), ownPhone, now: NOW, isTemplate, ...rights };
  return judge({ to: TO, openedAt }, policy(rules), circumstances);
}

describe("judge()", () => {
  test.each<readonly [string, ReturnType<typeof judged>, unknown]>([
    ["an open window", judged(HOUR, CLI), COUNTED],
    [
      "a closed one",
      judged(25 * HOUR, CLI),
      { kind: "closed", window: { kind: "closed", since: NOW - HOUR } },
    ],
    ["one that nobody knows of", judged(undefined, CLI), { kind: "closed", window: { kind: "unknown" } }],
    ["a closed one, for a template", judged(25 * HOUR, CLI, { isTemplate: true }), COUNTED],
    ["a closed one that WhatsApp judges", judged(25 * HOUR, CLI, { checkWindow: false }), COUNTED],
    ["hold", judged(undefined, CLI, { onClosed: { kind: "hold" } }), { kind: "hold" }],
    [
      "a template that asks",
      judged(25 * HOUR, CLI, { onClosed: { kind: "template", name: "may_i", language: "de" } }),
      { kind: "template", template: TEMPLATE },
    ],
    ["by HTTP, an answer", judged(HOUR, HTTP), { kind: "send", isCounted: false }],
    [
      "by HTTP, an answer to somebody who is not listed",
      judged(HOUR, HTTP, { everybody: false }),
      { kind: "send", isCounted: false },
    ],
    ["by HTTP, somebody of whom nothing is known", judged(undefined, HTTP), COUNTED],
    [
      "by HTTP, a closed window",
      judged(25 * HOUR, HTTP),
      { kind: "closed", window: { kind: "closed", since: NOW - HOUR } },
    ],
  ])("%s", (_, decision, expected) => {
    expect(decision).toEqual(expected);
  });

  test.each([
    ["send.allow_to", judged(HOUR, CLI, { everybody: false })],
    ["send.allow_to", judged(undefined, HTTP, { everybody: false })],
    ["send.allow_to", judged(25 * HOUR, CLI, { everybody: false, isTemplate: true })],
    ["send.own_number", judged(HOUR, CLI, { ownPhone: ANN })],
    ["send.own_number", judged(HOUR, HTTP, { ownPhone: ANN })],
  ])("%s", (rule, decision) => {
    expect(decision).toMatchObject({ kind: "refused", refusal: { rule } });
  });
});

describe("plan()", () => {
  const messages = ["one", "two"].map((text) => ({ to: TO, text }));
  const full = { toPerson: 1, toAll: 1 };

  test("counts since when the caps say, and every message", () => {
    const planned = plan(messages, { kind: "send", isCounted: true }, policy(), NOW);

    expect(planned).toMatchObject({
      messages,
      heldFrom: undefined,
      since: { toPerson: NOW - HOUR, toAll: NOW - 24 * HOUR },
    });
    expect(planned.judge({ toPerson: 0, toAll: 0 })).toBeUndefined();
    expect(planned.judge(full)?.rule).toBe("send.per_recipient");
  });

  test("counts no answer", () => {
    const planned = plan(messages, { kind: "send", isCounted: false }, policy(), NOW);

    expect(planned.judge({ toPerson: 100, toAll: 100 })).toBeUndefined();
  });

  test("holds everything, or everything behind the template, which counts too", () => {
    const held = plan(messages, { kind: "hold" }, policy(), NOW);
    const asking = plan(messages, { kind: "template", template: TEMPLATE }, policy(), NOW);

    expect(held).toMatchObject({ messages, heldFrom: 0 });
    expect(asking).toMatchObject({
      messages: [{ to: TO, text: "[template: may_i]", content: TEMPLATE }, ...messages],
      heldFrom: 1,
    });
    expect(asking.judge({ toPerson: 0, toAll: 0 })?.rule).toBe("send.per_recipient");
  });
});

describe("queue()", () => {
  const repeated = { kind: "repeated", ids: [1], isSame: true } as const;
  const refusal = { rule: "send.per_day", message: "", hint: "" } as const;

  test.each<readonly [string, boolean, () => Promise<Admitted>]>([
    ["queued", true, async () => ({ kind: "queued", ids: [1] })],
    ["sent before", false, async () => repeated],
    ["refused", false, async () => ({ kind: "refused", refusal })],
    ["not stored", false, async () => Promise.reject(new Error("the disk is full"))],
  ])("%s: the copy of its file is kept: %s", async (_, isKept, admit) => {
    const folder = mkdtempSync(join(tmpdir(), "wa-send-gate-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "a.png");
    writeFileSync(path, "x");
    const media = { as: "image", path, mimeType: "image/png", filename: "a.png" } as const;
    const admission = plan([{ to: TO, text: "", media }], { kind: "send", isCounted: true }, policy(), NOW);

    await queue({ admit }, admission, NOW).catch(() => {});

    expect(existsSync(path)).toBe(isKept);
  });
});

test.each([
  ["accepted", null, "accepted"],
  ["held", null, "held"],
  ["queued", "credentials", "queued"],
  ["sending", null, "unknown"],
  ["doubt", null, "unknown"],
  ["dead", "131026", "failed"],
  ["dead", "unknown", "unknown"],
] as const)("sendStatus() of %s with the code %s: %s", (state, code, expected) => {
  expect(sendStatus({ state, code })).toBe(expected);
});
