import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../../poller/bin.ts", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wa-poller-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function run(env: Readonly<Record<string, string>>, ...args: string[]): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers();
  execFile(process.execPath, [BIN, ...args], { env: { HOME: folder, ...env } }, (error, _, err) =>
    resolve({ code: error?.code ?? 0, err }),
  );
  return promise;
}

test.each([
  ["on a command line", {}, 3, 2],
  ["under systemd, whose unit stops at 78", { WA_SERVICE: "systemd" }, 78, 78],
  ["under launchd, which restarts all that ends other than well", { WA_SERVICE: "launchd" }, 0, 0],
  ["where a desktop was started by systemd", { INVOCATION_ID: "4711" }, 3, 2],
])("what no restart mends %s: the exit code, and the reason", async (_, env, ofConfig, ofUsage) => {
  const file = join(folder, "config.toml");
  writeFileSync(file, "[kapso]\nno_such_key = 1\n");
  expect(await run(env, "--config", file)).toEqual({
    code: ofConfig,
    err: expect.stringContaining("kapso.no_such_key"),
  });
  expect(await run(env, "--no-such-option")).toEqual({
    code: ofUsage,
    err: expect.stringContaining("--no-such-option"),
  });
});

describe.each([
  ["on a command line", {}, 3],
  ["under systemd", { WA_SERVICE: "systemd" }, 1],
  ["under launchd", { WA_SERVICE: "launchd" }, 1],
])("a secret that comes late, %s", (_, env, code) => {
  test.each([
    ["is missing", "is named by a variable", undefined, ""],
    ["is empty", "is named by a variable", "", ""],
    ["is blank", "is named by a variable", "\n", ""],
    ["is missing", "is named in the file", undefined, 'token_file = "/nowhere"'],
    // What depends on the secret is a fault as long as it is missing.
    ["is missing", "is needed for more", undefined, '[bridge]\naddr = ":0"\ntoken_file = "/nowhere"'],
  ])("%s and %s: the exit code, and the reason", async (_, __, content, line) => {
    const secret = join(folder, "key");
    if (content !== undefined) writeFileSync(secret, content);
    const file = join(folder, "config.toml");
    writeFileSync(file, line.startsWith("[") ? line : `[gateway]\n${line}\n`);
    const account = {
      KAPSO_PHONE_NUMBER_ID: "1",
      ...(line === "" ? { KAPSO_API_KEY_FILE: secret } : { KAPSO_API_KEY: "k" }),
    };

    expect(await run({ ...env, ...account }, "--config", file)).toEqual({
      code,
      err: expect.stringMatching(/_file|_FILE: /i),
    });
  });
});
