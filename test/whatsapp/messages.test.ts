import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toWhatsApp } from "../../src/whatsapp/format.ts";
import { toMessages } from "../../src/whatsapp/messages.ts";
import { splitText } from "../../src/whatsapp/split.ts";

const lines = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `  line_${at} = **kwargs[${at}]`);

/** Without fences and white space. */
const ink = (text: string): string => text.replaceAll(/[\s`]/g, "");

describe("toMessages()", () => {
  test("toMessages() gives no message for nothing", async () => {
    expect(await toMessages(" \n ")).toEqual([]);
    expect(await toMessages("```\n```")).toEqual([]);
  });

  test("toMessages() closes a fence at 4096 and opens it again, with every line of its code", async () => {
    const code = lines(400);

    const parts = await toMessages(`Here:\n\n\`\`\`python\n${code.join("\n")}\n\`\`\`\n\nDone`);

    expect(parts.length).toBeGreaterThan(2);
    expect(parts.every((part) => part.length <= 4096)).toBe(true);
    expect(parts.every((part) => part.split("```").length % 2 === 1)).toBe(true);
    const shown = parts.flatMap((part) => part.split("\n")).filter((line) => /^ {2}line/.test(line));
    expect(shown).toEqual(code);
    expect(parts.at(-1)?.endsWith("\n```\n\nDone")).toBe(true);
  });

  test("toMessages() keeps emphasis whole at a cut", async () => {
    const parts = await toMessages(`${"word ".repeat(818)}**strong text that does not fit**`);

    expect(parts.map((part) => part.length)).toEqual([4089, 31]);
    expect(parts[1]).toBe("*strong text that does not fit*");
  });

  test("splitText() cuts a caption at 1024, and never in an emoji", () => {
    const parts = splitText("👨‍👩‍👧‍👦🇯🇵é".repeat(100), 1024);

    expect(parts.every((part) => part.length <= 1024 && part.startsWith("👨‍👩‍👧‍👦"))).toBe(true);
  });

  test("toMessages() gives for a plain line what the parser would", async () => {
    const pieces = fc.constantFrom(
      ..."a B 1 . , ; : ! ? ( ) { } / @ $ % ^ + = - ' ’ é 日 　 😀 \u00a0 x@y.co https://a.b www.a.b/c".split(
        " ",
      ),
      " ",
      "  ",
    );
    const line = fc.array(pieces, { maxLength: 12 }).map((all) => all.join(""));
    await fc.assert(
      fc.asyncProperty(line, async (text) => {
        expect(await toMessages(text)).toEqual(splitText(toWhatsApp(text)));
      }),
      { numRuns: 2000 },
    );
  });

  test("toMessages() never throws, and fits any Markdown into well-formed messages", async () => {
    const pieces = fc.constantFrom(
      ..."*_~`#>-+|[]()!<>&;:\\\n .1ax日😀".split(""),
      ..."** __ ~~ ``` \n\n https://a.b/c_d &amp; |-|-| \n| 👨‍👩‍👧 \ud83d".split(" "),
    );
    const markdown = fc
      .tuple(fc.array(pieces, { maxLength: 40 }), fc.integer({ min: 1, max: 400 }))
      .map(([all, times]) => all.join("").repeat(times));
    await fc.assert(
      fc.asyncProperty(markdown, async (text) => {
        for (const part of await toMessages(text)) {
          expect(part.length).toBeLessThanOrEqual(4096);
          expect(part.isWellFormed()).toBe(true);
          expect(part.trim()).not.toBe("");
        }
      }),
      { numRuns: 200 },
    );
  });

  test("toMessages() loses no visible character of long code", async () => {
    const line = fc.constantFrom(
      "    if x:",
      "**kwargs",
      "",
      "日本語 👩🏿‍🚀",
      "x".repeat(300),
      "``",
      "\tab",
      "# _c_",
    );
    const code = fc.array(line, { minLength: 20, maxLength: 600, size: "max" });
    await fc.assert(
      fc.asyncProperty(code, async (all) => {
        const parts = await toMessages(`\`\`\`sh\n${all.join("\n")}\n\`\`\``);

        expect(ink(parts.join(""))).toBe(ink(all.join("")));
      }),
      { numRuns: 100 },
    );
  });
});
