import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSilent, visibleText } from "../../src/pipeline/reply.ts";
import { toMessages } from "../../src/whatsapp/messages.ts";

describe("visibleText()", () => {
  test.each([
    "",
    "  \n\t ",
    "NO_REPLY",
    "HEARTBEAT_OK",
    " NO_REPLY\n",
    "\n\nHEARTBEAT_OK  ",
    "**NO_REPLY**",
    "`NO_REPLY`",
    "_NO_REPLY_",
    "~NO_REPLY~",
    '"NO_REPLY"',
    "'HEARTBEAT_OK'",
    "NO_REPLY.",
    "HEARTBEAT_OK!",
    "**NO_REPLY**.",
    "NO_REPLY\n\nNO_REPLY",
    "NO_REPLY\nHEARTBEAT_OK",
    "<think>nothing to add</think>NO_REPLY",
    "<think>nothing to add</think>\n\n**NO_REPLY**",
    "NO_REPLY<think>good</think>",
  ])("P6: says nothing for %j", (answer) => {
    expect(visibleText(answer)).toBe("");
  });

  test.each([
    ["NO_REPLY\n\nNO_REPLY\n\nNO_REPLY", ""],
    ["no_reply", ""],
    ["```\nNO_REPLY\n```", ""],
    ["[NO_REPLY]", ""],
    ["(NO_REPLY)", ""],
    ["NO_REPLY\u200B", ""],
    ["HEARTBEAT_OK\n\nAll is well", "All is well"],
    ["Done\n\nNO_REPLY\n\nHEARTBEAT_OK", "Done"],
    ["Done\n\n**NO_REPLY**", "Done"],
    ["Done\n\nNO_REPLY.", "Done"],
  ])("P6: drops the silent token of %j", (answer, expected) => {
    expect(visibleText(answer)).toBe(expected);
  });

  test.each([
    ["Hello", "Hello"],
    ["  Hello\n", "Hello"],
    ["Hello\n\nNO_REPLY", "Hello"],
    ["Hello HEARTBEAT_OK", "Hello"],
    ["Write NO_REPLY to stay silent", "Write NO_REPLY to stay silent"],
    ["NO_REPLYING is no token", "NO_REPLYING is no token"],
    ["XNO_REPLY", "XNO_REPLY"],
    ["**bold**", "**bold**"],
    ["Really?!", "Really?!"],
  ])("shows %j as %j", (answer, expected) => {
    expect(visibleText(answer)).toBe(expected);
  });

  test.each([
    ["a block in front", "<think>secret</think>Hello", "Hello"],
    ["a block in the middle", "One <think>secret</think>two", "One two"],
    ["a block at the end", "Hello<thinking>secret</thinking>", "Hello"],
    ["several blocks", "<think>secret</think>One<think>secret</think> two", "One two"],
    ["capitals", "<THINK>secret</Think>Hello", "Hello"],
    ["attributes", '<think type="x" depth=3>secret</think >Hello', "Hello"],
    [
      "kin",
      "<thought>secret</thought><reasoning>secret</reasoning><antthinking>secret</antthinking>Hi",
      "Hi",
    ],
    ["nested blocks", "<think>a<think>secret</think>secret</think>Hello", "Hello"],
    ["nested kin", "<thinking>a<reasoning>secret</reasoning>secret</thinking>Hello", "Hello"],
    ["an unclosed block", "Hello <think>secret and more secret", "Hello"],
    ["an unclosed block around a closed one", "Hello <think>secret <think>x</think> secret", "Hello"],
    ["a lone closing tag", "secret secret</think>Hello", "Hello"],
    ["a block over many lines", "<think>\nsecret\n\n- secret\n</think>\n\nHello", "Hello"],
    ["a block with a tag of its own", "<think>a < b <b>secret</b></think>Hello", "Hello"],
    ["only a block", "<think>secret</think>", ""],
    ["a word that begins like a tag", "<thinker>kept</thinker>", "<thinker>kept</thinker>"],
  ])("P6: drops reasoning: %s", (_what, answer, expected) => {
    expect(visibleText(answer)).toBe(expected);
    expect(visibleText(answer)).not.toContain("secret");
  });

  test.each([
    ["inline code", "Use `<think>` and `</think>`"],
    ["a fence", "Look:\n```xml\n<think>shown</think>\n```\nso"],
    ["a fence of tildes", "~~~\n<think>shown\n~~~\nso"],
    ["an unclosed fence", "Look:\n```\n<think>shown"],
  ])("shows tags that are %s", (_what, answer) => {
    expect(visibleText(answer)).toBe(answer);
  });

  test.each([
    ["code that a block leaves open", "<think>try\n```js\nf()\n</think>\nHello", "Hello"],
    ["an empty element", "<think/>Hello", "Hello"],
  ])("answers are not lost to %s", (_what, answer, expected) => {
    expect(visibleText(answer)).toBe(expected);
  });

  test("P6: what stands in blocks is never shown, whatever stands around them", () => {
    const tag = fc.constantFrom("think", "thinking", "thought", "reasoning", "antthinking");
    const words = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", ".", "é", "😀"), maxLength: 20 });
    fc.assert(
      fc.property(fc.array(fc.tuple(words, tag, words), { maxLength: 6 }), words, (blocks, end) => {
        const answer = blocks
          .map(([text, tag, secret]) => `${text}<${tag}>SECRET${secret}</${tag}>`)
          .join("");

        expect(visibleText(answer + end)).toBe((blocks.map(([text]) => text).join("") + end).trim());
      }),
    );
  });

  test("P6: is total, and quick for hostile input", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (answer) => typeof visibleText(answer) === "string"),
    );
    const hostile = [
      "<think>".repeat(20_000),
      "`".repeat(10_000),
      "\n```".repeat(20_000),
      "<think".repeat(20_000),
    ];
    const started = performance.now();
    for (const answer of hostile) visibleText(answer);

    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("hostile answers", () => {
  test("P6: a backtick in a reasoning block does not swallow its end", () => {
    expect(visibleText("<think>He asks about the ` key.</think>Use the `ls` command")).toBe(
      "Use the `ls` command",
    );
  });

  test.each([
    "<b>NO_REPLY</b>",
    "<!-- x -->NO_REPLY",
    "NO_REPLY?",
    "NO_REPLY…",
    "NO_REPLY 🤐",
    "- NO_REPLY",
    "\u200B\u200B",
  ])("P6: %j says nothing", (answer) => {
    expect(visibleText(answer)).toBe("");
  });

  test.each(["NO\\_REPLY", "NO&#95;REPLY"])("P6: %j says nothing once it is formatted", async (answer) => {
    expect((await toMessages(visibleText(answer))).every(isSilent)).toBe(true);
  });

  test("P10: 360 kB of tokens are done at once", () => {
    const startedAt = performance.now();
    visibleText(`${"NO_REPLY\n".repeat(40_000)}x`);

    // It took twenty seconds once; this is no benchmark.
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});
