import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { describeContent } from "../../src/content-text.ts";
import { createFetch, type Fetch } from "../../src/http.ts";
import { createReceiver, type Accept } from "../../src/pipeline/receive.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { PollSource, type PollState } from "../../src/source/poll.ts";
import { Store } from "../../src/store/store.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import { accountOf } from "../account.ts";
import { TestClock } from "../clock.ts";
import { ANN } from "../inbound.ts";

const BOB = "15550100002";
const SECOND = 1000;
const MINUTE = 60_000;

interface Setup {
  /** Stands between the source and the store. */
  readonly around?: (accept: Accept) => Accept;
  readonly fetch?: Fetch;
}

async function setUp({ around = (accept) => accept, fetch }: Setup = {}) {
  const stack = new AsyncDisposableStack();
  const kapso = stack.use(await StandInKapso.start());
  const folder = mkdtempSync(join(tmpdir(), "wa-poll-test-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const store = stack.use(Store.open(folder));
  const clock = new TestClock(Date.now);
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const states: PollState[] = [];
  const connection = new ApiConnection(accountOf(kapso), { fetch: fetch ?? stack.use(createFetch()), clock });
  const api = new CloudApi(connection);
  const source = new PollSource(
    { api, cursors: store.facts, clock, log, onState: (state) => states.push(state) },
    {
      phoneNumberId: kapso.phoneNumberId,
      intervalMs: 30 * SECOND,
      firstSince: Date.now() - 60 * MINUTE,
    },
  );
  const receiver = createReceiver({
    inbox: store.inbox,
    statuses: store.statuses,
    clock,
    log,
    answer: () => {},
  });
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  stack.defer(async () => {
    stop.abort();
    await running;
  });
  return {
    kapso,
    store,
    clock,
    logged,
    states,
    stop,
    /** Starts, and waits for the end of the first poll. */
    start: async () => {
      running = source.run(around(receiver("poll")), stop.signal);
      await clock.idle();
    },
    stopped: async () => running,
    cursor: () => store.facts.cursor("poll"),
    /** What is stored, in the order in which it was. */
    texts: async () => {
      const texts = [];
      for (const { seq } of await store.inbox.pending()) {
        const content = (await store.inbox.question(seq))?.content;
        texts.push(content && describeContent(content));
      }
      return texts;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

describe("PollSource", () => {
  test("P1: the cursor moves only after the messages are stored", async () => {
    const stored = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    await using world = await setUp({
      around: (accept) => async (arrival) => {
        asked.resolve();
        await stored.promise;
        return accept(arrival);
      },
    });
    world.kapso.receive({ from: ANN, text: "hello" });

    const started = world.start();
    await asked.promise;
    for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(await world.cursor()).toBeUndefined();
    stored.resolve();
    await started;

    expect(await world.cursor()).toBeGreaterThan(Date.now() - MINUTE);
    expect(await world.texts()).toEqual(["hello"]);
  });

  test("P1: when storing fails the cursor stays, and the message comes again", async () => {
    const faults = [new Error("disk is full"), new Error("disk is full")];
    await using world = await setUp({
      around: (accept) => async (arrival) => {
        const fault = faults.shift();
        if (fault) throw fault;
        return accept(arrival);
      },
    });
    world.kapso.receive({ from: ANN, text: "hello" });

    await world.start();
    expect(await world.cursor()).toBeUndefined();
    await world.clock.step();
    expect(await world.cursor()).toBeUndefined();
    await world.clock.step();

    expect(await world.texts()).toEqual(["hello"]);
    expect(await world.cursor()).toBeDefined();
  });

  test("P1, P3: 250 messages between two polls all come, in order", async () => {
    await using world = await setUp();
    await world.start();
    const now = Date.now();
    for (const text of numbers(250))
      world.kapso.receive({ from: ANN, text, sentAt: now, storedAt: now - 250 + Number(text) });

    await world.clock.step();

    expect(await world.texts()).toEqual(numbers(250));
  });

  test("P1: of two messages of one second the one that becomes visible later comes too", async () => {
    await using world = await setUp();
    const second = Math.floor(Date.now() / SECOND) * SECOND;
    world.kapso.receive({ from: ANN, text: "early", sentAt: second, storedAt: second });
    await world.start();
    world.kapso.receive({ from: ANN, text: "late", sentAt: second, storedAt: second });

    await world.clock.step();
    await world.clock.step();

    expect(await world.texts()).toEqual(["early", "late"]);
  });

  test("P1: a message that becomes visible minutes after it was stored comes too", async () => {
    await using world = await setUp();
    await world.start();
    world.kapso.receive({ from: ANN, text: "late", storedAt: Date.now() - 5 * MINUTE });

    await world.clock.step();

    expect(await world.texts()).toEqual(["late"]);
  });

  test("P2: what is listed again is stored once", async () => {
    await using world = await setUp();
    world.kapso.receive({ from: ANN, text: "hello" });
    await world.start();

    for (let polls = 0; polls < 5; polls++) await world.clock.step();

    expect(await world.texts()).toEqual(["hello"]);
  });

  test("P3: a list of newest first is put into order, by when it was written", async () => {
    await using world = await setUp();
    const now = Date.now();
    for (const [text, age] of [
      ["c", 1],
      ["a", 3],
      ["b", 2],
    ] as const)
      world.kapso.receive({ from: ANN, text, sentAt: now - age * MINUTE });

    await world.start();

    expect(await world.texts()).toEqual(["a", "b", "c"]);
  });

  test("P1: a row that can not be read is put aside, and the cursor moves", async () => {
    await using world = await setUp();
    world.kapso.receive({ from: ANN, text: "bad", fields: { timestamp: "2025-10-28 14:25" } });
    world.kapso.receiveRaw({ nonsense: true });
    world.kapso.receive({ from: ANN, text: "good" });

    await world.start();
    await world.clock.step();

    expect(await world.texts()).toEqual(["good"]);
    expect(world.store.inbox.quarantined()).toBe(2);
    expect(await world.cursor()).toBeDefined();
    expect(world.logged.filter(({ msg }) => String(msg).includes("quarantine"))).toHaveLength(1);
  });

  test("our own messages are no messages to us", async () => {
    await using world = await setUp();
    world.kapso.receive({ from: ANN, text: "hello" });
    world.kapso.receiveRaw({
      id: "wamid.OURS",
      timestamp: String(Math.floor(Date.now() / SECOND)),
      type: "text",
      to: BOB,
      text: { body: "ours" },
      kapso: { direction: "outbound" },
    });

    await world.start();

    expect(await world.texts()).toEqual(["hello"]);
    expect(world.store.inbox.quarantined()).toBe(0);
  });

  test("P1: after a restart it goes on where it was, however long that is ago", async () => {
    await using world = await setUp();
    const long = Date.now() - 3 * 86_400_000;
    await world.store.facts.moveCursor("poll", long, Date.now());
    world.kapso.receive({ from: ANN, text: "while away", storedAt: long + MINUTE });

    await world.start();

    expect(await world.texts()).toEqual(["while away"]);
  });

  test("P8: a stop while it waits ends it", async () => {
    await using world = await setUp();
    await world.start();

    world.stop.abort();
    await world.stopped();
  });
});

/** A list that is kept in memory: storedAt in ms, oldest first. As quick as thousands of rows need. */
function listOf(storedAt: readonly number[], { after }: { after?: (index: number) => string } = {}) {
  const calls = { count: 0 };
  const fetch: Fetch = async (url) => {
    calls.count++;
    const search = new URL(url).searchParams;
    const since = Date.parse(search.get("since") ?? "");
    const until = Date.parse(search.get("until") ?? "9999-01-01T00:00:00Z");
    let index = Number(search.get("after") ?? storedAt.length) - 1;
    const data = [];
    for (; index >= 0 && data.length < 100; index--) {
      const at = storedAt[index] ?? 0;
      if (at < since || at > until) continue;
      data.push({
        id: `wamid.${index}`,
        timestamp: String(Math.floor(at / 1000)),
        type: "text",
        from: ANN,
        text: { body: String(index) },
      });
    }
    const cursor = data.length === 0 ? null : (after?.(index + 1) ?? String(index + 1));
    const text = JSON.stringify({ data, paging: { cursors: { after: cursor } } });
    return { status: 200, headers: new Headers(), body: new Response(text).body };
  };
  return { fetch, calls };
}

describe("a backlog", () => {
  test("P1, P3, P10: of 6,000 messages is read completely, the oldest first", async () => {
    const start = Date.now() - 50 * MINUTE;
    const { fetch, calls } = listOf(numbers(6000).map((index) => start + Number(index) * 400));
    const sizes: number[] = [];
    await using world = await setUp({
      fetch,
      around: (accept) => async (arrival) => {
        sizes.push(arrival.messages.length);
        return accept(arrival);
      },
    });

    await world.start();

    expect(await world.texts()).toEqual(numbers(6000));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(5100);
    expect(calls.count).toBeLessThan(400);
  });

  test("P1: a backlog that fails half way begins again where the first half ended", async () => {
    const start = Date.now() - 50 * MINUTE;
    const { fetch } = listOf(numbers(6000).map((index) => start + Number(index) * 400));
    let batches = 0;
    await using world = await setUp({
      fetch,
      around: (accept) => async (arrival) => {
        if (++batches === 2) throw new Error("disk is full");
        return accept(arrival);
      },
    });

    await world.start();
    const cursor = await world.cursor();
    expect(cursor).toBeGreaterThan(start);
    expect(cursor).toBeLessThan(Date.now() - MINUTE);
    await world.clock.step();

    expect(await world.texts()).toEqual(numbers(6000));
  });

  test("P1: of more messages within one instant than fit at once none is lost", async () => {
    const at = Date.now() - 5 * MINUTE;
    const { fetch } = listOf(numbers(5300).map(() => at));
    await using world = await setUp({ fetch });

    await world.start();

    expect(await world.texts()).toHaveLength(5300);
  });

  test("P10: a cursor that comes again does not lead round in a circle", async () => {
    const at = Date.now() - 5 * MINUTE;
    const { fetch, calls } = listOf(
      numbers(250).map(() => at),
      { after: () => "150" },
    );
    await using world = await setUp({ fetch });

    await world.start();

    expect(calls.count).toBeLessThan(10);
    expect(await world.texts()).toHaveLength(200);
  });
});

describe("failures", () => {
  test("P10: a 429 is waited for as long as it says", async () => {
    await using world = await setUp();
    world.kapso.fault = () => ({
      status: 429,
      headers: { "Retry-After": "37" },
      body: '{"error":"Rate limit"}',
    });

    await world.start();

    expect(world.clock.sleeps).toEqual([37_000]);
  });

  test("faults are logged once, and so is that it works again", async () => {
    await using world = await setUp();
    world.kapso.receive({ from: ANN, text: "hello" });
    world.kapso.fault = () => ({ status: 500, body: "oh" });

    await world.start();
    for (let polls = 0; polls < 4; polls++) await world.clock.step();
    world.kapso.fault = () => undefined;
    for (let polls = 0; polls < 3; polls++) await world.clock.step();

    expect(world.logged.map(({ level, msg }) => [level, msg])).toEqual([
      [40, expect.stringContaining("polling failed")],
      [30, expect.stringContaining("works again")],
    ]);
    expect(world.states.map(({ kind }) => kind)).toEqual(["failing", "polling"]);
    expect(await world.texts()).toEqual(["hello"]);
  });

  test("a refused key is said with a hint, and polling goes on with longer and longer waits", async () => {
    await using world = await setUp();
    world.kapso.fault = () => ({ status: 401, body: '{"error":"Invalid API key"}' });

    await world.start();
    for (let polls = 0; polls < 12; polls++) await world.clock.step();

    expect(world.states).toEqual([
      {
        kind: "failing",
        message: expect.stringContaining("401"),
        hint: expect.stringContaining("KAPSO_API_KEY"),
      },
    ]);
    expect(world.logged[0]?.["hint"]).toContain("KAPSO_API_KEY");
    expect(JSON.stringify(world.logged)).not.toContain(world.kapso.apiKey);
    const { sleeps } = world.clock;
    expect(sleeps[0]).toBeLessThanOrEqual(2000);
    expect(sleeps.at(-1)).toBeGreaterThanOrEqual(150_000);
    expect(Math.max(...sleeps)).toBeLessThanOrEqual(300_000);
  });

  test("P1: a fault on a later page stores nothing of a span by halves, and moves nothing", async () => {
    await using world = await setUp();
    for (const text of numbers(250)) world.kapso.receive({ from: ANN, text });
    let lists = 0;
    world.kapso.fault = () => (++lists === 2 ? { lose: true } : undefined);

    await world.start();
    expect(await world.cursor()).toBeUndefined();
    await world.clock.step();

    expect(await world.texts()).toEqual(numbers(250));
  });

  test("P1: one answer with a clock far ahead does not blind it for ever", async () => {
    await using world = await setUp();
    world.kapso.fault = () => ({ afterEffect: true, headers: { Date: "Fri, 01 Jan 2100 00:00:00 GMT" } });
    await world.start();
    world.kapso.fault = () => undefined;
    world.kapso.receive({ from: ANN, text: "hello" });

    for (let polls = 0; polls < 3; polls++) await world.clock.step();

    expect(await world.texts()).toEqual(["hello"]);
  });

  test("P10: polling uses at most half of the plan's requests, and less when they run low", async () => {
    const left = (remaining: number) => ({
      afterEffect: true,
      headers: { "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": String(remaining) },
    });
    await using world = await setUp();
    world.kapso.fault = () => left(90);
    world.kapso.receive({ from: ANN, text: "lively" });

    await world.start();
    expect(world.clock.sleeps.at(-1)).toBeGreaterThanOrEqual(1200);
    expect(world.clock.sleeps.at(-1)).toBeLessThanOrEqual(5000);
    world.kapso.fault = () => left(10);
    await world.clock.step();

    expect(world.clock.sleeps.at(-1)).toBeGreaterThanOrEqual(10_000);
  });

  test("P10: what is known costs a busy number one request a poll; a late row behind it is found by the next deep look", async () => {
    await using world = await setUp();
    for (const text of numbers(350)) world.kapso.receive({ from: ANN, text });
    await world.start();
    const lists = () => world.kapso.requests.length;
    // Four pages, and one more to see that nothing is behind the short one.
    expect(lists()).toBe(5);

    world.kapso.receive({ from: BOB, text: "new" });
    await world.clock.step();
    expect((await world.texts()).at(-1)).toBe("new");
    const before = lists();
    world.kapso.receive({ from: BOB, text: "late", storedAt: Date.now() - MINUTE });
    await world.clock.step();
    expect(lists()).toBe(before + 1);
    expect((await world.texts()).at(-1)).toBe("new");

    world.clock.advance(5 * MINUTE);
    await world.clock.step();
    expect((await world.texts()).at(-1)).toBe("late");
  });

  test("P1: pages that are shorter than was asked for hide nothing", async () => {
    await using fetch = createFetch();
    const short: Fetch = (url, request) => fetch(url.replace("limit=100", "limit=50"), request);
    await using world = await setUp({ fetch: short });
    for (const text of numbers(120)) world.kapso.receive({ from: ANN, text });

    await world.start();

    expect(await world.texts()).toEqual(numbers(120));
  });

  test("P1: an answer dated hours ahead does not make it skip what follows", async () => {
    await using fetch = createFetch();
    const ahead: Fetch = async (url, request) => {
      const response = await fetch(url, request);
      const date = new Date(Date.now() + 6 * 60 * MINUTE).toUTCString();
      const get = (name: string) => (name === "date" ? date : response.headers.get(name));
      return { ...response, headers: { get } };
    };
    await using world = await setUp({ fetch: ahead });
    await world.start();

    world.kapso.receive({ from: ANN, text: "hello" });
    await world.clock.step();

    expect(await world.texts()).toEqual(["hello"]);
  });
});
