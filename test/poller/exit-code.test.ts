import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../../poller/bin.ts", import.meta.url));

test.each([
  ["on a command line", {}, 3, 2],
  ["under systemd, whose unit stops at 78", { WA_SERVICE: "systemd" }, 78, 78],
  ["under launchd, which restarts all that ends other than well", { WA_SERVICE: "launchd" }, 0, 0],
  ["where a desktop was started by systemd", { INVOCATION_ID: "4711" }, 3, 2],
])("what no restart mends %s: the exit code, and the reason", async (_, env, ofConfig, ofUsage) => {
  const folder = mkdtempSync(join(tmpdir(), "wa-poller-test-"));
  const file = join(folder, "config.toml");
  writeFileSync(file, "[kapso]\nno_such_key = 1\n");
  const run = async (...args: string[]) =>
    new Promise((resolve) =>
      execFile(process.execPath, [BIN, ...args], { env: { HOME: folder, ...env } }, (error, _, err) =>
        resolve({ code: error?.code ?? 0, err }),
      ),
    );

  expect(await run("--config", file)).toEqual({
    code: ofConfig,
    err: expect.stringContaining("kapso.no_such_key"),
  });
  expect(await run("--no-such-option")).toEqual({
    code: ofUsage,
    err: expect.stringContaining("--no-such-option"),
  });

  rmSync(folder, { recursive: true });
});
