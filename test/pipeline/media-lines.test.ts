import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { takeMedia } from "../../src/pipeline/media-lines.ts";

const references = (answer: string) => takeMedia(answer).media.map(({ reference }) => reference);

describe("takeMedia()", () => {
  test.each([
    ["MEDIA:./chart.png", "./chart.png"],
    ["MEDIA: /home/agent/workspace/chart.png", "/home/agent/workspace/chart.png"],
    ["   MEDIA:\t../../.ssh/id_ed25519  ", "../../.ssh/id_ed25519"],
    ["MEDIA:chart.png\r", "chart.png"],
    ["MEDIA:my holiday photo.jpeg", "my holiday photo.jpeg"],
    ['MEDIA:"my file"', "my file"],
    ["MEDIA: 'a b.png'", "a b.png"],
    ["MEDIA:`out/voice.ogg`", "out/voice.ogg"],
    ["MEDIA:https://example.com/a?b=c#d", "https://example.com/a?b=c#d"],
    ["MEDIA:file:///etc/passwd", "file:///etc/passwd"],
    ["MEDIA:data:image/png;base64,AAAA", "data:image/png;base64,AAAA"],
    ["MEDIA:~/picture", "~/picture"],
    [String.raw`MEDIA:C:\out\a.png`, String.raw`C:\out\a.png`],
  ])("takes %j", (line, reference) => {
    expect(takeMedia(line)).toEqual({ text: "", media: [{ reference, asVoice: false }] });
  });

  test.each([
    "MEDIA:",
    "MEDIA: the press covered it",
    "MEDIA: note: nothing",
    'MEDIA:""',
    "media:/tmp/a.png",
    "See MEDIA:/tmp/a.png",
    "> MEDIA:/tmp/a.png",
    "    MEDIA:/tmp/a.png",
    "`MEDIA:/tmp/a.png`",
    "SOCIAL MEDIA:/x.png",
    "[[toc]]",
    "[[audio_as_voices]]",
    "[[reply_too]]",
  ])("leaves %j as it is", (text) => {
    expect(takeMedia(text)).toEqual({ text: text.trim(), media: [] });
  });

  test("takes several, in order and each once", () => {
    const answer = "Two charts:\nMEDIA:a.png\nMEDIA:b.png\nMEDIA:a.png\nDone.";

    expect(takeMedia(answer).text).toBe("Two charts:\nDone.");
    expect(references(answer)).toEqual(["a.png", "b.png"]);
  });

  test("leaves one empty line where there was one on both sides", () => {
    expect(takeMedia("Above\n\nMEDIA:a.png\n\nBelow\n\n\nEnd").text).toBe("Above\n\nBelow\n\n\nEnd");
    expect(takeMedia("MEDIA:a.png\n\nBelow").text).toBe("Below");
    expect(takeMedia("Above\nMEDIA:a.png\n\nBelow").text).toBe("Above\n\nBelow");
  });

  test.each([
    ["[[audio_as_voice]]\nMEDIA:a.ogg", ""],
    ["Listen [[ audio_as_voice ]]\nMEDIA:a.ogg", "Listen"],
    ["MEDIA:a.ogg\n\n[[audio_as_voice]] Listen", "Listen"],
  ])("reads the wish for a voice message in %j", (answer, text) => {
    expect(takeMedia(answer)).toEqual({ text, media: [{ reference: "a.ogg", asVoice: true }] });
  });

  test.each([
    ["[[reply_to_current]] Hello", "Hello"],
    ["[[reply_to: wamid.A=]]Hello", "Hello"],
    ["Hello [[ reply_to_current ]] you [[reply_to:1]]", "Hello you"],
    ["Hello\n[[reply_to_current]]\nyou", "Hello\nyou"],
    ["[[reply_to_current]]", ""],
  ])("takes the directive out of %j", (answer, text) => {
    expect(takeMedia(answer)).toEqual({ text, media: [] });
  });

  test.each([
    "```\nMEDIA:a.png\n[[audio_as_voice]]\n```",
    "~~~~ md\nMEDIA:a.png\n~~~\nMEDIA:b.png\n~~~~",
    "- list\n  ```\n  MEDIA:a.png\n  ```",
    "```\nMEDIA:a.png",
    "````\n```\nMEDIA:a.png\n````",
    "```\n``` not the end\nMEDIA:a.png\n```",
    "Write `[[audio_as_voice]]` for that",
    "Write ``MEDIA:a.png` [[reply_to_current]]`` for that",
    "Code `over\nMEDIA:a.png\nlines` is code",
  ])("takes nothing out of code: %j", (answer) => {
    expect(takeMedia(answer)).toEqual({ text: answer, media: [] });
  });

  test.each([
    "```\ncode\n```\nMEDIA:a.png",
    "``` not a `fence\nMEDIA:a.png",
    "One ` alone\n\nMEDIA:a.png",
    "One ` alone\nMEDIA:a.png",
    "`code`\nMEDIA:`a.png`",
    "`code` [[reply_to_current]] and `code`\nMEDIA:a.png",
  ])("takes what only stands near code: %j", (answer) => {
    expect(references(answer)).toEqual(["a.png"]);
    expect(takeMedia(answer).text).not.toContain("[[");
  });

  test("needs no more time for a text that was made for it", () => {
    const hostile = [
      Array.from({ length: 2000 }, (_, index) => "`".repeat(index % 600)).join("x"),
      `MEDIA:${" ".repeat(200_000)}x`,
      "[[".repeat(200_000),
      `[[reply_to${" ".repeat(200_000)}`,
      "[[reply_to:".repeat(50_000),
      "MEDIA:x.y\n".repeat(50_000),
      `MEDIA:"${'"'.repeat(200_000)}`,
      `MEDIA:${"a.".repeat(200_000)}`,
    ];
    const started = performance.now();
    for (const answer of hostile) takeMedia(answer);

    expect(performance.now() - started).toBeLessThan(2000);
  });

  test("never loses a text that names no media and no directive", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/MEDIA:|\[\[/.test(text));
        expect(takeMedia(text)).toEqual({ text, media: [] });
      }),
    );
  });
});
