import { expect, test } from "vitest";
import { isBlank } from "../src/blank.ts";

test.each([
  "",
  " \n\t",
  "\u200B",
  "\u200E\u2060\u00A0",
  "\uFEFF",
  "\u3164\uFE0F",
  "\u2800",
  "\u202E\u202C",
  "\u0007",
])("nobody would see %j", (text) => {
  expect(isBlank(text)).toBe(true);
});

test.each(["a", ".", "0", "👍", "❤\uFE0F", "\u200Ba", "中"])("%j is seen", (text) => {
  expect(isBlank(text)).toBe(false);
});
