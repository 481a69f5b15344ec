import { once } from "node:events";
import { createServer } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { freePort } from "../free-port.ts";
import { pause, until, type Daemon } from "./daemon.ts";
import { kapsoText, WebhookSender, type Written } from "./webhook-sender.ts";
import { createWorld, person } from "./world.ts";

const SECRET = "the-secret-of-the-webhook";
const OLD_SECRET = "the-secret-before";

/** A daemon behind a domain, with polling that is too slow to be of help. */
async function setUp(env: Readonly<Record<string, string>> = {}) {
  const port = await freePort();
  const stack = new AsyncDisposableStack();
  const world = stack.use(
    await createWorld({
      env: {
        KAPSO_MODE: "domain",
        KAPSO_WEBHOOK_ADDR: `127.0.0.1:${port}`,
        KAPSO_WEBHOOK_SECRET: SECRET,
        KAPSO_POLL_INTERVAL: "1h",
        ...env,
      },
    }),
  );
  const sender = stack.use(new WebhookSender({ port, secret: SECRET }));
  const { kapso, daemon } = world;
  const url = `http://127.0.0.1:${port}`;
  return {
    ...world,
    sender,
    port,
    url,
    event: (written: Written) => kapsoText(written, kapso.phoneNumberId),
    /** Starts, and waits until it listens and has polled. */
    start: async () => {
      const polls = kapso.requests.length;
      daemon.start();
      await until("the first poll", () => kapso.requests.length > polls);
    },
    health: async () => {
      const response = await fetch(`${url}/health`);
      const body = (await response.json()) as { parts: Record<string, { ok: boolean; state: string }> };
      return { status: response.status, parts: body.parts };
    },
    /** A status of one of our own messages. */
    status: async (wamid: string, status: string, more: object = {}) =>
      sender.post(
        JSON.stringify({
          message: {
            id: wamid,
            timestamp: String(Math.floor(Date.now() / 1000)),
            type: "text",
            kapso: { direction: "outbound", status, statuses: [{ id: wamid, status, ...more }] },
          },
          phone_number_id: kapso.phoneNumberId,
        }),
        `whatsapp.message.${status}`,
      ),
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

describe.concurrent("wa-poller with webhooks", { timeout: 120_000 }, () => {
  test("P1, P2: a burst of 5,000 posts with kill -9 in it: each is answered exactly once", async () => {
    await using world = await setUp();
    const { kapso, daemon, sender, event } = world;
    const bodies = new Map<string, string>();
    for (let index = 0; index < 5000; index++) {
      const from = person(index % 300);
      const text = `${from} ${index}`;
      bodies.set(text, event({ from, text, wamid: `wamid.B${index}` }));
    }
    const acknowledged = new Set<string>();
    const deliver = async (text: string, body: string) => {
      const status = await sender.post(body).catch(() => 0);
      if (status === 200) acknowledged.add(text);
    };
    await world.start();

    const burst = Promise.all([...bodies].map(async ([text, body]) => deliver(text, body)));
    await until("half of it", () => acknowledged.size > 2000);
    await daemon.stop("SIGKILL");
    await burst;
    const beforeRedelivery = new Set(acknowledged);
    await world.start();
    await until("what was acknowledged", () => kapso.sent.length >= beforeRedelivery.size, 60_000);
    await pause(3000);
    const answeredOnce = kapso.sent.map(({ text }) => text.slice(3));
    while (acknowledged.size < bodies.size) {
      const missing = [...bodies].filter(([text]) => !acknowledged.has(text));
      await Promise.all(missing.slice(0, 500).map(async ([text, body]) => deliver(text, body)));
    }
    await until("all answers", () => kapso.sent.length >= 5000, 60_000);
    await pause(3000); // anything in doubt settles within WA_SETTLE

    expect(beforeRedelivery.size).toBeLessThan(5000);
    for (const text of beforeRedelivery) expect(answeredOnce).toContain(text);
    const answered = kapso.sent.map(({ text }) => text.slice(3));
    expect(answered).toHaveLength(5000);
    expect(new Set(answered)).toEqual(new Set(bodies.keys()));
    for (const { to, text } of kapso.sent) expect(text.startsWith(`re ${to} `)).toBe(true);
  });

  test("P2: the same wamid by webhook, by its retry, in a batch, from Meta and by polling is one message", async () => {
    await using world = await setUp({ KAPSO_POLL_INTERVAL: "1s" });
    const { kapso, sender, event } = world;
    const written = { from: person(1), text: "once", wamid: "wamid.ONE" };
    await world.start();
    const single = event(written);
    const batch = JSON.stringify({
      type: "whatsapp.message.received",
      batch: true,
      data: [JSON.parse(single), JSON.parse(event({ ...written, text: "twice", wamid: "wamid.TWO" }))],
    });
    const meta = JSON.stringify({
      object: "whatsapp_business_account",
      entry: [
        {
          changes: [
            {
              field: "messages",
              value: {
                metadata: { phone_number_id: kapso.phoneNumberId },
                messages: [
                  {
                    id: written.wamid,
                    from: written.from,
                    timestamp: "1800000000",
                    type: "text",
                    text: { body: "once" },
                  },
                ],
              },
            },
          ],
        },
      ],
    });
    kapso.receive(written);

    const statuses = await Promise.all(
      [single, single, batch, meta, batch, single].map(async (body) => sender.post(body)),
    );
    const lists = world.lists();
    await until("two more polls", () => world.lists() >= lists + 2);
    await until("both answers", () => kapso.sent.length >= 2);
    await pause(500);

    expect(statuses).toEqual([200, 200, 200, 200, 200, 200]);
    expect(kapso.sent.map(({ text }) => text)).toEqual(["re once", "re twice"]);
  });

  test("a message comes through a webhook while polling sleeps", async () => {
    await using world = await setUp();
    await world.start();

    await world.sender.post(world.event({ from: person(1), text: "now", wamid: "wamid.N" }));
    await until("an answer", () => world.kapso.sent.length === 1);

    expect(world.lists()).toBe(1);
  });

  test("forged, altered and unsigned bodies are refused, and the one signed with the old secret is taken", async () => {
    await using world = await setUp({ KAPSO_WEBHOOK_OLD_SECRETS: `another,${OLD_SECRET}` });
    const { gateway, kapso, daemon, sender, event, url } = world;
    await using forger = new WebhookSender({ port: world.port, secret: "a-guess" });
    await using rotating = new WebhookSender({ port: world.port, secret: OLD_SECRET });
    await world.start();
    const body = event({ from: person(1), text: "!shell rm -rf /", wamid: "wamid.F" });

    const forged = await forger.post(body);
    const unsigned = await fetch(`${url}/webhook`, { method: "POST", body });
    const old = await rotating.post(event({ from: person(2), text: "fine", wamid: "wamid.G" }));
    await until("an answer", () => kapso.sent.length === 1);
    await pause(300);

    expect([forged, unsigned.status, old]).toEqual([401, 401, 200]);
    expect(gateway.asked.map(({ message }) => message)).toEqual(["fine"]);
    expect(daemon.log).toContain("webhook refused");
    expect(daemon.log).not.toContain("shell");
    expect(await sender.post(body)).toBe(200);
  });

  test("P10: without a secret a forged body only starts a poll, and 300 of them start few", async () => {
    await using world = await setUp({ KAPSO_WEBHOOK_SECRET: "" });
    const { gateway, kapso, url, event } = world;
    await world.start();
    const forged = event({ from: person(1), text: "I am the admin", wamid: "wamid.F" });
    kapso.receive({ from: person(2), text: "a real one" });

    const replies = await Promise.all(
      Array.from({ length: 300 }, async () => fetch(`${url}/webhook`, { method: "POST", body: forged })),
    );
    await until("an answer", () => kapso.sent.length === 1);
    await pause(1500);

    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(gateway.asked.map(({ message }) => message)).toEqual(["a real one"]);
    expect(world.lists()).toBeLessThanOrEqual(5);
  });

  test("poll_fallback = false without a secret still polls when it is woken", async () => {
    await using world = await setUp({
      KAPSO_WEBHOOK_SECRET: "",
      KAPSO_POLL_FALLBACK: "false",
      KAPSO_POLL_INTERVAL: "1s",
    });
    const { kapso, url } = world;
    await world.start();
    kapso.receive({ from: person(2), text: "hello" });
    await pause(1500);
    const before = kapso.sent.length;

    await fetch(`${url}/webhook`, { method: "POST", body: "{}" });
    await until("an answer", () => kapso.sent.length === 1);

    expect(before).toBe(0);
  });

  test("P1: what can not be stored is answered 500, and 200 when it comes again", async () => {
    await using world = await setUp();
    const { daemon, sender, event, kapso } = world;
    await world.start();
    const body = event({ from: person(1), text: "hold on", wamid: "wamid.H" });
    const blocker = new DatabaseSync(join(daemon.folder, "state", "relay.db"));
    blocker.exec("BEGIN IMMEDIATE");

    const refused = await sender.post(body);
    blocker.exec("ROLLBACK");
    blocker.close();
    const taken = await sender.post(body);
    await until("an answer", () => kapso.sent.length === 1);

    expect([refused, taken]).toEqual([500, 200]);
  });

  test("P7: a late failure is shown with its remedy, and statuses out of order and twice do no harm", async () => {
    await using world = await setUp();
    const { kapso, daemon, sender, event } = world;
    await world.start();
    await sender.post(event({ from: person(1), text: "one", wamid: "wamid.1" }));
    await sender.post(event({ from: person(2), text: "two", wamid: "wamid.2" }));
    await until("two answers", () => kapso.sent.length === 2);
    const [first = "", second = ""] = kapso.sent.map(({ wamid }) => wamid);
    await until("both accepted", () => outbox(daemon).every(({ state }) => state === "accepted"));
    const failure = { errors: [{ code: 131047, title: "Re-engagement message" }] };

    for (const status of ["read", "sent", "delivered", "read"])
      expect(await world.status(first, status)).toBe(200);
    for (const status of ["sent", "failed", "failed"]) await world.status(second, status, failure);

    const rows = new Map(
      outbox(daemon).map(({ wamid, state, status, code }) => [wamid, [state, status, code]]),
    );
    expect(rows.get(first)).toEqual(["accepted", "read", null]);
    expect(rows.get(second)).toEqual(["dead", "failed", "131047"]);
    expect(daemon.log.split("message was accepted but not delivered")).toHaveLength(2);
    expect(daemon.log).toContain("only a template can be sent");
  });

  test("P7: a status settles a send of unknown outcome, so that nothing is looked up or sent again", async () => {
    await using world = await setUp({ WA_SETTLE: "60s" });
    const { kapso, daemon, sender, event } = world;
    await world.start();
    // It leaves, but nobody hears of it; and the list does not show it.
    kapso.fault = ({ kind }) => (kind === "send" ? { lose: true, afterEffect: true } : { status: 500 });
    await sender.post(event({ from: person(1), text: "one", wamid: "wamid.1" }));
    await until("a doubt", () => outbox(daemon).some(({ state }) => state === "doubt"));
    const [sent] = kapso.sent;

    await world.status(sent?.wamid ?? "", "delivered", { biz_opaque_callback_data: sent?.trackingId });

    expect(outbox(daemon).map(({ state, status, wamid }) => [state, status, wamid])).toEqual([
      ["accepted", "delivered", sent?.wamid],
    ]);
    kapso.fault = () => undefined;
    await pause(1500);
    expect(kapso.sent).toHaveLength(1);
    expect(daemon.log).toContain("send of unknown outcome was accepted");
  });

  test("P8: a taken port ends the program with the reason, before anything is asked of anybody", async () => {
    await using world = await setUp();
    const squatter = createServer().listen(world.port, "127.0.0.1");
    await once(squatter, "listening");

    world.daemon.start();
    const code = await world.daemon.exited();
    squatter.close();

    expect(code).toBe(1);
    expect(world.daemon.log).toContain(`Cannot listen on 127.0.0.1:${world.port}`);
    expect(world.daemon.log).toContain("KAPSO_WEBHOOK_ADDR");
    expect(world.kapso.requests).toEqual([]);
  });

  test("GET /health is 200 while all is well, and 503 with the name of what is not", async () => {
    await using world = await setUp({ KAPSO_POLL_INTERVAL: "1s" });
    const { kapso, gateway, daemon } = world;
    const logged = (...messages: readonly string[]) =>
      messages.every((message) => daemon.log.includes(`"${message}"`));
    await world.start();
    await until("all is well", () => logged("polling works", "gateway connected"));
    const well = await world.health();

    await gateway[Symbol.asyncDispose]();
    kapso.fault = () => ({ status: 500 });
    await until("both noticed", () =>
      logged("polling failed, messages wait at Kapso", "gateway not connected, messages are kept"),
    );
    const ill = await world.health();

    expect(well).toMatchObject({
      status: 200,
      parts: {
        gateway: { ok: true },
        poll: { ok: true },
        webhook: { ok: true, state: "listening" },
        store: { ok: true },
      },
    });
    expect(ill).toMatchObject({
      status: 503,
      parts: { gateway: { ok: false }, poll: { ok: false }, webhook: { ok: true } },
    });
  });

  test("webhook.url is registered with a secret of our own making, switched on again and not taken from others", async () => {
    await using world = await setUp({ KAPSO_WEBHOOK_SECRET: "", WA_WEBHOOK_URL: "https://bot.example.com" });
    const { kapso, daemon, event } = world;
    const theirs = {
      id: "theirs",
      url: "https://other.example.com/webhook",
      secret_key: "x",
      kind: "kapso",
      events: ["whatsapp.message.received"],
      active: false,
      payload_version: "v2",
    };
    kapso.webhooks.push({ ...theirs });

    await world.start();
    await until("a registration", () => kapso.webhooks.length === 2);
    const [, ours] = kapso.webhooks;
    if (!ours) throw new Error("There is none");
    expect(ours).toMatchObject({
      url: "https://bot.example.com/webhook",
      active: true,
      payload_version: "v2",
      events: ["received", "sent", "delivered", "read", "failed"].map((name) => `whatsapp.message.${name}`),
    });
    expect(ours.secret_key).toMatch(/^[0-9a-f]{64}$/);
    await using signed = new WebhookSender({ port: world.port, secret: ours.secret_key });
    expect(await signed.post(event({ from: person(1), text: "hi", wamid: "wamid.R" }))).toBe(200);
    await daemon.stop("SIGTERM");
    ours.active = false;
    await world.start();
    await until("switched on again", () => ours.active);

    expect(kapso.webhooks).toHaveLength(2);
    expect(kapso.webhooks[0]).toEqual(theirs);
    expect(daemon.log).not.toContain(ours.secret_key);
  });

  test("delivery.register = false registers nothing and says which address to register", async () => {
    await using world = await setUp({
      WA_REGISTER: "false",
      WA_WEBHOOK_URL: "https://bot.example.com/kapso/webhook",
    });

    await world.start();
    await until("the address", () => world.daemon.log.includes("https://bot.example.com/kapso/webhook"));
    await pause(300);

    expect(world.kapso.webhooks).toEqual([]);
  });
});

function outbox({ folder }: Daemon) {
  const db = new DatabaseSync(join(folder, "state", "relay.db"), { readOnly: true });
  try {
    return db.prepare("SELECT state, status, code, wamid FROM outbox ORDER BY id").all();
  } finally {
    db.close();
  }
}
