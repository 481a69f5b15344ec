import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitText } from "../../src/whatsapp/split.ts";

const repeatTo = (length: number, pattern: string): string =>
  pattern.repeat(Math.ceil(length / pattern.length)).slice(0, length);

const withoutSpace = (text: string): string => text.replaceAll(/\s+/g, "");

/** Without the fences too, whose cutting adds more of them. */
const content = (text: string): string => withoutSpace(text).replaceAll("`", "");

/** The parts' first and last positions in the text, which must all be edges of graphemes. */
function expectWholeGraphemes(text: string, parts: readonly string[]): void {
  const segments = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text);
  let at = 0;
  for (const part of parts) {
    at = text.indexOf(part, at);
    expect(at).not.toBe(-1);
    expect(segments.containing(at)?.index).toBe(at);
    at += part.length;
    expect(segments.containing(at)?.index ?? at).toBe(at);
  }
}

const places: readonly (readonly [what: string, text: string, limit: number, expected: string[]])[] = [
  ["short text", "Hello", 4096, ["Hello"]],
  ["text of exactly the limit", "a".repeat(10), 10, ["a".repeat(10)]],
  ["nothing", "", 10, []],
  ["white space", " \n\t\n ", 2, []],
  ["the space around it", "\n\n Hello \n", 10, ["Hello"]],
  ["a paragraph", "One two.\nA\n\nB. C d e", 18, ["One two.\nA", "B. C d e"]],
  ["a line", "One. Two.\nThree four five", 16, ["One. Two.", "Three four five"]],
  ["a sentence", "One two. Three four", 14, ["One two.", "Three four"]],
  ["a word", "One two three four", 14, ["One two three", "four"]],
  ["a Japanese sentence", "一二三四五。六七八九十", 9, ["一二三四五。", "六七八九十"]],
  ["a closing bracket", "一二三四五。」六七八九", 9, ["一二三四五。」", "六七八九"]],
  ["Japanese anywhere else", "一二三四五六七", 4, ["一二三四", "五六七"]],
  ["no Japanese punctuation", "一二三四、五六七", 4, ["一二三", "四、五六", "七"]],
  ["a decimal number", "It costs 10.50 euro", 13, ["It costs", "10.50 euro"]],
  ["a long word", "a".repeat(10), 4, ["aaaa", "aaaa", "aa"]],
  ["a word before a long one", `Hi ${"a".repeat(8)}`, 8, ["Hi", "a".repeat(8)]],
  ["no surrogate pair", "😀😀😀", 5, ["😀😀", "😀"]],
  ["no family", "👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 20, ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]],
  ["no flag", "🇯🇵🇫🇷🇧🇷", 6, ["🇯🇵", "🇫🇷", "🇧🇷"]],
  ["no skin tone", "👍🏽👍🏽", 6, ["👍🏽", "👍🏽"]],
  ["no accent", "e\u0301e\u0301", 3, ["e\u0301", "e\u0301"]],
  ["code points of a grapheme that is too long", "👨‍👩‍👧‍👦", 4, ["👨‍", "👩‍", "👧‍", "👦"]],
  ["no address", "See (https://a.b/c?d.e)", 19, ["See", "(https://a.b/c?d.e)"]],
  ["Japanese before an address", "公式サイトhttps://a.b/c", 14, ["公式サイト", "https://a.b/c"]],
  ["an address that is too long", `https://a.b/${"c".repeat(8)}`, 12, ["https://a.b/", "cccccccc"]],
  ["bold text", "One two *three four*", 16, ["One two", "*three four*"]],
  ["inline code", "One two `a b c`", 13, ["One two", "`a b c`"]],
  ["bold text that is too long", "*one two three*", 9, ["*one two", "three*"]],
];

const fences: readonly (readonly [what: string, text: string, limit: number, expected: string[]])[] = [
  [
    "closes and opens a fence",
    "```\nfirst line of code\nsecond line of code\n```",
    32,
    ["```\nfirst line of code\n```", "```\nsecond line of code\n```"],
  ],
  [
    "keeps the indentation",
    "```\nif something_is_true:\n    do_this()\n    do_that()\n```",
    36,
    ["```\nif something_is_true:\n```", "```\n    do_this()\n    do_that()\n```"],
  ],
  [
    "moves a fence that fits",
    "Do this first:\n```\nnpm install\nnpm test\n```",
    40,
    ["Do this first:", "```\nnpm install\nnpm test\n```"],
  ],
  [
    "leaves no empty fence behind",
    `\`\`\`\n${"a".repeat(24)}\n\n\n\n\`\`\`\nEnd`,
    32,
    [`\`\`\`\n${"a".repeat(24)}\n\`\`\``, "End"],
  ],
  [
    "cuts after a fence",
    "```\ncode code code code\n```\nText text text",
    32,
    ["```\ncode code code code\n```", "Text text text"],
  ],
  [
    "takes a mark without a partner as text",
    "One ``` two three four five six seven",
    32,
    ["One ``` two three four five six", "seven"],
  ],
];

describe("splitText()", () => {
  test.each(places)("splitText() cuts at %s", (_, text, limit, expected) => {
    expect(splitText(text, limit)).toEqual(expected);
  });

  test.each(fences)("splitText() %s", (_, text, limit, expected) => {
    expect(splitText(text, limit)).toEqual(expected);
  });

  test("splitText() takes 4096 as the limit", () => {
    expect(splitText("a".repeat(5000)).map((part) => part.length)).toEqual([4096, 904]);
  });

  test("splitText() replaces lone surrogates, which Meta refuses", () => {
    expect(splitText("a\ud83d")).toEqual(["a\ufffd"]);
  });

  test.each([1, 0, -1, Number.NaN])("splitText() refuses a limit of %d", (limit) => {
    expect(() => splitText("abc", limit)).toThrow(RangeError);
  });
});

const emoji = ["👨‍👩‍👧‍👦", "🇯🇵", "🇧🇷", "👍🏽", "❤️", "👩🏿‍🚀", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "が", "𠮷"];
const japanese = ["日本語", "これは", "テスト", "です。", "、", "ー", "「は」", "！"];

describe("splitText() on long text", () => {
  test("splitText() never cuts a grapheme in 20,000 characters of Japanese and emoji", () => {
    const graphemes = fc.array(fc.constantFrom(...emoji, ...japanese), {
      minLength: 7000,
      maxLength: 7000,
      size: "max",
    });
    fc.assert(
      fc.property(graphemes, fc.constantFrom(100, 1024, 4096), (all, limit) => {
        const text = all.join("");

        const parts = splitText(text, limit);

        expect(text.length).toBeGreaterThan(20_000);
        expect(parts.join("")).toBe(text);
        expect(parts.every((part) => part.length <= limit && part.isWellFormed())).toBe(true);
        // None is needlessly short either.
        expect(parts.slice(0, -1).every((part) => part.length >= limit / 2)).toBe(true);
        expectWholeGraphemes(text, parts);
      }),
      { numRuns: 10 },
    );
  });

  const hostile = ["Hello, this is it. ", "日本語です。", "a", "👨‍👩‍👧‍👦", "🇯🇵", "\u0301", "*a", "_", "`"];
  test.each([...hostile, "```", "```\na\n```\n", "https://", "https://a.b/c ", "a\n", "\n\na"])(
    "splitText() cuts a megabyte of %j in a moment",
    (pattern) => {
      const text = repeatTo(1_000_000, pattern).toWellFormed();
      const started = performance.now();

      const parts = splitText(text);

      // A fraction of it as a rule; quadratic time would be minutes.
      expect(performance.now() - started).toBeLessThan(3000);
      expect(parts.every((part) => part.length <= 4096 && part.trim() !== "")).toBe(true);
    },
  );
});

describe("splitText() on any text", () => {
  const pieces = fc.constantFrom(
    ...emoji,
    ...japanese,
    "word",
    "Sentence. ",
    " ",
    "\n",
    "\n\n",
    "  ",
    "*bold text*",
    "_it_",
    "`code`",
    "```",
    "```\n",
    "https://example.com/a_b?c=d.e",
    "\r\n",
    "\u00a0",
    "\u0301",
    "\u200d",
    "x".repeat(60),
  );
  const texts = fc.oneof(
    fc.array(pieces, { maxLength: 120, size: "max" }).map((all) => all.join("")),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.string({ unit: "binary", maxLength: 300 }),
  );
  const limits = fc.integer({ min: 2, max: 200 });

  test("splitText() gives well-formed parts within the limit that are not empty", () => {
    fc.assert(
      fc.property(texts, limits, (text, limit) => {
        for (const part of splitText(text, limit)) {
          expect(part.length).toBeLessThanOrEqual(limit);
          expect(part.isWellFormed()).toBe(true);
          expect(part.trim()).not.toBe("");
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("splitText() loses nothing but white space and adds nothing but fences", () => {
    fc.assert(
      fc.property(texts, limits, (text, limit) => {
        const joined = splitText(text, limit).join("\n");

        expect(content(joined)).toBe(content(text.toWellFormed()));
      }),
      { numRuns: 2000 },
    );
  });

  test("splitText() gives parts whose fences are closed", () => {
    const line = fc.constantFrom("a", "  b c", "def f(x):", "", "https://a.b/c", "x".repeat(50));
    const block = fc.array(line, { minLength: 1, maxLength: 20 });
    const text = fc
      .array(fc.tuple(block, block), { minLength: 1, maxLength: 5 })
      .map((all) => all.map(([a, b]) => `${a.join("\n")}\n\`\`\`\n${b.join("\n")}\n\`\`\``).join("\n"));
    fc.assert(
      fc.property(text, fc.integer({ min: 32, max: 200 }), (source, limit) => {
        const parts = splitText(source, limit);

        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(limit);
          expect(part.split("```").length % 2).toBe(1);
        }
        expect(content(parts.join("\n"))).toBe(content(source));
      }),
      { numRuns: 1000 },
    );
  });

  test("splitText() cuts no grapheme, word or address that fits", () => {
    const tokens = fc.constantFrom("word", "https://a.b/c_d?e=f.g", "👩🏿‍🚀", "Say:", "*no*", "\n");
    const text = fc.array(tokens, { maxLength: 60 }).map((all) => all.join(" "));
    fc.assert(
      fc.property(text, fc.integer({ min: 24, max: 80 }), (source, limit) => {
        const words = splitText(source, limit).flatMap((part) => part.split(/\s+/));

        expect(words).toEqual(source.split(/\s+/).filter((word) => word !== ""));
      }),
      { numRuns: 500 },
    );
  });
});
