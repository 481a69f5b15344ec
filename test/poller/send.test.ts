import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Store } from "../../src/store/store.ts";
import { until, type Daemon } from "./daemon.ts";
import { createWorld, person } from "./world.ts";

const BIN = fileURLToPath(new URL("../../cli/bin.ts", import.meta.url));
const ANN = person(1);

/** A real `wa-cli send` beside the daemon, on the same state; resolves with its exit code. */
async function send(daemon: Daemon, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [BIN, "send", "--to", `+${ANN}`, ...args], {
    env: { ...daemon.env, ...env },
    stdio: "ignore",
  });
  const [code] = await once(child, "exit");
  return Number(code);
}

function states(daemon: Daemon): readonly string[] {
  using store = Store.open(daemon.env["KAPSO_STATE_DIR"] ?? "");
  return store.outbox.list({ all: true, limit: 100 }).map(({ state }) => state);
}

test("who wrote may be written to beside the daemon; who did not may not", async () => {
  await using world = await createWorld();
  const { kapso, daemon } = world;
  daemon.start();
  await until("a poll", () => world.lists() > 0);
  const before = await send(daemon, ["--text", "too early"]);
  kapso.receive({ from: ANN, text: "hello" });
  await until("an answer", () => kapso.sent.length === 1);

  const after = await send(daemon, ["--text", "by the way"]);

  expect([before, after]).toEqual([2, 0]);
  expect(kapso.sent.map(({ text }) => text)).toEqual(["re hello", "by the way"]);
});

test("what is held leaves when the person writes, before the answer to that", async () => {
  await using world = await createWorld();
  const { kapso, daemon } = world;
  daemon.start();
  await until("a poll", () => world.lists() > 0);
  const env = { WA_SEND_ALLOW_TO: "*", WA_SEND_ON_CLOSED: "hold" };

  expect(await send(daemon, ["--text", "news for you"], env)).toBe(0);
  expect(states(daemon)).toEqual(["held"]);
  kapso.receive({ from: ANN, text: "hello" });
  await until("both", () => kapso.sent.length === 2);

  expect(kapso.sent.map(({ text }) => text)).toEqual(["news for you", "re hello"]);
});

test("P7: 500 although it was accepted: 6, and the daemon finds out and does not repeat it", async () => {
  await using world = await createWorld();
  const { kapso, daemon } = world;
  daemon.start();
  await until("a poll", () => world.lists() > 0);
  kapso.fault = ({ kind }) => (kind === "send" ? { status: 500, afterEffect: true } : undefined);
  const env = { WA_SEND_ALLOW_TO: "*", WA_SEND_CHECK_WINDOW: "false" };

  const code = await send(daemon, ["--text", "Go?", "--buttons", "Yes|No"], env);
  kapso.fault = () => undefined;
  await until("it is settled", () => states(daemon)[0] === "accepted");

  expect(code).toBe(6);
  expect(kapso.sent).toHaveLength(1);
});
