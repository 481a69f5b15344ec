import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toWhatsApp } from "../../src/whatsapp/format.ts";
import { shownLine } from "./client-markup.ts";

interface Piece {
  readonly markdown: string;
  /** Without any markup. */
  readonly text: string;
}

const word = fc.constantFrom("Alpha", "beta gamma", "日本語", "ünï", "X7", "a_b c_d", "👨‍👩‍👧", "a, b");
const code = fc.constantFrom("x*y", "**kw", "_z", "k*", "~/a_b");
const plain: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 4, arbitrary: word.map((text) => ({ markdown: text, text })) },
  code.map((text) => ({ markdown: `\`${text}\``, text })),
);
const gap = fc.constantFrom(" ", ", ", "\n", " (", ") ", ": ", " — ");

function joined(pieces: fc.Arbitrary<Piece>, maxLength: number): fc.Arbitrary<Piece> {
  return fc.array(fc.tuple(gap, pieces), { minLength: 1, maxLength }).map((all) => ({
    markdown: all.map(([space, { markdown }], index) => (index === 0 ? "" : space) + markdown).join(""),
    text: all.map(([space, { text }], index) => (index === 0 ? "" : space) + text).join(""),
  }));
}

const wrapped = (mark: string, pieces: fc.Arbitrary<Piece>): fc.Arbitrary<Piece> =>
  pieces.map(({ markdown, text }) => ({ markdown: mark + markdown + mark, text }));

/** Every mark within every other, each at most once. */
function emphasised(marks: readonly string[]): fc.Arbitrary<Piece> {
  const inner = marks.map((mark) =>
    wrapped(mark, joined(emphasised(marks.filter((other) => other !== mark)), 2)),
  );
  return fc.oneof({ weight: 3, arbitrary: plain }, ...inner);
}

const withoutSpace = (text: string): string => text.replaceAll(/\s/g, "");

describe("toWhatsApp() as WhatsApp's clients read it", () => {
  test.each([[["**", "_", "~~"]], [["__", "*", "~~"]]])(
    "toWhatsApp() leaves no marker of %j visible, and balances them on every line",
    (marks) => {
      fc.assert(
        fc.property(joined(emphasised(marks), 5), ({ markdown, text }) => {
          const output = toWhatsApp(markdown).split("\n").map(shownLine).join("\n");

          expect(output).toBe(text);
        }),
        { numRuns: 2000 },
      );
    },
  );

  test("toWhatsApp() leaves no marker visible in headings, items, quotes and tables", () => {
    const line = fc.constantFrom(
      "# ",
      "### ",
      "- ",
      "1. ",
      "> ",
      "> # ",
      "- > ",
      "- [ ] ",
      "> - ",
      "|a|b|\n|-|-|\n|",
    );
    const oneLine = joined(emphasised(["**", "_", "~~"]), 3).filter(({ text }) => !text.includes("\n"));
    fc.assert(
      fc.property(line, oneLine, (start, { markdown, text }) => {
        const output = toWhatsApp(start + markdown)
          .split("\n")
          .map((row) => shownLine(row.replace(/^(?:> |- )+/, "")))
          .join("\n");

        expect(withoutSpace(output)).toContain(withoutSpace(text));
        expect(withoutSpace(output).replace(withoutSpace(text), "")).not.toMatch(/[*_~`]/);
      }),
      { numRuns: 1000 },
    );
  });

  test("toWhatsApp() lets no letter, marker or bracket touch the end of an address", () => {
    const address = fc.constantFrom(
      "https://a.b/c_d",
      "https://a.b/_x_",
      "https://a.b/c_(d_(e))",
      "http://a.b/*",
    );
    const link = fc.constantFrom(
      (url: string) => `[label](${url})`,
      (url: string) => `<${url}>`,
      (url: string) => `![alt](${url})`,
      (url: string) => url,
    );
    const around = fc.constantFrom(
      ["", ""],
      ["**", "**"],
      ["_", "_"],
      ["(", ")"],
      ["~~see ", "~~"],
      ["# ", ""],
      ["> ", ""],
    );
    const after = fc.constantFrom("", " x", "\n\nx", " **x**", " )");
    fc.assert(
      fc.property(address, link, around, after, (url, write, [open, close], rest) => {
        const inner = write(url);
        // Behind other characters marked takes the marks and brackets for a part of the address, or the reverse.
        fc.pre(inner !== url || close === "" || /[a-z]$/.test(url));

        const output = toWhatsApp(`${open}${inner}${close}${rest}`);

        expect(output.split(/\s+\(?|^\(/)).toContain(url);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("toWhatsApp() on code", () => {
  const piece = fc.constantFrom(
    ..."`` ` ``` ~~~ **kwargs __init__ *x* _x_ ~x~ # > - 1. | <b> &amp; \\_ \\\\ $ 日本 👩🏿‍🚀 https://a.b/c_d) [t](u)".split(
      " ",
    ),
    "\n",
    "  ",
  );
  const source = fc.array(piece, { minLength: 1, maxLength: 30 }).map((all) => all.join(" "));
  const ink = (text: string): string => text.replaceAll(/[\s`]/g, "");

  test("toWhatsApp() loses no visible character of a fence, whatever its code holds", () => {
    fc.assert(
      fc.property(source, (code) => {
        const output = toWhatsApp(`\`\`\`\`\`python\n${code}\n\`\`\`\`\``);

        expect(ink(output)).toBe(ink(code));
        expect(output.split("```").length % 2 === 1 || code.includes("```")).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("toWhatsApp() loses no character of inline code", () => {
    fc.assert(
      fc.property(source, (code) => {
        const line = code.replaceAll(/[\n`]+/g, " ").trim();
        fc.pre(line !== "");

        expect(toWhatsApp(`Run \`${line}\` now`)).toBe(`Run \`${line}\` now`);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("toWhatsApp() on its own output", () => {
  // Not strong text, which WhatsApp writes as Markdown writes emphasis.
  const block = fc.constantFrom(
    "Some words, a_b and 2*3*4.",
    "_one_ and ~two~ of `three **x**`",
    "- a\n- b\n  ◦ c",
    "1. a\n2. b",
    "☐ a\n☑ b",
    "> a\n> b",
    "```\nx  *y*\n\n  __z__\n```",
    "docs: https://a.b/c_(d)",
    "———",
    "AT&T <name>",
  );

  test("toWhatsApp() changes nothing anymore where Markdown and WhatsApp agree", () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), (all) => {
        const once = toWhatsApp(all.join("\n\n"));

        expect(toWhatsApp(once)).toBe(once);
      }),
    );
  });
});
