import { describe, expect, test } from "vitest";
import { decideKind, isConvertible, LIMITS, showSize, type Candidate } from "../../src/media/kinds.ts";
import { CFB, opus, vorbis, webp } from "./samples.ts";

const MB = 1_000_000;
const OFFICE = "application/vnd.openxmlformats-officedocument";
const file = (mimeType: string, given: Partial<Candidate> = {}): Candidate => ({
  mimeType,
  bytes: 1000,
  filename: "file",
  head: new Uint8Array(),
  ...given,
});

describe("decideKind()", () => {
  test.each([
    ["image/jpeg", "image"],
    ["image/png", "image"],
    ["video/mp4", "video"],
    ["video/3gpp", "video"],
    ["audio/aac", "audio"],
    ["audio/amr", "audio"],
    ["audio/mpeg", "audio"],
    ["audio/mp4", "audio"],
    ["text/plain", "document"],
    ["application/pdf", "document"],
    ["application/msword", "document"],
    ["application/vnd.ms-excel", "document"],
    ["application/vnd.ms-powerpoint", "document"],
    [`${OFFICE}.wordprocessingml.document`, "document"],
    [`${OFFICE}.spreadsheetml.sheet`, "document"],
    [`${OFFICE}.presentationml.presentation`, "document"],
  ])("sends %s as %s", (mimeType, as) => {
    expect(decideKind(file(mimeType), {})).toEqual({ kind: "send", as, mimeType });
  });

  test.each([
    ["audio/x-m4a", "audio", "audio/mp4"],
    ["video/x-m4v", "video", "video/mp4"],
    ["image/apng", "image", "image/png"],
    ["text/csv", "document", "text/plain"],
    ["application/json", "document", "text/plain"],
    ["application/xml", "document", "text/plain"],
    ["image/svg+xml", "document", "text/plain"],
    ["TEXT/HTML; charset=utf-8", "document", "text/plain"],
  ])("sends %s as %s, under WhatsApp's name for it", (mimeType, as, declared) => {
    expect(decideKind(file(mimeType), {})).toEqual({ kind: "send", as, mimeType: declared });
  });

  test.each([
    ["doc", "application/msword"],
    ["XLS", "application/vnd.ms-excel"],
    ["ppt", "application/vnd.ms-powerpoint"],
  ])("tells an old %s by its name", (extension, mimeType) => {
    const old = file("application/x-cfb", { filename: `Plan.${extension}`, head: CFB });

    expect(decideKind(old, {})).toEqual({ kind: "send", as: "document", mimeType });
  });

  test.each([
    ["application/x-cfb", "other.msi"],
    ["application/zip", "a.zip"],
    ["application/zip", "a.pdf"],
    ["application/octet-stream", "photo.jpg"],
    ["application/x-msdownload", "a.exe"],
    ["audio/wav", "a.wav"],
    ["video/webm", "a.webm"],
    ["video/quicktime", "a.mov"],
    ["", "a"],
  ])("refuses %s, whatever it is called (%s)", (mimeType, filename) => {
    const reason = expect.stringMatching(/^WhatsApp does not take files of this type \(/);

    expect(decideKind(file(mimeType, { filename }), {})).toEqual({ kind: "refused", reason });
  });

  test.each([
    ["image/jpeg", "image", 5 * MB],
    ["video/mp4", "video", 16 * MB],
    ["audio/mpeg", "audio", 16 * MB],
  ])("sends %s as %s up to %d bytes, and as a file beyond", (mimeType, as, limit) => {
    const over = decideKind(file(mimeType, { bytes: limit + 1 }), {});

    expect(decideKind(file(mimeType, { bytes: limit }), {})).toMatchObject({ as });
    expect(over).toMatchObject({ kind: "send", as: "document", mimeType });
    expect(over).toHaveProperty("note", expect.stringContaining(`only up to ${limit / MB} MB`));
  });

  test.each(["application/pdf", "video/mp4", "image/png"])(
    "refuses more than 100 MB of %s, and names the limit",
    (mimeType) => {
      expect(decideKind(file(mimeType, { bytes: 100 * MB }), {})).toMatchObject({ as: "document" });
      expect(decideKind(file(mimeType, { bytes: 120 * MB }), {})).toEqual({
        kind: "refused",
        reason: "it is larger than the 100 MB that WhatsApp takes (120 MB)",
      });
    },
  );

  test("refuses an empty file", () => {
    expect(decideKind(file("text/plain", { bytes: 0 }), {})).toEqual({
      kind: "refused",
      reason: "it is empty",
    });
  });

  test("makes a voice message only of Opus in mono, and only when asked to", () => {
    const mono = file("audio/ogg", { head: opus() });

    expect(decideKind(mono, { asVoice: true })).toMatchObject({ as: "voice", mimeType: "audio/ogg" });
    expect(decideKind(mono, {})).toMatchObject({ as: "audio" });
    expect(decideKind(file("audio/ogg", { head: opus({ channels: 2 }) }), { asVoice: true })).toMatchObject({
      as: "document",
    });
    expect(decideKind(file("audio/ogg", { head: vorbis() }), { asVoice: true })).toMatchObject({
      as: "document",
      note: expect.stringContaining("Opus in mono"),
    });
    expect(decideKind(file("audio/mpeg"), { asVoice: true })).toMatchObject({
      as: "audio",
      note: expect.stringContaining("voice"),
    });
    expect(decideKind(file("image/png"), { asVoice: true })).toEqual({
      kind: "send",
      as: "image",
      mimeType: "image/png",
    });
  });

  test("makes a sticker only of a small WebP, and only when asked to", () => {
    const still = (bytes: number) => file("image/webp", { bytes, head: webp() });
    const moving = (bytes: number) => file("image/webp", { bytes, head: webp({ moves: true }) });
    const asSticker = true;

    expect(decideKind(still(100_000), { asSticker })).toMatchObject({ as: "sticker" });
    expect(decideKind(still(100_001), { asSticker })).toMatchObject({ as: "document" });
    expect(decideKind(moving(500_000), { asSticker })).toMatchObject({ as: "sticker" });
    expect(decideKind(moving(500_001), { asSticker })).toMatchObject({ as: "document" });
    expect(decideKind(still(1000), {})).toMatchObject({ as: "document" });
    expect(decideKind(file("image/png"), { asSticker })).toMatchObject({ as: "image" });
  });

  test("sends a WebP that was not converted as a file, with a note", () => {
    expect(decideKind(file("image/webp"), {})).toEqual({
      kind: "send",
      as: "document",
      mimeType: "image/webp",
      note: "sent as a file: WhatsApp shows only JPEG and PNG as pictures",
    });
  });

  test.each(["image/gif", "image/heic", "image/avif", "image/tiff", "image/bmp"])(
    "refuses %s that was not converted, and names the type",
    (mimeType) => {
      expect(decideKind(file(mimeType), {})).toMatchObject({
        kind: "refused",
        reason: expect.stringContaining(mimeType),
      });
    },
  );
});

test("isConvertible() means still pictures that WhatsApp would not show", () => {
  const names = ["webp", "heic", "heif", "avif", "tiff", "bmp"].map((name) => `image/${name}`);

  expect(names.map((name) => isConvertible(file(name)))).toEqual(names.map(() => true));
  expect(isConvertible(file("image/jpeg"))).toBe(false);
  expect(isConvertible(file("image/jpeg", { bytes: LIMITS.image.maxBytes + 1 }))).toBe(true);
  expect(isConvertible(file("image/gif"))).toBe(false);
  expect(isConvertible(file("image/webp", { head: webp({ moves: true }) }))).toBe(false);
  expect(isConvertible(file("video/mp4", { bytes: 50 * MB }))).toBe(false);
});

test.each([
  [1, "1 kB"],
  [999_000, "999 kB"],
  [5_000_000, "5 MB"],
  [5_000_001, "5.1 MB"],
  [10_000_000_000, "10000 MB"],
])("showSize() of %d is %s", (bytes, shown) => {
  expect(showSize(bytes)).toBe(shown);
});
