import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { createFetch } from "../../src/http.ts";
import type { StandInWebhook } from "../../src/sandbox/kapso-webhooks.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { Registrar, type RegistrationState } from "../../src/source/registrar.ts";
import { knownRegistration, register } from "../../src/source/registration.ts";
import { Store } from "../../src/store/store.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import { KapsoWebhooks, WEBHOOK_EVENTS } from "../../src/whatsapp/kapso-webhooks.ts";
import { accountOf } from "../account.ts";
import { TestClock } from "../clock.ts";
import { until } from "../poller/daemon.ts";

const URL = "https://box.tail1.ts.net/webhook";
const SECRET = "s".repeat(64);
const never = new AbortController().signal;

function webhook(given: Partial<StandInWebhook> = {}): StandInWebhook {
  return {
    id: "w1",
    url: URL,
    secret_key: SECRET,
    kind: "kapso",
    events: WEBHOOK_EVENTS,
    active: true,
    payload_version: "v2",
    ...given,
  };
}

async function setUp(existing: readonly StandInWebhook[] = []) {
  const stack = new AsyncDisposableStack();
  const kapso = stack.use(await StandInKapso.start());
  kapso.webhooks.push(...existing);
  const folder = mkdtempSync(join(tmpdir(), "wa-registrar-test-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const store = stack.use(Store.open(folder));
  const clock = new TestClock();
  const connection = new ApiConnection(accountOf(kapso), { fetch: stack.use(createFetch()), clock });
  const webhooks = new KapsoWebhooks(connection);
  const parts = { webhooks, facts: store.facts, now: 0 };
  const states: RegistrationState[] = [];
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const stop = new AbortController();
  return {
    kapso,
    store,
    clock,
    states,
    logged,
    writes: () => kapso.requests.filter(({ method }) => method !== "GET").map(({ method }) => method),
    register: async (url = URL, secret = SECRET) => register(parts, { url, secret }, never),
    /** Runs until the world ends. */
    registrar: () => {
      const registrar = new Registrar(
        { webhooks, facts: store.facts, clock, log, onState: (state) => states.push(state) },
        SECRET,
      );
      const running = registrar.run(stop.signal);
      stack.defer(async () => {
        stop.abort();
        await running;
      });
      return registrar;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

describe("register()", () => {
  test("makes a webhook with everything that we need, once", async () => {
    await using world = await setUp();

    const first = await world.register();
    const second = await world.register();

    expect([first.done, second.done]).toEqual(["created", "unchanged"]);
    expect(world.kapso.webhooks).toEqual([webhook({ id: first.id })]);
    expect(knownRegistration(world.store.facts)?.id).toBe(first.id);
    expect(world.writes()).toEqual(["POST"]);
  });

  test.each<readonly [string, Partial<StandInWebhook>, string]>([
    ["paused by Kapso", { active: false }, "enabled"],
    ["without the failures", { events: ["whatsapp.message.received"] }, "updated"],
    ["of payload version 1", { payload_version: "v1" }, "updated"],
    ["with another secret", { secret_key: "another" }, "updated"],
  ])("takes over one that points here, %s, and puts it right", async (_what, given, done) => {
    await using world = await setUp([webhook(given)]);

    expect(await world.register()).toEqual({ id: "w1", done, twins: 0 });

    expect(world.kapso.webhooks).toEqual([webhook()]);
    expect((await world.register()).done).toBe("unchanged");
  });

  test("one that is taken over keeps the events that it had", async () => {
    const more = "whatsapp.conversation.created";
    await using world = await setUp([webhook({ events: [more] })]);

    await world.register();

    expect(world.kapso.webhooks[0]?.events).toEqual([...WEBHOOK_EVENTS, more]);
    expect((await world.register()).done).toBe("unchanged");
  });

  test("an odd row in Kapso's list hides none of the others", async () => {
    await using world = await setUp([{ ...webhook(), id: null as unknown as string }, webhook({ id: "w2" })]);

    expect(await world.register()).toMatchObject({ id: "w2", done: "unchanged" });
  });

  test("moves ours when the address changes, and touches nobody else's", async () => {
    const theirs = webhook({
      id: "theirs",
      url: "https://other.example.com/webhook",
      active: false,
      secret_key: "x",
    });
    await using world = await setUp([theirs]);
    const { id } = await world.register();

    const moved = await world.register("https://new.tail1.ts.net/webhook");

    expect(moved).toMatchObject({ id, done: "moved" });
    expect(world.kapso.webhooks).toEqual([
      { ...theirs },
      webhook({ id, url: "https://new.tail1.ts.net/webhook" }),
    ]);
  });

  test("makes one anew when ours was removed in the dashboard", async () => {
    await using world = await setUp();
    await world.register();
    world.kapso.webhooks.length = 0;

    expect((await world.register()).done).toBe("created");
    expect(world.kapso.webhooks).toHaveLength(1);
  });

  test("gives ours the new secret when it was changed", async () => {
    await using world = await setUp();
    await world.register();

    expect((await world.register(URL, "new-secret")).done).toBe("updated");
    expect(world.kapso.webhooks[0]?.secret_key).toBe("new-secret");
  });

  test("leaves a webhook that sends Meta's own bodies alone", async () => {
    const meta = webhook({ kind: "meta", events: [] });
    await using world = await setUp([meta]);

    expect((await world.register()).done).toBe("created");
    expect(world.kapso.webhooks[0]).toEqual(meta);
  });

  test("tells of another webhook that delivers to the same address", async () => {
    await using world = await setUp();
    await world.register();
    world.kapso.webhooks.push(webhook({ id: "twin" }));

    expect(await world.register()).toMatchObject({ done: "unchanged", twins: 1 });
  });
});

describe("Registrar", () => {
  test("waits for the address, registers it, and says so once", async () => {
    await using world = await setUp();
    const registrar = world.registrar();

    registrar.announce(URL);
    await until("registered", () => world.states.at(-1)?.kind === "registered");
    registrar.announce(URL);
    await new Promise((resolve) => setTimeout(resolve, 50));

    expect(world.states.map(({ kind }) => kind)).toEqual(["waiting", "registered"]);
    expect(world.logged.map(({ msg }) => msg)).toEqual(["webhook registered with Kapso"]);
    expect(JSON.stringify(world.logged)).not.toContain(SECRET);
  });

  test("moves it at once when the address changes", async () => {
    await using world = await setUp();
    const registrar = world.registrar();
    registrar.announce(URL);
    await until("registered", () => world.states.at(-1)?.kind === "registered");

    registrar.announce("https://new.example.com/webhook");
    await until("moved", () => world.kapso.webhooks[0]?.url === "https://new.example.com/webhook");

    expect(world.kapso.webhooks).toHaveLength(1);
  });

  test("tries again while Kapso answers errors, and tells why with a next step", async () => {
    await using world = await setUp();
    world.kapso.fault = () => ({ status: 401, body: '{"error":"Invalid API key"}' });
    const registrar = world.registrar();

    registrar.announce(URL);
    await until("failing", () => world.states.at(-1)?.kind === "failing");
    const failing = world.states.at(-1);
    for (let tries = 0; tries < 2; tries++) await world.clock.step();
    world.kapso.fault = () => undefined;
    await world.clock.step();

    expect(world.states.map(({ kind }) => kind)).toEqual(["waiting", "failing", "registered"]);
    expect(failing?.message).toContain("401");
    expect(failing?.hint).toContain("KAPSO_API_KEY");
    expect(world.logged.filter(({ msg }) => String(msg).includes("not registered"))).toHaveLength(1);
  });

  test("check() looks again, but not more than once a minute, and switches on what was paused", async () => {
    await using world = await setUp();
    const registrar = world.registrar();
    registrar.announce(URL);
    await until("registered", () => world.states.at(-1)?.kind === "registered");
    await world.clock.idle();
    const [ours] = world.kapso.webhooks;
    if (!ours) throw new Error("There is none");
    ours.active = false;

    for (let count = 0; count < 50; count++) registrar.check();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const tooSoon = ours.active;
    world.clock.advance(61_000);
    for (let count = 0; count < 50; count++) registrar.check();
    await until("switched on", () => ours.active);

    expect(tooSoon).toBe(false);
    expect(world.writes()).toEqual(["POST", "PATCH"]);
  });
});
