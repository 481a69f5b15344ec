import { describe, expect, test } from "vitest";
import { DaemonLock } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { until } from "../poller/daemon.ts";
import { read, TO, World } from "./world.ts";

const TEXT = ["send", "--to", TO, "--text", "hi", "--json"];
const CHECKED = { WA_SEND_CHECK_WINDOW: "true" };
const WEBHOOK = { KAPSO_MODE: "domain", WA_WEBHOOK_URL: "https://bot.example.com/webhook" };
const SAID = { error: expect.any(String), hint: expect.any(String) };
const WAMID = expect.stringMatching(/^wamid\./);
/** Of a send that made it into the outbox. */
const SENT = { to: TO, wamids: [WAMID], outbox: [1] };
const NOT_SENT = { to: TO, wamids: [], outbox: [1] };

/** What `wa-cli send --json` tells: nothing else, and nothing less. */
describe("wa-cli send --json", () => {
  test.each<readonly [string, number, Readonly<Record<string, string>>, object]>([
    ["accepted", 0, {}, { status: "accepted", ...SENT }],
    ["held", 0, { ...CHECKED, WA_SEND_ON_CLOSED: "hold" }, { status: "held", ...NOT_SENT, held: [1] }],
    [
      "held behind a template",
      0,
      { ...CHECKED, WA_SEND_ON_CLOSED: "template:may_i" },
      { status: "held", ...SENT, outbox: [1, 2], held: [2] },
    ],
    ["refused", 2, { WA_SEND_ALLOW_TO: "roles" }, { status: "refused", code: "send.allow_to", ...SAID }],
    ["failed: the window is closed", 5, CHECKED, { status: "failed", code: "131047", ...SAID }],
  ])("%s", async (_, exitCode, env, expected) => {
    await using world = await World.start();

    const ran = await world.run(TEXT, { env });

    expect(ran.code).toBe(exitCode);
    expect(read(ran)).toEqual({ ...expected, ...(exitCode !== 0 && { exitCode }) });
  });

  test.each<readonly [string, number, number, object, object]>([
    ["by WhatsApp", 400, 5, { error: { message: "No", code: 131026 } }, { ...NOT_SENT, code: "131026" }],
    [
      "for a reason of its own",
      400,
      1,
      { error: { message: "No", code: 100 } },
      { ...NOT_SENT, code: "100" },
    ],
    // Nothing is left of these, and their numbers would name nothing.
    ["by the key", 401, 4, {}, { ...NOT_SENT, outbox: [], code: "credentials", ...SAID }],
    ["by the account", 402, 1, {}, { ...NOT_SENT, outbox: [], code: "account", ...SAID }],
    ["for now", 429, 7, {}, { ...NOT_SENT, outbox: [], code: "withdrawn", ...SAID }],
  ])("failed %s", async (_, status, exitCode, body, expected) => {
    await using world = await World.start();
    world.refuse(status, body, { "Retry-After": "60" });

    const ran = await world.run(TEXT);

    expect(ran.code).toBe(exitCode);
    expect(read(ran)).toEqual({ status: "failed", error: expect.any(String), exitCode, ...expected });
  });

  test("failed behind parts that left", async () => {
    await using world = await World.start();
    let sends = 0;
    world.kapso.fault = ({ kind }) =>
      kind === "send" && ++sends === 2 ? { status: 429, headers: { "Retry-After": "60" } } : undefined;

    const ran = await world.run(["send", "--to", TO, "--json"], { stdin: "word ".repeat(1200) });

    expect(ran.code).toBe(1);
    expect(read(ran)).toEqual({
      status: "failed",
      ...SENT,
      outbox: [1, 2],
      code: "withdrawn",
      ...SAID,
      exitCode: 1,
    });
  });

  test("unknown", async () => {
    await using world = await World.start();
    world.refuse(500, {});

    expect(read(await world.run(TEXT))).toEqual({ status: "unknown", ...NOT_SENT, ...SAID, exitCode: 6 });
  });

  test("repeated", async () => {
    await using world = await World.start();
    const line = [...TEXT, "--idempotency-key", "k"];
    await world.run(line);

    expect(read(await world.run(line))).toEqual({ status: "accepted", ...SENT, repeated: true });
  });

  test.each([
    ["sent", ["sent"], 0],
    ["delivered", ["delivered"], 0],
    ["read", ["read"], 0],
    ["played", ["read", "played"], 0],
    ["accepted", [], 6],
    ["sent", ["sent"], 6],
    ["failed", ["failed"], 5],
  ] as const)("%s, with --wait, when WhatsApp told %j: exit code %i", async (status, told, exitCode) => {
    await using world = await World.start();
    const wait = exitCode === 0 ? (status === "played" ? "read" : status) : "delivered";
    using store = Store.open(world.state);
    using lock = DaemonLock.tryAcquire(world.state);
    const running = world.run([...TEXT, "--wait", wait, "--timeout", "2"], { env: WEBHOOK });
    await until("the message", () => world.kapso.sent.length === 1);
    const { wamid = "", trackingId } = world.kapso.sent[0] ?? {};
    const failure = { code: "131026", error: "not on WhatsApp" };
    // At once: whoever waits for one of them may see it before the next.
    const statuses = told.map((each) => ({ wamid, trackingId, status: each, failure }));
    await store.statuses.note(statuses, Date.now());

    const ran = await running;

    expect(lock).toBeDefined();
    expect(ran.code).toBe(exitCode);
    expect(read(ran)).toEqual({
      status,
      ...SENT,
      ...(status === "failed" && { code: "131026" }),
      ...(exitCode !== 0 && { error: expect.any(String), exitCode }),
      ...(exitCode === 6 && SAID),
    });
  });

  test("dry-run", async () => {
    await using world = await World.start();
    await world.run(TEXT);
    const env = { ...CHECKED, WA_SEND_ON_CLOSED: "hold" };

    expect(read(await world.run([...TEXT, "--dry-run"], { env }))).toEqual({
      status: "dry-run",
      messages: [expect.objectContaining({ type: "text" })],
      heldFrom: 0,
      note: expect.any(String),
    });
  });
});
