import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { Accept, Arrival } from "../../src/pipeline/receive.ts";
import { serveHealth, type Health } from "../../src/source/health.ts";
import { Listener } from "../../src/source/listener.ts";
import { PROBE_EVENT, WEBHOOK_PATHS, WebhookSource } from "../../src/source/webhook.ts";
import { TestClock } from "../clock.ts";
import {
  ANN,
  kapsoBatch,
  kapsoConversation,
  kapsoEvent,
  kapsoMessage,
  kapsoSentEvent,
  metaReceived,
  metaStatus,
  PHONE_NUMBER_ID,
  signed,
  type Signed,
  type SignedOptions,
} from "../webhook-bodies.ts";

const SECRET = "a-secret-of-kapso";
const SECOND_SECRET = "a-secret-of-meta";
const TOKEN = "a-verify-token";
const PRIVATE = "my pin is four two";
const MINUTE = 60_000;

interface Setup {
  readonly secrets?: readonly string[];
  readonly verifyTokens?: readonly string[];
  readonly accept?: Accept;
  readonly health?: () => Promise<Health>;
  readonly onProbe?: (probe: string) => Promise<void>;
}

async function setUp({
  secrets = [SECRET, SECOND_SECRET],
  verifyTokens = [TOKEN],
  accept = async ({ messages }) => messages.length,
  health = async () => ({ ok: true, parts: {} }),
  onProbe = async () => {},
}: Setup = {}) {
  const stack = new AsyncDisposableStack();
  const lines: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => lines.push(line) });
  const listener = stack.use(await Listener.open({ host: "127.0.0.1", port: 0 }, { log }));
  stack.use(serveHealth(listener, health));
  const arrivals: Arrival[] = [];
  const probes: string[] = [];
  const clock = new TestClock();
  let wakes = 0;
  let failures = 0;
  const source = new WebhookSource(
    {
      listener,
      wake: () => void wakes++,
      onNotStored: () => void failures++,
      onProbe: async (probe) => {
        await onProbe(probe);
        probes.push(probe);
      },
      clock,
      log,
    },
    { phoneNumberId: PHONE_NUMBER_ID, secrets, verifyTokens },
  );
  const stop = new AbortController();
  const running = source.run(async (arrival) => {
    const count = await accept(arrival);
    arrivals.push(arrival);
    return count;
  }, stop.signal);
  stack.defer(async () => {
    stop.abort();
    await running;
  });
  const url = `http://127.0.0.1:${listener.port}`;
  return {
    url,
    stop,
    running,
    arrivals,
    probes,
    clock,
    lines,
    logged: () => lines.map((line): Record<string, unknown> => JSON.parse(line)),
    wakes: () => wakes,
    failures: () => failures,
    ids: () => arrivals.flatMap(({ messages }) => messages.map(({ wamid }) => wamid)),
    post: ({ headers, raw }: Signed, path = "/webhook") =>
      fetch(url + path, { method: "POST", headers, body: new Uint8Array(raw) }),
    get: (path: string) => fetch(url + path),
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

const event = (given: object = {}) => kapsoEvent({ message: kapsoMessage({ id: "wamid.A", ...given }) });
const signedEvent = (options?: SignedOptions) => signed(event(), SECRET, options);
const unsigned = (body: unknown): Signed => ({ headers: {}, raw: signed(body, "").raw });
const withHeaders = ({ headers, raw }: Signed, given: Readonly<Record<string, string>>): Signed => ({
  headers: { ...headers, ...given },
  raw,
});

describe("WebhookSource, POST", () => {
  test.each(WEBHOOK_PATHS)("P1: stores what is signed and says 200: %s", async (path) => {
    await using world = await setUp();

    const answer = await world.post(signedEvent(), path);

    expect([answer.status, await answer.text()]).toEqual([200, "OK"]);
    expect(world.arrivals).toMatchObject([
      {
        messages: [{ wamid: "wamid.A", from: { phone: ANN }, content: { text: "hello" }, name: "Ann" }],
        statuses: [],
        malformed: [],
      },
    ]);
    expect(world.wakes()).toBe(0);
  });

  test("knows both of its paths", () => {
    expect(WEBHOOK_PATHS).toEqual(["/webhook", "/kapso/webhook"]);
  });

  test("reads all three shapes, and statuses", async () => {
    await using world = await setUp();

    await world.post(signed(event({ id: "1" }), SECRET));
    await world.post(signed(kapsoBatch([event({ id: "2" }), event({ id: "3" })]), SECRET));
    await world.post(signed(metaReceived({ id: "4" }), SECOND_SECRET, { by: "meta" }));
    await world.post(
      signed(kapsoSentEvent({ kapso: { statuses: [metaStatus({ id: "5" })] } }), SECRET, {
        event: "whatsapp.message.delivered",
      }),
    );

    expect(world.ids()).toEqual(["1", "2", "3", "4"]);
    expect(world.arrivals.at(-1)?.statuses).toMatchObject([{ wamid: "5", status: "delivered" }]);
  });

  test("the signature is over the bytes: Meta's escapes", async () => {
    await using world = await setUp();
    const body = metaReceived({ id: "wamid.A", text: { body: "ñandú 👍 a/b" } });

    expect((await world.post(signed(body, SECRET, { by: "meta" }))).status).toBe(200);

    expect(world.arrivals[0]?.messages).toMatchObject([{ content: { text: "ñandú 👍 a/b" } }]);
  });

  test.each([SECRET, SECOND_SECRET])("any of the secrets may have signed: %s", async (secret) => {
    await using world = await setUp();

    const answers = [
      await world.post(signed(event({ id: "1" }), secret)),
      await world.post(signed(metaReceived({ id: "2" }), secret, { by: "meta" })),
    ];

    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(world.ids()).toEqual(["1", "2"]);
  });

  test.each([
    ["not signed", unsigned(event())],
    ["signed with another secret", signed(event(), "another")],
    ["signed with the empty secret", signed(event(), "")],
    ["altered", { ...signedEvent(), raw: signed(event({ text: { body: "hellO" } }), SECRET).raw }],
    ["one byte longer", { ...signedEvent(), raw: Buffer.concat([signedEvent().raw, Buffer.from(" ")]) }],
    ["empty", { ...signedEvent(), raw: Buffer.alloc(0) }],
    ["signed in garbage", withHeaders(signedEvent(), { "x-webhook-signature": "sha256=zz" })],
    ["signed by SHA-1", withHeaders(unsigned(event()), { "x-hub-signature": "sha1=00" })],
    ["a forged probe", signed({ probe: "x" }, "another", { event: PROBE_EVENT })],
    ["no JSON either", signed("{", "another")],
  ])("says 401 and believes nothing of what is %s", async (_what, request) => {
    await using world = await setUp();

    const answer = await world.post(request);

    expect(answer.status).toBe(401);
    expect(await answer.text()).not.toContain(SECRET);
    expect([world.arrivals, world.probes, world.wakes()]).toEqual([[], [], 0]);
  });

  const name = "x-webhook-signature";
  const signature = signedEvent().headers[name] ?? "";
  test.each([
    ["the query", unsigned(event()), `/webhook?${name}=${signature}`],
    ["the body", unsigned({ ...event(), [name]: signature }), "/webhook"],
  ])("a signature in %s is none", async (_where, request, path) => {
    await using world = await setUp();

    const answer = await world.post(request, path);

    expect(answer.status).toBe(401);
    expect(world.arrivals).toEqual([]);
  });

  test("without a secret nothing is believed, every POST is 200 and wakes the poll", async () => {
    await using world = await setUp({ secrets: [] });
    const requests = [
      unsigned(event()),
      signedEvent(),
      signed(event(), ""),
      unsigned("no JSON"),
      unsigned(""),
      signed({ probe: "x" }, "", { event: PROBE_EVENT }),
    ];

    for (const request of requests) expect((await world.post(request)).status).toBe(200);

    expect(world.wakes()).toBe(requests.length);
    expect([world.arrivals, world.probes]).toEqual([[], []]);
  });

  test("P1: says 200 only after what came is stored", async () => {
    const stored = Promise.withResolvers<number>();
    const asked = Promise.withResolvers<void>();
    await using world = await setUp({
      accept: () => {
        asked.resolve();
        return stored.promise;
      },
    });
    let answered = false;

    const answer = world.post(signedEvent()).finally(() => (answered = true));
    await asked.promise;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    stored.resolve(1);

    expect((await answer).status).toBe(200);
  });

  test("what Meta tells of trouble is said, and not again within the hour", async () => {
    await using world = await setUp();
    const body = {
      object: "whatsapp_business_account",
      entry: [{ changes: [{ field: "standby", value: {} }] }],
    };

    for (let count = 0; count < 3; count++) await world.post(signed(body, SECRET, { by: "meta" }));

    expect(world.logged().filter(({ msg }) => msg === "Meta tells of trouble")).toMatchObject([
      { field: "standby", reason: expect.stringContaining("another app") },
    ]);
  });

  test("a slash at the end of the path is the same path", async () => {
    await using world = await setUp();

    const answer = await world.post(signedEvent(), "/webhook/");

    expect(answer.status).toBe(200);
    expect(world.ids()).toEqual(["wamid.A"]);
  });

  test("P1: says 500 when it could not be stored, and 200 the next time", async () => {
    const faults = [new Error("disk is full")];
    await using world = await setUp({
      accept: async () => {
        const fault = faults.shift();
        if (fault) throw fault;
        return 1;
      },
    });

    const first = await world.post(signedEvent());
    const second = await world.post(signedEvent());

    expect([first.status, second.status]).toEqual([500, 200]);
    expect(world.failures()).toBe(1);
    expect(await first.text()).not.toContain("disk");
    expect(world.logged()).toMatchObject([
      { level: 50, reason: "disk is full", msg: expect.stringContaining("not stored") },
    ]);
    expect(world.ids()).toEqual(["wamid.A"]);
  });

  test.each(["", "{", "hello", '{"message":', "\uFEFF{}"])(
    "says 400 to signed bytes that are no JSON: %j",
    async (text) => {
      await using world = await setUp();

      expect((await world.post(signed(text, SECRET))).status).toBe(400);
      expect(world.arrivals).toEqual([]);
    },
  );

  test.each([
    ["null", null],
    ["a list", []],
    ["a number", 5],
    ["nothing", {}],
    ["an unknown event", { invented: true }],
    ["an event without a message", { conversation: kapsoConversation() }],
    ["another number's", kapsoEvent({ phone_number_id: "200" })],
  ])("says 200 to what is signed and none of ours: %s", async (_what, body) => {
    await using world = await setUp();

    expect((await world.post(signed(body, SECRET, { event: "whatsapp.invented" }))).status).toBe(200);
    expect(world.ids()).toEqual([]);
  });

  test("P1: one bad message is told apart, the others are delivered", async () => {
    await using world = await setUp();
    const bad = kapsoEvent({ message: kapsoMessage({ id: null }) });

    const answer = await world.post(signed(kapsoBatch([bad, event()]), SECRET));

    expect(answer.status).toBe(200);
    expect(world.arrivals).toMatchObject([
      { messages: [{ wamid: "wamid.A" }], malformed: [{ reason: expect.stringContaining("id") }] },
    ]);
  });

  test.each([
    ["open", "[".repeat(3_000_000), 400],
    ["closed", "[".repeat(300_000) + "]".repeat(300_000), 200],
    ["objects", `${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`, 200],
    ["in a message", `{"message":{"type":"text","x":${"[".repeat(300_000)}${"]".repeat(300_000)}}}`, 200],
  ])("P10: survives JSON nested very deep: %s", async (_what, text, status) => {
    await using world = await setUp();

    expect((await world.post(signed(text, SECRET))).status).toBe(status);
    expect((await world.post(signedEvent())).status).toBe(200);
    expect(world.ids()).toEqual(["wamid.A"]);
  });

  test("who replays a signed body under another event's name gets nothing by it", async () => {
    await using world = await setUp();
    const ours = signed(kapsoSentEvent(), SECRET);

    for (const name of ["whatsapp.message.received", "x", PROBE_EVENT])
      await world.post(withHeaders(ours, { "x-webhook-event": name }));

    expect(world.ids()).toEqual([]);
    expect(world.probes).toEqual([]);
  });
});

describe("WebhookSource, GET", () => {
  const verify = (given: Readonly<Record<string, string>> = {}) =>
    `/webhook?${new URLSearchParams({
      "hub.mode": "subscribe",
      "hub.challenge": "1158201444",
      "hub.verify_token": TOKEN,
      ...given,
    }).toString()}`;

  test.each(WEBHOOK_PATHS)("gives Meta its challenge back: %s", async (path) => {
    await using world = await setUp();

    const answer = await world.get(verify().replace("/webhook", path));

    expect([answer.status, await answer.text()]).toEqual([200, "1158201444"]);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
  });

  test.each(["<script>alert(1)</script>", " a b+c&d=é%20 ", "x".repeat(5000)])(
    "gives any challenge back as it is, and never as HTML: %j",
    async (challenge) => {
      await using world = await setUp();

      const answer = await world.get(verify({ "hub.challenge": challenge }));

      expect(await answer.text()).toBe(challenge);
      expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    },
  );

  test("knows any of several tokens", async () => {
    await using world = await setUp({ verifyTokens: ["other", TOKEN] });

    expect((await world.get(verify())).status).toBe(200);
    expect((await world.get(verify({ "hub.verify_token": "other" }))).status).toBe(200);
  });

  test.each([
    ["a wrong token", verify({ "hub.verify_token": "wrong" })],
    ["a part of the token", verify({ "hub.verify_token": TOKEN.slice(1) })],
    ["an empty token", verify({ "hub.verify_token": "" })],
    ["another mode", verify({ "hub.mode": "unsubscribe" })],
    ["an empty mode", verify({ "hub.mode": "" })],
    ["no mode", `/webhook?hub.challenge=1&hub.verify_token=${TOKEN}`],
    ["no token", "/webhook?hub.mode=subscribe&hub.challenge=1158201444"],
    ["no query", "/webhook"],
    ["other names", `/webhook?hub_mode=subscribe&hub_challenge=1158201444&hub_verify_token=${TOKEN}`],
  ])("says 403 and nothing of the challenge to %s", async (_what, path) => {
    await using world = await setUp();

    const answer = await world.get(path);

    expect(answer.status).toBe(403);
    expect(await answer.text()).not.toMatch(/1158201444|a-verify-token/);
  });

  test("says 403 to everybody when no token is configured", async () => {
    await using world = await setUp({ verifyTokens: [] });

    for (const token of [TOKEN, "", "undefined"])
      expect((await world.get(verify({ "hub.verify_token": token }))).status).toBe(403);
    expect((await world.get("/webhook?hub.mode=subscribe&hub.challenge=1")).status).toBe(403);
  });
});

describe("WebhookSource, paths and methods", () => {
  test.each(["/", "/Webhook", "/webhooks", "/kapso", "//webhook", "/webhook%00", "/health/x"])(
    "says 404: %s",
    async (path) => {
      await using world = await setUp();

      expect((await world.post(signedEvent(), path)).status).toBe(404);
      expect((await world.get(path)).status).toBe(404);
      expect(world.arrivals).toEqual([]);
    },
  );

  test("does not mind a query", async () => {
    await using world = await setUp();

    expect((await world.post(signedEvent(), "/webhook?from=kapso")).status).toBe(200);
    expect(world.ids()).toEqual(["wamid.A"]);
  });

  test.each([
    ["PUT", "/webhook", "GET, POST"],
    ["DELETE", "/webhook", "GET, POST"],
    ["PATCH", "/kapso/webhook", "GET, POST"],
    ["OPTIONS", "/webhook", "GET, POST"],
    ["POST", "/health", "GET"],
    ["DELETE", "/health", "GET"],
  ])("says 405 and what may be: %s %s", async (method, path, allow) => {
    await using world = await setUp();

    const answer = await fetch(world.url + path, { method });

    expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
    expect(world.arrivals).toEqual([]);
  });

  test.each([
    [true, 200, "ok"],
    [false, 503, "unhealthy"],
  ])("/health tells as JSON how it is: %j", async (ok, status, word) => {
    const parts = { gateway: { ok, state: "connected" } };
    await using world = await setUp({ health: async () => ({ ok, parts }) });

    const answer = await world.get("/health");

    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await answer.json()).toEqual({ status: word, parts });
  });

  test("/health that can not be told is 500, without the reason", async () => {
    await using world = await setUp({
      health: async () => {
        throw new Error("a fault of ours");
      },
    });

    const answer = await world.get("/health");

    expect([answer.status, await answer.text()]).toEqual([500, ""]);
  });

  test("run() serves until it is stopped, and then no more", async () => {
    await using world = await setUp();

    world.stop.abort();
    await world.running;

    expect((await world.post(signedEvent())).status).toBe(503);
    expect(world.arrivals).toEqual([]);
  });
});

describe("WebhookSource, probes", () => {
  const probe = (body: unknown, secret = SECRET) => signed(body, secret, { event: PROBE_EVENT });

  test("tells of a signed one, after it is noted, and stores nothing", async () => {
    const noted = Promise.withResolvers<void>();
    await using world = await setUp({ onProbe: () => noted.promise });
    let answered = false;

    const answer = world.post(probe({ probe: "abc" })).finally(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    noted.resolve();

    expect((await answer).status).toBe(200);
    expect(world.probes).toEqual(["abc"]);
    expect(world.arrivals).toEqual([]);
  });

  test.each([{}, null, [], { probe: 5 }, { probe: null }, { probe: "x".repeat(101) }])(
    "says 400 to one that is none: %j",
    async (body) => {
      await using world = await setUp();

      expect((await world.post(probe(body))).status).toBe(400);
      expect([world.probes, world.arrivals]).toEqual([[], []]);
    },
  );

  test("says 500 when it could not be noted", async () => {
    await using world = await setUp({
      onProbe: async () => {
        throw new Error("disk is full");
      },
    });

    expect((await world.post(probe({ probe: "abc" }))).status).toBe(500);
  });
});

describe("WebhookSource, its log", () => {
  const warnings = (world: { readonly logged: () => Record<string, unknown>[] }) =>
    world.logged().filter(({ level }) => level === 40);

  test("tells of refusals once a minute, and how many they were", async () => {
    await using world = await setUp();
    const refuse = async (count: number) => {
      for (let index = 0; index < count; index++) await world.post(unsigned(event()));
    };

    await refuse(5);
    world.clock.advance(MINUTE - 1);
    await refuse(1);
    expect(warnings(world)).toMatchObject([{ count: 1 }]);
    world.clock.advance(1);
    await refuse(3);

    expect(warnings(world)).toMatchObject([{ count: 1 }, { count: 6 }]);
  });

  test.each([
    ["not signed", unsigned(event())],
    ["another secret", signed(event(), "another")],
    ["another secret", signed(metaReceived(), "another", { by: "meta" })],
  ])("tells what was wrong, and what to set: %s", async (words, request) => {
    await using world = await setUp();

    await world.post(request);

    expect(warnings(world)).toMatchObject([
      { msg: expect.stringContaining(words), hint: expect.stringContaining("KAPSO_WEBHOOK_SECRET") },
    ]);
  });

  test("says at debug what was ignored, each name once and not more than ten", async () => {
    await using world = await setUp();
    const batch = kapsoBatch([...Array.from({ length: 50 }, () => ({})), kapsoSentEvent()], {
      type: "whatsapp.conversation.created",
    });

    await world.post(signed(batch, SECRET));

    expect(world.logged()).toMatchObject([
      { level: 20, count: 50, events: ["whatsapp.conversation.created"], msg: "events ignored" },
    ]);
  });

  test("P9: contains no text, no secret, no token and no whole number, whatever comes", async () => {
    const accepts = [async () => 1, () => Promise.reject(new Error("disk is full"))];
    const text = { body: PRIVATE };
    for (const accept of accepts) {
      await using world = await setUp({ accept });
      const bodies: readonly unknown[] = [
        event({ text }),
        event({ text, id: null }),
        event({ text: { body: 5 }, caption: PRIVATE }),
        kapsoBatch([event({ text }), null, { message: PRIVATE }, event({ text, timestamp: ANN })]),
        kapsoSentEvent({ text }),
        metaReceived({ text }),
        metaReceived({ text, from: undefined, from_user_id: undefined, type: "system" }),
        { entry: [{ changes: [{ field: "history", value: { messages: [{ from: ANN, text }] } }] }] },
        { [PRIVATE]: ANN },
        `{"text":"${PRIVATE}`,
      ];

      for (const body of bodies)
        for (const secret of [SECRET, "another"]) {
          await world.post(signed(body, secret));
          await world.post(signed(body, secret, { by: "meta" }));
          await world.post(signed(body, secret, { event: PROBE_EVENT }));
          world.clock.advance(MINUTE);
        }
      await world.get(`/webhook?hub.mode=subscribe&hub.verify_token=${TOKEN}&hub.challenge=${ANN}`);
      await world.get(`/webhook?hub.mode=subscribe&hub.verify_token=wrong-${TOKEN}&hub.challenge=${ANN}`);

      const log = world.lines.join("");
      expect(world.lines.length).toBeGreaterThan(10);
      for (const secret of [PRIVATE, SECRET, SECOND_SECRET, TOKEN, ANN]) expect(log).not.toContain(secret);
    }
  });
});
