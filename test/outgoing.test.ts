import { expect, test } from "vitest";
import { canCaption, MAX_CAPTION } from "../src/outgoing.ts";

test("canCaption() means what is shown with a text below it, and is short enough for that", () => {
  const kinds = ["image", "video", "document", "audio", "voice", "sticker"] as const;

  expect(kinds.filter((as) => canCaption(as, "x".repeat(MAX_CAPTION)))).toEqual([
    "image",
    "video",
    "document",
  ]);
  expect(kinds.filter((as) => canCaption(as, "x".repeat(MAX_CAPTION + 1)))).toEqual([]);
});
