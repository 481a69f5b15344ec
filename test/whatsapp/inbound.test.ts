import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeContent } from "../../src/content-text.ts";
import { readInbound } from "../../src/whatsapp/inbound.ts";
import { readSent } from "../../src/whatsapp/listed.ts";

const PHONE_NUMBER_ID = "100";
const ANN = "15550100001";

function listed(given: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: "wamid.L1",
    timestamp: "1800000000",
    type: "text",
    from: ANN,
    text: { body: "hello" },
    kapso: { direction: "inbound", status: "delivered", phone_number: `+${ANN}`, contact_name: "Ann" },
    ...given,
  };
}

/** The message that a row is. */
function read(given: Record<string, unknown>) {
  const result = readInbound(listed(given), { phoneNumberId: PHONE_NUMBER_ID });
  if (!result || !("message" in result)) throw new Error(`Not a message: ${JSON.stringify(result)}`);
  return result.message;
}

describe("readInbound()", () => {
  test("reads a text whole", () => {
    expect(read({ text: { body: "two\nlines" } })).toEqual({
      wamid: "wamid.L1",
      phoneNumberId: PHONE_NUMBER_ID,
      from: { phone: ANN },
      name: "Ann",
      content: { type: "text", text: "two\nlines" },
      sentAt: 1_800_000_000_000,
    });
  });

  test.each([
    ["history", { kapso: { direction: "inbound", origin: "history_sync" } }],
    ["history", { group_id: "G1", kapso: { direction: "inbound", origin: "history_sync" } }],
    ["group", { group_id: "G1" }],
    ["system", { type: "system", system: { body: "number changed" } }],
  ])("starts no turn, as %s: %j", (passive, given) => {
    expect(read(given).passive).toBe(passive);
  });

  test("answers messages of a number that is also used in the app", () => {
    expect(read({ kapso: { direction: "inbound", origin: "business_app" } })).not.toHaveProperty("passive");
  });

  test("leaves out what we sent", () => {
    expect(
      readInbound(listed({ kapso: { direction: "outbound" } }), { phoneNumberId: PHONE_NUMBER_ID }),
    ).toBeUndefined();
  });

  test.each([
    ["the number in the contact's field alone", { from: null }, { phone: ANN }],
    ["no kapso block", { kapso: undefined }, { phone: ANN }],
    ["number and user id", { from_user_id: "US.77" }, { phone: ANN, bsuid: "US.77" }],
    ["a user id alone", { from: null, from_user_id: "US.77", kapso: {} }, { bsuid: "US.77" }],
    ["a user id in the number's field", { from: "US.77", kapso: {} }, { bsuid: "US.77" }],
    ["a number with a plus", { from: `+${ANN}`, kapso: {} }, { phone: ANN }],
  ])("knows the sender by %s", (_what, given, from) => {
    expect(read(given).from).toEqual(from);
  });

  test.each([
    ["milliseconds", { timestamp: "1730092800123" }, "timestamp"],
    ["a date", { timestamp: "2025-10-28 14:25" }, "timestamp"],
    ["no time", { timestamp: null }, "timestamp"],
    ["an empty time", { timestamp: "" }, "timestamp"],
    ["a negative time", { timestamp: -5 }, "timestamp"],
    ["no id", { id: undefined }, "id"],
    ["an empty id", { id: "" }, "id"],
    ["no type", { type: undefined }, "type"],
    ["no sender", { from: undefined, kapso: {} }, "from"],
    ["a sender that is nobody", { from: "foo_bar", kapso: {} }, "from"],
    ["a text without text", { text: undefined }, "text"],
    ["a text of another type", { text: { body: 5 } }, "text"],
  ])("reports a row with %s", (_what, given, field) => {
    const row = listed(given);

    expect(readInbound(row, { phoneNumberId: PHONE_NUMBER_ID })).toEqual({
      malformed: { raw: JSON.stringify(row), reason: expect.stringContaining(field) },
    });
  });

  test.each([null, undefined, 5, "row", [], true])("reports what is no row: %j", (raw) => {
    expect(readInbound(raw, { phoneNumberId: PHONE_NUMBER_ID })).toHaveProperty("malformed.reason");
  });

  test.each([
    ["what it quotes", { context: { id: "wamid.Q", from: ANN } }, { quotes: "wamid.Q" }],
    ["that it was forwarded", { context: { forwarded: true } }, { forwarded: true }],
    ["that it was often forwarded", { context: { frequently_forwarded: true } }, { forwarded: true }],
    [
      "the advertisement",
      { referral: { headline: "Sale", body: "Shoes", source_url: "https://example.com", ctwa_clid: "x" } },
      { referral: { headline: "Sale", body: "Shoes", url: "https://example.com" } },
    ],
    ["the username", { username: "@ann" }, { username: "@ann" }],
  ])("tells %s", (_what, given, expected) => {
    expect(read(given)).toMatchObject(expected);
  });

  test.each([{ context: null }, { context: "x" }, { context: {} }, { referral: [] }, { referral: {} }])(
    "tells nothing that is not there: %j",
    (given) => {
      expect(Object.keys(read(given)).toSorted()).toEqual(Object.keys(read({})).toSorted());
    },
  );

  test("what comes from our own number is no person's", () => {
    const own = { phoneNumberId: PHONE_NUMBER_ID, ownPhone: "+1 555-010-0001" };

    expect(readInbound(listed({ kapso: {}, from: "15550100001" }), own)).toBeUndefined();
  });

  test("a change of number names who changed, also without a sender", () => {
    const result = readInbound(
      {
        id: "wamid.S",
        timestamp: "1800000000",
        type: "system",
        system: { type: "user_changed_user_id", user_id: "US.2", previous_user_id: "US.1" },
      },
      { phoneNumberId: PHONE_NUMBER_ID },
    );

    expect(result).toMatchObject({
      message: {
        passive: "system",
        content: { type: "system", change: { oldBsuid: "US.1", newBsuid: "US.2" } },
      },
    });
  });

  test("a time as a number is as good as one in text", () => {
    expect(read({ timestamp: 1_800_000_000 }).sentAt).toBe(1_800_000_000_000);
  });

  test("is total: no field that is missing, null or of another type makes it throw", () => {
    const samples = [
      "text",
      "image",
      "audio",
      "location",
      "contacts",
      "interactive",
      "order",
      "reaction",
    ].map((type) => listed({ type, [type]: {} }));
    const values = fc.oneof(
      fc.constantFrom<unknown>(
        null,
        undefined,
        "",
        0,
        -1,
        Number.NaN,
        true,
        [],
        {},
        [null],
        "\u0000",
        "x\ny",
      ),
      fc.jsonValue(),
    );
    const mutation = fc.tuple(fc.nat(), fc.nat(), values);
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (sample, list) => {
          const row = structuredClone(sample);
          for (const [depth, index, value] of list) mutate(row, depth % 3, index, value);

          const result = readInbound(row, { phoneNumberId: PHONE_NUMBER_ID });
          readSent(row);

          if (result && "message" in result) {
            const { content, from, sentAt } = result.message;
            const text = describeContent(content);
            expect(Number.isSafeInteger(sentAt)).toBe(true);
            expect(from.phone ?? from.bsuid).toBeTruthy();
            if (content.type !== "text") expect(text).toMatch(/^\[[^\n\r\u2028\u2029]+\]$/);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Changes one field, at most `depth` objects deep. */
function mutate(target: Record<string, unknown>, depth: number, index: number, value: unknown): void {
  const keys = Object.keys(target);
  const key = keys[index % Math.max(1, keys.length)];
  if (key === undefined) return;
  const inner = target[key];
  if (depth > 0 && isRecord(inner)) mutate(inner, depth - 1, index + 1, value);
  else if (value === undefined) delete target[key];
  else target[key] = value;
}

describe("readSent()", () => {
  const sent = (given: object = {}) =>
    listed({ from: undefined, to: ANN, kapso: { direction: "outbound" }, ...given });

  test("reads one of our texts", () => {
    expect(readSent(sent())).toEqual({
      wamid: "wamid.L1",
      to: { phone: ANN },
      type: "text",
      text: "hello",
    });
  });

  test.each([
    [{ type: "image", image: { id: "1", caption: "my cat" } }, "my cat"],
    [{ type: "image", image: { id: "1" } }, ""],
    [{ type: "audio", audio: { id: "1" } }, ""],
    [{ text: {} }, ""],
  ])("reads a file by its caption: %j", (given, text) => {
    expect(readSent(sent(given))).toMatchObject({ text });
  });

  test("reads one to a user id", () => {
    expect(readSent(sent({ to: null, to_user_id: "US.77" }))?.to).toEqual({ bsuid: "US.77" });
  });

  test.each([
    ["from a person", { kapso: { direction: "inbound" } }],
    ["to nobody", { to: null }],
  ])("leaves out a message %s", (_what, given) => {
    expect(readSent(sent(given))).toBeUndefined();
  });
});
