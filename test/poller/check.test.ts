import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { DaemonLock } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { freePort } from "../free-port.ts";

const BIN = fileURLToPath(new URL("../../poller/bin.ts", import.meta.url));

function setUp() {
  const home = mkdtempSync(join(tmpdir(), "wa-poller-test-"));
  const state = join(home, "state");
  const account = { KAPSO_API_KEY: "sk", KAPSO_PHONE_NUMBER_ID: "1", KAPSO_STATE_DIR: state };
  return {
    state,
    check: async (env: Readonly<Record<string, string>> = account) =>
      new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) =>
        execFile(process.execPath, [BIN, "--check"], { env: { HOME: home, ...env } }, (error, out, err) =>
          resolve({ code: Number(error?.code ?? 0), out, err }),
        ),
      ),
    account,
    [Symbol.dispose]: () => rmSync(home, { recursive: true }),
  };
}

test("--check: all is usable, and a start afterwards finds its port free", async () => {
  using all = setUp();
  const env = { ...all.account, KAPSO_WEBHOOK_ADDR: `127.0.0.1:${await freePort()}` };

  const usable = {
    code: 0,
    out: expect.stringMatching(/^Configuration and state are usable \(.*\)\n$/),
    err: "",
  };
  expect(await all.check(env)).toMatchObject(usable);
  expect(await all.check(env)).toMatchObject(usable);
});

test.each([
  ["webhook.addr", {}],
  ["bridge.addr", { GATEWAY_TYPE: "http", GATEWAY_URL: "http://127.0.0.1:9/hook" }],
])("--check: the port of %s is taken: code 1, with the setting", async (setting, more) => {
  using all = setUp();
  await using other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { readonly port: number };
  const address = {
    [setting === "webhook.addr" ? "KAPSO_WEBHOOK_ADDR" : "WA_BRIDGE_ADDR"]: `127.0.0.1:${port}`,
  };

  const ran = await all.check({ ...all.account, ...more, ...address });

  expect(ran).toMatchObject({ code: 1, out: "", err: expect.stringContaining("EADDRINUSE") });
  expect(ran.err).toContain(`→ give ${setting}`);
});

test("--check: a running daemon is told and left alone; its port counts as its own", async () => {
  using all = setUp();
  await using own = createServer().listen(0, "127.0.0.1");
  await once(own, "listening");
  const { port } = own.address() as { readonly port: number };
  Store.open(all.state)[Symbol.dispose]();
  using _lock = DaemonLock.tryAcquire(all.state);

  const ran = await all.check({ ...all.account, KAPSO_WEBHOOK_ADDR: `127.0.0.1:${port}` });

  expect(ran).toMatchObject({ code: 0, out: expect.stringContaining("another wa-poller runs") });
});

test("--check: without an account wa-cli init and the sandbox are the next step", async () => {
  using all = setUp();

  const ran = await all.check({});

  expect(ran).toMatchObject({ code: 3, out: "" });
  expect(ran.err).toContain("kapso.api_key is missing");
  expect(ran.err).toMatch(/→ wa-cli init .*wa-poller --sandbox/);
});
