import fc from "fast-check";
import { expect, test } from "vitest";
import { visible, visibleLines } from "../src/visible.ts";

test.each([
  ["\u001B[31m", "\\u001b[31m"],
  ["a\r\n", "a\\u000d\\u000a"],
  ["\u009B2J", "\\u009b2J"],
  ["gpj.\u202Eexe", "gpj.\\u202eexe"],
  ["Zoë שלום 👩‍👩‍👧 \uFEFF", "Zoë שלום 👩‍👩‍👧 \uFEFF"],
])("visible() shows what a terminal would obey, and leaves the rest: %j", (text, seen) => {
  expect(visible(text)).toBe(seen);
});

test("visible() leaves a document of JSON what it is", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(visible(JSON.stringify(value)))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  expect(JSON.parse(visible(JSON.stringify("\u009B\u202E")))).toBe("\u009B\u202E");
});

test("visibleLines() leaves line feeds alone", () => {
  expect(visibleLines("a\tb\n\nc\r\n")).toBe("a\\u0009b\n\nc\\u000d\n");
});
