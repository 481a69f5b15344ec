import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { opusSeconds } from "../../src/media/ogg.ts";
import { oggPage, opusHead, voiceMessage } from "./ogg.ts";
import { tempFolder } from "./stand-in.ts";

async function secondsOf(bytes: Buffer): Promise<number | undefined> {
  using folder = tempFolder();
  const path = join(folder.path, "voice");
  writeFileSync(path, bytes);
  return await opusSeconds(path);
}

const page = (position: bigint, length = 100, stream?: number) =>
  oggPage({ position, body: Buffer.alloc(length, 1), ...(stream !== undefined && { stream }) });

describe("opusSeconds()", () => {
  test("is what the last page says, without what is not played", async () => {
    expect(await secondsOf(voiceMessage(7.52))).toBe(7.5);
    expect(await secondsOf(voiceMessage(0))).toBe(0);
    expect(await secondsOf(Buffer.concat([opusHead(48_000), page(96_000n)]))).toBe(1);
  });

  test("reads no more than the end of a long one", async () => {
    const middle = Array.from({ length: 400 }, (_, index) => page(BigInt(index * 48_000), 60_000));

    expect(await secondsOf(Buffer.concat([opusHead(0), ...middle, page(48_000n * 600n, 60_000)]))).toBe(600);
  });

  test("passes over pages in which nothing ends, and over those of other streams", async () => {
    const bytes = Buffer.concat([opusHead(0), page(96_000n), page(-1n), page(480_000n, 100, 9)]);

    expect(await secondsOf(bytes)).toBe(2);
  });

  test("is not misled by the word inside of a packet", async () => {
    const body = Buffer.concat([Buffer.from("OggS"), Buffer.alloc(90, 0xff)]);

    expect(await secondsOf(Buffer.concat([opusHead(0), oggPage({ position: 48_000n, body })]))).toBe(1);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["a few bytes", Buffer.from("OggS")],
    [
      "another kind of sound",
      Buffer.concat([oggPage({ position: 0n, body: Buffer.from("\x01vorbis") }), page(48_000n)]),
    ],
    ["a head that breaks off", opusHead().subarray(0, 34)],
    ["more than a day", Buffer.concat([opusHead(), page(48_000n * 90_000n)])],
    ["an absurd position", Buffer.concat([opusHead(), page(2n ** 63n - 1n)])],
    ["less than what is skipped", Buffer.concat([opusHead(312), page(100n)])],
    ["no sound at all", Buffer.from("hello")],
  ])("is undefined for %s", async (_what, bytes) => {
    expect(await secondsOf(bytes)).toBeUndefined();
  });
});
