import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const LOG = fileURLToPath(new URL("../../poller/log.ts", import.meta.url));
const WORD = "no \u001B]52;c;ZXZpbA==\u0007\r\nforged\u009B2J\u202E";
const SCRIPT = `
  const { createLog } = await import(${JSON.stringify(LOG)});
  const log = await createLog({ level: "debug", format: process.argv[1] });
  const word = ${JSON.stringify(WORD)};
  log.child({ component: word }).warn({ err: new Error(word), to: word, all: [word] }, word);
  log.info("then");`;

test.each(["pretty", "json"])(
  "the log (%s) shows what others wrote, and no terminal obeys it",
  async (format) => {
    const args = ["--input-type=module", "-e", SCRIPT, format];
    const { stderr } = await promisify(execFile)(process.execPath, args);

    expect(stderr).toContain("u001b]52;c;ZXZpbA==");
    expect(stderr).toContain("then");
    expect(stderr).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
    expect(stderr).not.toMatch(/^forged/m);
  },
);
