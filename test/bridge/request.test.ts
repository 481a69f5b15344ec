import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFile, readText, RequestError } from "../../src/bridge/request.ts";

const body = (value: unknown) => Buffer.from(JSON.stringify(value));

describe("readText()", () => {
  test.each([
    ["+1 (555) 123-4567", { phone: "15551234567" }],
    ["15551234567", { phone: "15551234567" }],
    [15551234567, { phone: "15551234567" }],
    [1.5551234567e10, { phone: "15551234567" }],
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
    "15551234567.0",
    "15551234567.0@c.us",
    15551234567.5,
    -15551234567,
    1e30,
    "+15551234567\n99",
    "15551234567:12",
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

  test.each(["a\0b", "\0"])("bytes are no text: %j", (text) => {
    expect(() => readText(body({ to: "+15551234567", text }))).toThrow(RequestError);
  });

  test.each(["\u200B", " \u2060\u3164 ", "\uFEFF"])("a text that nobody would see is none: %j", (text) => {
    expect(() => readText(body({ to: "+15551234567", text }))).toThrow("text is missing");
  });

  test("P10: a body of more than 1 MiB is not read", () => {
    expect(() => readText(body({ to: "+15551234567", text: "x".repeat(2 ** 20) }))).toThrow(
      expect.objectContaining({ status: 413 }),
    );
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

  test("bytes are no caption", () => {
    expect(() => readFile(body({ to, path: "x", caption: "a\0b" }))).toThrow(RequestError);
  });

  test.each([
    ["deep", `{"to":"${to}","path":${"[".repeat(10_000_000)}${"]".repeat(10_000_000)}}`],
    ["keys", `{${Array.from({ length: 1_000_000 }, (_, index) => `"k${index}":1`).join()}}`],
    ["objects", `{"to":"${to}","z":[${"{},".repeat(3_000_000)}{}]}`],
    ["behind an escaped quote", `{"to":"${to}","path":"\\\\","z":[${"[],".repeat(7_000_000)}[]]}`],
    ["quotes", `"\\"`.repeat(3_000_000)],
  ])("P10: %s: a big body of anything but strings is refused at once", (_, text) => {
    const bytes = Buffer.from(text);
    const start = performance.now();

    expect(() => readFile(bytes)).toThrow(RequestError);
    expect(performance.now() - start).toBeLessThan(500);
  });

  test("a file of 15 MB is read, with every slash escaped and a long caption", () => {
    const bytes = Buffer.alloc(15_500_000, 255);
    const json = JSON.stringify(
      { to, base64: bytes.toString("base64"), caption: '"\\'.repeat(20_000) },
      null,
      2,
    );

    const order = readFile(Buffer.from(json.replaceAll("/", "\\/")));

    expect(typeof order.file === "object" && order.file.bytes.equals(bytes)).toBe(true);
    expect(order.caption).toBe('"\\'.repeat(20_000));
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
