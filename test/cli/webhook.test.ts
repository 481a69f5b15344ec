import { describe, expect, test } from "vitest";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import { Store } from "../../src/store/store.ts";
import { freePort } from "../free-port.ts";
import { Daemon, until } from "../poller/daemon.ts";
import { read, World } from "./world.ts";

const URL = "https://bot.example.com/webhook";

describe("wa-cli webhook", () => {
  test("list shows everybody's, ours marked, and no secret", async () => {
    await using world = await World.start();
    world.kapso.webhooks.push({
      id: "theirs",
      url: "https://other.example.com/hook",
      secret_key: "their-secret",
      kind: "kapso",
      events: ["whatsapp.message.received"],
      active: false,
      payload_version: "v2",
    });
    await world.run(["webhook", "register", "--url", URL]);

    const ran = await world.run(["webhook", "list"]);
    const asJson = await world.run(["webhook", "list", "--json"]);

    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/ {2}theirs {2}PAUSED {2}https:\/\/other\.example\.com\/hook/);
    expect(ran.out).toMatch(/\* wh-\d+ {2}active {2}https:\/\/bot\.example\.com\/webhook/);
    expect(JSON.parse(asJson.out)).toMatchObject([
      { id: "theirs", ours: false, active: false },
      { ours: true, active: true, url: URL },
    ]);
    for (const { secret_key: secret } of world.kapso.webhooks)
      expect(ran.out + asJson.out).not.toContain(secret);
  });

  test("list says when there is none", async () => {
    await using world = await World.start();

    expect((await world.run(["webhook"])).out).toBe("No webhook is registered\n");
  });

  test("register makes ours, then finds it, then moves it; remove takes it away and nobody else's", async () => {
    await using world = await World.start();

    const made = await world.run(["webhook", "register", "--url", URL, "--json"]);
    const again = await world.run(["webhook", "register", "--json"], {
      env: { WA_WEBHOOK_URL: URL, KAPSO_MODE: "domain" },
    });
    const moved = await world.run([
      "webhook",
      "register",
      "--url",
      "https://b.example.com/webhook",
      "--json",
    ]);
    const removed = await world.run(["webhook", "remove", "--json"]);
    const none = await world.run(["webhook", "remove"]);

    expect([made, again, moved].map((ran) => read(ran)["done"])).toEqual(["created", "unchanged", "moved"]);
    expect(read(removed)["id"]).toBe(read(made)["id"]);
    expect(world.kapso.webhooks).toEqual([]);
    expect(none).toMatchObject({ code: 0, out: "No webhook of this number is ours\n" });
  });

  test("register without an address names what to do", async () => {
    await using world = await World.start();

    const ran = await world.run(["webhook", "register"]);
    const bad = await world.run(["webhook", "register", "--url", "http://bot.example.com"]);

    expect([ran.code, bad.code]).toEqual([2, 2]);
    expect(ran.err).toContain("--url");
  });

  test.each([
    [401, 4],
    [500, 7],
  ])("an answer %i of Kapso's ends with code %i", async (status, code) => {
    await using world = await World.start();
    world.kapso.fault = () => ({ status, body: '{"error":"no"}' });

    expect((await world.run(["webhook", "list", "--json"])).code).toBe(code);
  });
});

describe("wa-cli with a daemon behind a domain", { timeout: 60_000 }, () => {
  async function setUp() {
    const stack = new AsyncDisposableStack();
    const world = stack.use(await World.start());
    const gateway = stack.use(await EchoGateway.start());
    const port = await freePort();
    // In place of a domain: plain HTTP on this machine, which a configuration does not allow.
    const url = `http://127.0.0.1:${port}/webhook`;
    const env = { KAPSO_MODE: "domain", KAPSO_WEBHOOK_ADDR: `127.0.0.1:${port}`, WA_WEBHOOK_URL: URL };
    const daemon = stack.use(
      new Daemon({
        kapso: world.kapso,
        gateway,
        env: { ...env, KAPSO_STATE_DIR: world.state, KAPSO_POLL_INTERVAL: "1h" },
      }),
    );
    daemon.start();
    await until("a registration", () => world.kapso.webhooks.length > 0);
    return {
      world,
      daemon,
      url,
      env: { ...env, OPENCLAW_GATEWAY_URL: gateway.url },
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  }

  test("status shows the ways in, the registration and what webhooks missed", async () => {
    await using set = await setUp();
    await until("it is noted", () => set.daemon.log.includes("webhook registered"));
    await until("the gateway", () => set.daemon.log.includes('"gateway connected"'));

    const ran = await set.world.run(["status", "--json"], { env: set.env });
    const text = await set.world.run(["status"], { env: set.env });

    expect(read(ran)).toMatchObject({
      gateway: { kind: "connected" },
      poll: { kind: "polling" },
      webhook: { kind: "listening" },
      gaps: { kind: "arriving", hours: 24, total: 0, missed: 0 },
      registration: { kind: "registered" },
    });
    expect(read(ran)["funnel"]).toBeUndefined();
    expect(text.out).toMatch(/^webhook {2}listening: Listens on 127\.0\.0\.1:\d+; last message never$/m);
    expect(text.out).toMatch(/^gaps {5}arriving: No message was missed; webhooks missed 0 of 0 in 24 h$/m);
    expect(text.out).toMatch(
      /^register registered: Webhook wh-\d+ delivers to https:\/\/bot\.example\.com\/webhook$/m,
    );
  });

  test("preflight checks the registration, and fails when the public address does not lead here", async () => {
    await using set = await setUp();
    const ran = await set.world.run(["preflight", "--json"], { env: set.env });

    // Nothing outside can be reached from here, so the last check can not pass.
    const { checks } = read(ran) as { checks: { name: string; ok: boolean; hint?: string }[] };
    expect(checks.find(({ name }) => name === "register")).toMatchObject({ ok: true });
    expect(checks.find(({ name }) => name === "webhook")).toMatchObject({ ok: false });
    expect(checks.find(({ name }) => name === "webhook")?.hint).toMatch(/\S/);
  });

  test("probeWebhook() proves that the address leads to the daemon of this state, and only then", async () => {
    await using set = await setUp();
    const { probeWebhook } = await import("../../cli/probe.ts");
    const secret = set.world.kapso.webhooks[0]?.secret_key ?? "";
    const { signal } = new AbortController();
    using store = Store.open(set.world.state);
    await using elsewhere = await World.start();
    using otherState = Store.open(elsewhere.state);

    await expect(probeWebhook({ url: set.url, secret, facts: store.facts }, signal)).resolves.toContain(
      "came through",
    );
    await expect(probeWebhook({ url: set.url, secret, facts: otherState.facts }, signal)).rejects.toThrow(
      "it is not this wa-poller",
    );
    await expect(probeWebhook({ url: set.url, secret: "x", facts: store.facts }, signal)).rejects.toThrow(
      "refuses our signature",
    );
    await expect(
      probeWebhook({ url: set.url.replace("/webhook", "/else"), secret, facts: store.facts }, signal),
    ).rejects.toThrow("answers 404");
  });
});
