import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSigned, sign, type Headers } from "../../src/whatsapp/signature.ts";
import { asMetaWrites, metaReceived, signed } from "../webhook-bodies.ts";

const SECRET = "test_app_secret";
const BODY = '{"object":"whatsapp_business_account","entry":[]}';
const HEX = "dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756";
const SPACED = '{"object": "whatsapp_business_account", "entry": []}';
const SPACED_HEX = "56cbbaf4961c6cfdae48b7f116c047e5eb513d2c931baae63a2bc1afd26f803a";

const check = (
  headers: Headers,
  { body = BODY, secrets = [SECRET] }: { body?: string; secrets?: string[] } = {},
) => isSigned(Buffer.from(body), headers, secrets);

describe("isSigned()", () => {
  test.each([
    ["Meta's header", BODY, { "x-hub-signature-256": `sha256=${HEX}` }],
    [
      "Meta's header, other bytes of the same JSON",
      SPACED,
      { "x-hub-signature-256": `sha256=${SPACED_HEX}` },
    ],
    ["Kapso's header", BODY, { "x-webhook-signature": HEX }],
    ["Kapso's header with a prefix", BODY, { "x-webhook-signature": `sha256=${HEX}` }],
    ["Meta's header without a prefix", BODY, { "x-hub-signature-256": HEX }],
    ["upper case", BODY, { "x-webhook-signature": HEX.toUpperCase() }],
    ["spaces around", BODY, { "x-webhook-signature": ` ${HEX}\t` }],
    [
      "a valid one beside a wrong one",
      BODY,
      { "x-webhook-signature": "0".repeat(64), "x-hub-signature-256": `sha256=${HEX}` },
    ],
    [
      "a valid one beside garbage",
      BODY,
      { "x-webhook-signature": HEX, "x-hub-signature-256": "sha256=nothing" },
    ],
  ])("knows a signature: %s", (_what, body, headers) => {
    expect(check(headers, { body })).toBe(true);
  });

  test("the same JSON with other spaces is another body", () => {
    expect(check({ "x-webhook-signature": HEX }, { body: SPACED })).toBe(false);
    expect(check({ "x-webhook-signature": SPACED_HEX })).toBe(false);
  });

  test.each([0, 1, 2])("any of several secrets may have signed: number %i", (place) => {
    const secrets = ["first", "second"].toSpliced(place, 0, SECRET);

    expect(check({ "x-webhook-signature": HEX }, { secrets })).toBe(true);
  });

  test("no secret knows no signature", () => {
    expect(check({ "x-webhook-signature": HEX }, { secrets: [] })).toBe(false);
    expect(check({ "x-webhook-signature": sign(BODY, "") }, { secrets: [] })).toBe(false);
  });

  test("a secret of another kind of letters signs in UTF-8", () => {
    const { headers, raw } = signed({ text: "ñ" }, "clé-秘密-🔑");

    expect(isSigned(raw, headers, ["clé-秘密-🔑"])).toBe(true);
    expect(isSigned(raw, headers, ["cle-秘密-🔑"])).toBe(false);
  });

  test("Meta's escapes are part of what is signed", () => {
    const body = metaReceived({ text: { body: "mañana 👍 https://example.com/a" } });
    const { headers, raw } = signed(body, SECRET, { by: "meta" });

    expect(asMetaWrites(body)).toContain(String.raw`ma\u00f1ana \ud83d\udc4d https:\/\/example.com\/a`);
    expect(isSigned(raw, headers, [SECRET])).toBe(true);
    expect(isSigned(Buffer.from(JSON.stringify(body)), headers, [SECRET])).toBe(false);
    expect(JSON.parse(raw.toString())).toEqual(body);
  });

  test("one bit altered anywhere in the body is noticed", () => {
    for (let place = 0; place < BODY.length * 8; place++) {
      const raw = Buffer.from(BODY);
      raw.writeUInt8(raw.readUInt8(place >> 3) ^ (1 << (place & 7)), place >> 3);

      expect(isSigned(raw, { "x-webhook-signature": HEX }, [SECRET])).toBe(false);
    }
  });

  test("one digit altered anywhere in the signature is noticed", () => {
    for (let place = 0; place < HEX.length; place++) {
      const digit = HEX[place] === "0" ? "1" : "0";
      const altered = HEX.slice(0, place) + digit + HEX.slice(place + 1);

      expect(check({ "x-webhook-signature": altered })).toBe(false);
    }
  });

  test.each<readonly [string, Headers]>([
    ["none", {}],
    ["undefined", { "x-webhook-signature": undefined }],
    ["empty", { "x-webhook-signature": "" }],
    ["the prefix alone", { "x-hub-signature-256": "sha256=" }],
    ["short", { "x-webhook-signature": HEX.slice(1) }],
    ["long", { "x-webhook-signature": `${HEX}0` }],
    ["very long", { "x-webhook-signature": HEX.repeat(1000) }],
    ["no hex", { "x-webhook-signature": HEX.replace(/^./, "g") }],
    ["no ASCII", { "x-webhook-signature": "é".repeat(64) }],
    ["wide digits", { "x-webhook-signature": "０".repeat(64) }],
    ["a line more", { "x-webhook-signature": `${HEX}\n0` }],
    ["twice the prefix", { "x-hub-signature-256": `sha256=sha256=${HEX}` }],
    ["the prefix in upper case", { "x-hub-signature-256": `SHA256=${HEX}` }],
    ["another algorithm", { "x-hub-signature-256": `sha1=${HEX.slice(0, 40)}` }],
    ["another header", { "x-hub-signature": `sha256=${HEX}` }],
    ["a list", { "x-webhook-signature": [HEX] }],
    ["two in one, as node joins them", { "x-webhook-signature": `${HEX}, ${HEX}` }],
    ["base64", { "x-webhook-signature": Buffer.from(HEX, "hex").toString("base64") }],
  ])("refuses a header that is %s", (_what, headers) => {
    expect(check(headers)).toBe(false);
  });

  test("never throws and never believes, whatever the headers say", () => {
    const value = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary", minLength: 60, maxLength: 70 }),
      fc.stringMatching(/^(sha256=)?[0-9a-fA-F]{62,66}$/),
      fc.array(fc.string()),
      fc.constant(undefined),
    );
    const headers = fc.record({ "x-webhook-signature": value, "x-hub-signature-256": value });
    fc.assert(
      fc.property(
        fc.uint8Array(),
        headers,
        fc.array(fc.string(), { maxLength: 3 }),
        (raw, given, secrets) => {
          expect(isSigned(raw, given, secrets)).toBe(false);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("sign()", () => {
  test("writes Kapso's form: lower-case hex without a prefix", () => {
    expect(sign(BODY, SECRET)).toBe(HEX);
    expect(sign(Buffer.from(SPACED), SECRET)).toBe(SPACED_HEX);
  });

  test("P4: a secret that is empty by mistake lets nobody in", () => {
    expect(isSigned(Buffer.from("{}"), { "x-webhook-signature": sign("{}", "") }, [""])).toBe(false);
  });

  test("signs what isSigned() believes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string({ minLength: 1 }), (raw, secret) => {
        expect(isSigned(raw, { "x-webhook-signature": sign(raw, secret) }, ["other", secret])).toBe(true);
      }),
    );
  });
});
