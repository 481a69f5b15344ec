import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cleanFilename } from "../src/filename.ts";

describe("cleanFilename()", () => {
  test.each([
    ["report.pdf", "report.pdf"],
    ["../../x", "x"],
    ["/etc/passwd", "passwd"],
    ["C:\\Users\\ann\\bill.docx", "bill.docx"],
    [".bashrc", "bashrc"],
    ["..hidden..txt", "hidden..txt"],
    ["a\0b.txt", "ab.txt"],
    ["line one\nline two.txt", "line one line two.txt"],
    ["photo\u202Egpj.exe", "photogpj.exe"],
    ["\u2066x\u2069\u200F.txt", "x.txt"],
    ["\u{E0049}\u{E0067}seen\u{E0101}.txt", "seen.txt"],
    ["  sp  aced .txt ", "sp aced .txt"],
    ["Größe – 報告 (1).pdf", "Größe – 報告 (1).pdf"],
    ["👨‍👩‍👧.png", "👨‍👩‍👧.png"],
    ["\uD800x", "x"],
  ])("%j is shown as %j", (name, shown) => {
    expect(cleanFilename(name)).toBe(shown);
  });

  test.each(["", ".", "..", "../..", "a/", "\0", "\u202E", "   ", "///"])("of %j nothing is left", (name) => {
    expect(cleanFilename(name)).toBeUndefined();
  });

  test("a long one keeps its ending", () => {
    const shown = cleanFilename(`${"x".repeat(5000)}.tar.gz`) ?? "";

    expect(Array.from(shown)).toHaveLength(120);
    expect(shown).toMatch(/^x+….gz$/);
    expect(Array.from(cleanFilename("🙂".repeat(3000)) ?? "")).toHaveLength(120);
  });

  test("whatever comes, no path and nothing unseen goes out", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 150 }), (name) => {
        const shown = cleanFilename(name);
        if (shown === undefined) return;
        expect(shown).not.toMatch(/[/\\\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]/u);
        expect(shown).not.toMatch(/^\.|^$/);
        expect(Array.from(shown).length).toBeLessThanOrEqual(120);
      }),
    );
  });
});
