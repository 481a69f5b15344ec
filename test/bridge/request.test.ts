import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFile, readText, RequestError } from "../../src/bridge/request.ts";

const body = (value: unknown) => Buffer.from(JSON.stringify(value));

describe("readText()", () => {
  test.each([
    ["+1 (555) 123-4567", { phone: "15551234567" }],
    ["15551234567", { phone: "15551234567" }],
    [15551234567, { phone: "15551234567" }],
    ["15551234567@s.whatsapp.net", { phone: "15551234567" }],
    ["15551234567:7@s.whatsapp.net", { phone: "15551234567" }],
    ["15551234567@c.us", { phone: "15551234567" }],
    ["whatsapp:+15551234567", { phone: "15551234567" }],
    ["US.13491208655302741918", { bsuid: "US.13491208655302741918" }],
  ])("to %s is %o", (to, expected) => {
    expect(readText(body({ to, text: "x" })).to).toEqual(expected);
  });

  test.each([
    "15551234567@lid",
    "15551234567@s.whatsapp.net.evil",
    "a@s.whatsapp.net",
    "@s.whatsapp.net",
    "1".repeat(40),
    "",
    true,
    null,
    ["15551234567"],
  ])("to %s is refused", (to) => {
    expect(() => readText(body({ to, text: "x" }))).toThrow(RequestError);
  });

  test("message serves as text, null as nothing, and what is not known is left alone", () => {
    const order = readText(
      body({ to: "+15551234567", message: "hi", replyTo: null, markdown: null, extra: {} }),
    );

    expect(order).toEqual({ to: { phone: "15551234567" }, text: "hi", isMarkdown: false });
  });

  test("half of an emoji does not break what carries the text", () => {
    expect(readText(body({ to: "+15551234567", text: "a\uD83D" })).text).toBe("a\uFFFD");
  });
});

describe("readFile()", () => {
  const to = "+15551234567";

  test.each([
    [{ url: "https://a.example/x.png" }, "https://a.example/x.png"],
    [{ path: "x.png", url: "", base64: null }, "x.png"],
    [{ media: { url: "https://a.example/x.png" } }, "https://a.example/x.png"],
    [{ base64: "aGk=" }, { bytes: Buffer.from("hi") }],
    [{ base64: "data:text/plain;base64,aGk=" }, { bytes: Buffer.from("hi") }],
    [{ base64: "aG\nk" }, { bytes: Buffer.from("hi") }],
    [{ base64: "-_8" }, { bytes: Buffer.from([251, 255]) }],
  ])("%o is %o", (given, file) => {
    expect(readFile(body({ to, ...given })).file).toEqual(file);
  });

  test.each([
    {},
    { url: "a", path: "b" },
    { url: "a", base64: "aGk=" },
    { base64: "!!" },
    { base64: "data:text/plain,hi" },
    { base64: "==" },
    { path: "x".repeat(9000) },
    { url: { href: "x" } },
    { media: "x" },
  ])("%o is refused", (given) => {
    expect(() => readFile(body({ to, ...given }))).toThrow(RequestError);
  });

  test.each([
    [{ ptt: true }, true, false],
    [{ type: "voice" }, true, false],
    [{ mimetype: "audio/ogg; codecs=opus" }, true, false],
    [{ mimetype: "audio/ogg" }, false, false],
    [{ type: "sticker" }, false, true],
    [{ type: "image" }, false, false],
  ])("%o is a wish", (given, asVoice, asSticker) => {
    expect(readFile(body({ to, path: "x", ...given }))).toMatchObject({ asVoice, asSticker });
  });

  test("text serves as the caption", () => {
    expect(readFile(body({ to, path: "x", text: "look" })).caption).toBe("look");
  });
});

test("whatever comes in, it is an order or a RequestError, and a order is for one person", () => {
  const field = fc.oneof(fc.anything(), fc.string(), fc.constant("+15551234567"));
  const json = fc.record(
    {
      to: field,
      text: field,
      path: field,
      url: field,
      base64: field,
      media: field,
      replyTo: field,
      ptt: field,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(json, (value) => {
      const bytes = Buffer.from(JSON.stringify(value, (_, each) => (typeof each === "bigint" ? "1" : each)));
      for (const read of [readText, readFile]) {
        try {
          const { to } = read(bytes);
          expect(to.phone ?? to.bsuid).toMatch(/^(\d{7,15}|[A-Z]{2}\.\w+(\.\w+)?)$/);
        } catch (error) {
          expect(error).toBeInstanceOf(RequestError);
        }
      }
    }),
  );
});
