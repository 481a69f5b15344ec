import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { runCli } from "../../cli/main.ts";
import { LogFile } from "../../src/log-file.ts";
import { inbound } from "../inbound.ts";
import { until } from "../poller/daemon.ts";
import { ANSWER, BSUID, PHONE, QUESTION, seed, wamidOf } from "./seed.ts";
import { World } from "./world.ts";
import { enqueue } from "../store/enqueue.ts";

const SECRETS = {
  OPENCLAW_TOKEN: "gateway-token-4711",
  KAPSO_WEBHOOK_SECRET: "webhook-secret-4711",
  KAPSO_WEBHOOK_VERIFY_TOKEN: "verify-token-4711",
  KAPSO_WEBHOOK_OLD_SECRETS: "old-secret-4711,older-secret-4711",
};
const COMMANDS: readonly (readonly string[])[] = [
  ["status"],
  ["outbox", "list", "--all"],
  ["trace", QUESTION],
  ["trace", ANSWER],
  ["trace", "#2"],
  ["messages"],
  ["contacts"],
  ["config", "--all"],
  ["config", "path"],
  ["logs", "--lines", "500"],
  ["numbers"],
  ["templates"],
  ["webhook", "list"],
];

describe("no command shows a secret or a whole number", () => {
  test.each(COMMANDS.flatMap((command) => [[command], [[...command, "--json"]]]))("%j", async (args) => {
    await using world = await World.start();
    using store = await seed(world.state, Date.now());
    const quotes = { wamid: wamidOf(PHONE, "3EB0C0FFEE09"), quotes: QUESTION };
    await store.inbox.accept(
      [inbound({ from: { phone: PHONE, bsuid: BSUID }, ...quotes })],
      "poll",
      Date.now(),
    );
    const [claim] = [await enqueue(store.outbox, [{ to: { phone: PHONE }, text: "x" }], Date.now())];
    const taken = await store.outbox.claim(PHONE, "daemon", Date.now());
    if (taken)
      await store.outbox.retryAt(taken, 0, { error: `Recipient +${PHONE} is not known (${QUESTION})` });
    using log = new LogFile(world.state, { secrets: [] });
    log.write(
      `{"level":50,"time":1,"to":"+${PHONE}","msg":"refused for ${PHONE} with ${SECRETS.OPENCLAW_TOKEN}"}\n`,
    );
    world.kapso.fault = ({ path }) => {
      if (path.endsWith("/100000000000001"))
        return { status: 200, body: '{"data":{"business_account_id":"9001"}}' };
      return path.endsWith("/9001/phone_numbers")
        ? { status: 200, body: JSON.stringify({ data: [{ id: "1", display_phone_number: `+${PHONE}` }] }) }
        : undefined;
    };

    const ran = await world.run(args, { env: { ...SECRETS, KAPSO_ALLOWED_NUMBERS: `+${PHONE}` } });

    const shown = ran.out + ran.err;
    expect(claim).toHaveLength(1);
    expect(shown).not.toBe("");
    for (const secret of Object.values(SECRETS).flatMap((value) => value.split(",")))
      expect(shown).not.toContain(secret);
    for (const number of [PHONE, "15559876543", "4915112345678", BSUID, QUESTION, ANSWER])
      expect(shown).not.toContain(number);
    // As it stands in ids of messages.
    expect(shown).not.toContain(Buffer.from(PHONE).toString("base64").slice(0, 12));
    expect(shown).not.toContain("\u001B");
  });
});

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
