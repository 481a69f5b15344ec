import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { runCli } from "../../cli/main.ts";
import { until } from "../poller/daemon.ts";
import { enqueue } from "../store/enqueue.ts";
import { seed } from "./seed.ts";
import { World } from "./world.ts";

test("status --watch --json prints a line for each change, and ends well when it is interrupted", async () => {
  await using world = await World.start();
  using store = await seed(world.state, Date.now());
  const stop = new AbortController();
  const stdout = new PassThrough();
  let out = "";
  stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  const io = {
    env: { HOME: world.home, KAPSO_STATE_DIR: world.state },
    stdin: new PassThrough(),
    stdout,
    stderr: new PassThrough(),
    signal: stop.signal,
    pid: process.pid,
  };

  const running = runCli(io, ["status", "--watch", "--json"]);
  await until("the first line", () => out.endsWith("\n"));
  await enqueue(store.outbox, [{ to: { phone: "15550100002" }, text: "one more" }], Date.now());
  await until("a second line", () => out.trim().split("\n").length === 2);
  stop.abort();

  expect(await running).toBe(0);
  const lines = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([{ outbox: { queued: 0 } }, { outbox: { queued: 1 } }]);
});

test("status --watch redraws a terminal, in colours", async () => {
  await using world = await World.start();
  using _store = await seed(world.state, Date.now());
  const stop = new AbortController();
  const stdout = Object.assign(new PassThrough(), { isTTY: true });
  let out = "";
  stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  const io = {
    env: { HOME: world.home, KAPSO_STATE_DIR: world.state },
    stdin: new PassThrough(),
    stdout,
    stderr: new PassThrough(),
    signal: stop.signal,
    pid: process.pid,
  };

  const running = runCli(io, ["status", "--watch"]);
  await until("it is drawn twice", () => out.split("\u001B[H\u001B[2J").length === 3);
  stop.abort();

  expect(await running).toBe(0);
  expect(out).toContain("\u001B[31mnot running");
});
