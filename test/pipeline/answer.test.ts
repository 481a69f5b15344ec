import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { GatewayError } from "../../src/errors.ts";
import type { Inbound } from "../../src/message.ts";
import { Answerer, type AnswerOptions, type Settlement } from "../../src/pipeline/answer.ts";
import { Guard, type GuardPolicy } from "../../src/pipeline/guard.ts";
import { Lanes } from "../../src/pipeline/lanes.ts";
import type { Fetched, MediaPreparer, Transcriber } from "../../src/pipeline/media.ts";
import type { Turn } from "../../src/pipeline/turn.ts";
import { Store } from "../../src/store/store.ts";
import { toMessages } from "../../src/whatsapp/messages.ts";
import { TestClock } from "../clock.ts";
import { ANN, inbound, NOW } from "../inbound.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const BOB = "15550100002";

/** Waits until no lane has work; pauses end at once. */
async function finished(lanes: Lanes, clock: TestClock): Promise<void> {
  do {
    await new Promise((resolve) => setImmediate(resolve));
    clock.skip();
  } while (lanes.running > 0);
}

interface Setup {
  readonly policy?: Partial<GuardPolicy>;
  readonly options?: Partial<AnswerOptions>;
  readonly ask?: (turn: Turn, signal: AbortSignal) => Promise<string>;
  readonly markRead?: (wamid: string) => Promise<void>;
  /** The gateway does not get to work. */
  readonly isAway?: boolean;
  readonly fetchMedia?: () => Promise<Fetched>;
  readonly transcribe?: Transcriber["transcribe"];
  readonly prepare?: MediaPreparer["prepare"];
  readonly wrap?: (inbox: Settlement) => Settlement;
}

function setUp({
  policy,
  options,
  ask,
  markRead,
  isAway,
  fetchMedia = async () => ({ kind: "failed", reason: "no file here" }),
  transcribe,
  prepare = async () => ({ kind: "refused", reason: "no file here" }),
  wrap = (inbox) => inbox,
}: Setup = {}) {
  const folder = mkdtempSync(join(tmpdir(), "wa-answer-test-"));
  const store = Store.open(folder);
  const stop = new AbortController();
  const lanes = new Lanes(4);
  const turns: Turn[] = [];
  const receipts: string[] = [];
  const fetched: string[] = [];
  const delivered: string[] = [];
  const logged: string[] = [];
  const clock = new TestClock();
  const log = pino({ level: "info" }, { write: (line: string) => logged.push(line) });
  const answerer = new Answerer(
    {
      inbox: wrap(store.inbox),
      guard: new Guard({
        open: false,
        roles: new Map([[ANN, "member"]]),
        defaultRole: "member",
        rateLimit: 100,
        rateWindowMs: 60_000,
        sessionKey: "main",
        sessionIsolation: true,
        ...policy,
      }),
      gateway: {
        ask: async (turn, onWork, signal) => {
          turns.push(turn);
          if (!isAway) onWork();
          return { text: ask ? await ask(turn, signal) : `re ${turn.text}`, media: [] };
        },
      },
      lanes,
      typing: {
        receipts: {
          markRead: async (wamid) => {
            receipts.push(wamid);
            await markRead?.(wamid);
          },
        },
        mode: "read",
        clock,
        log,
      },
      media: {
        fetch: async (_content, wamid) => {
          fetched.push(wamid);
          return fetchMedia();
        },
      },
      transcriber: transcribe && { transcribe },
      preparer: { prepare },
      format: toMessages,
      wakeDelivery: (contact) => delivered.push(contact),
      clock,
      log,
    },
    {
      maxAgeMs: DAY,
      quote: "auto",
      answerFrom: 0,
      denyMessage: "",
      limitMessage: "too fast",
      errorMessage: "something went wrong",
      ...options,
    },
    stop.signal,
  );
  const push = async (messages: readonly Inbound[], replayed = false) => {
    for (const message of await store.inbox.accept(messages, "poll", clock.now()))
      answerer.push(message, { replayed });
  };
  return {
    store,
    stop,
    lanes,
    turns,
    receipts,
    fetched,
    delivered,
    logged,
    clock,
    answerer,
    push,
    /** Gives messages and waits until all of them are dealt with. */
    handle: async (messages: readonly Inbound[], replayed = false) => {
      await push(messages, replayed);
      await finished(lanes, clock);
    },
    sent: () => store.outbox.list({ all: true, limit: 1000 }).map(({ contact, text }) => ({ contact, text })),
    [Symbol.dispose]() {
      stop.abort();
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe("an answer", () => {
  test("is queued for whoever asked, and the message is settled", async () => {
    using world = setUp();

    await world.handle([inbound()]);

    expect(world.sent()).toEqual([{ contact: ANN, text: "re hello" }]);
    expect(world.store.inbox.counts()).toEqual({ answered: 1 });
    expect(world.delivered).toEqual([ANN]);
    expect(world.turns).toMatchObject([{ role: "member", session: `main-wa-${ANN}`, replayed: false }]);
  });

  test("P5: belongs to its question though later questions are answered first", async () => {
    const gates = new Map<string, PromiseWithResolvers<string>>();
    using world = setUp({
      policy: { open: true },
      ask: async ({ message }) => {
        const gate = Promise.withResolvers<string>();
        gates.set(message.wamid, gate);
        return gate.promise;
      },
    });

    await world.push([
      inbound({ wamid: "wamid.1" }),
      inbound({ wamid: "wamid.2", from: { phone: BOB } }),
      inbound({ wamid: "wamid.3", from: { bsuid: "US.1" } }),
    ]);
    for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
    for (const wamid of ["wamid.3", "wamid.2", "wamid.1"]) gates.get(wamid)?.resolve(`to ${wamid}`);
    await finished(world.lanes, world.clock);

    expect(world.sent()).toHaveLength(3);
    expect(world.sent()).toEqual(
      expect.arrayContaining([
        { contact: ANN, text: "to wamid.1" },
        { contact: BOB, text: "to wamid.2" },
        { contact: "US.1", text: "to wamid.3" },
      ]),
    );
  });

  test("P3: questions of one person are asked in order, one at a time", async () => {
    let running = 0;
    let most = 0;
    using world = setUp({
      ask: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        return "ok";
      },
    });
    const wamids = Array.from({ length: 20 }, (_, index) => `wamid.${index}`);

    await world.handle(wamids.map((wamid) => inbound({ wamid })));

    expect(world.turns.map(({ message }) => message.wamid)).toEqual(wamids);
    expect(most).toBe(1);
  });

  test("P2: a message that is pushed twice is asked and answered once", async () => {
    using world = setUp();
    const [accepted] = await world.store.inbox.accept([inbound()], "poll", NOW);
    if (!accepted) throw new Error("not accepted");

    world.answerer.push(accepted, { replayed: false });
    world.answerer.push(accepted, { replayed: true });
    await finished(world.lanes, world.clock);

    expect(world.turns).toHaveLength(1);
    expect(world.sent()).toHaveLength(1);
  });

  test.each(["", "  \n ", "NO_REPLY", "HEARTBEAT_OK", "<think>hm</think>"])(
    "P6: with nothing to say nothing is sent: %j",
    async (answer) => {
      using world = setUp({ ask: async () => answer });

      await world.handle([inbound()]);

      expect(world.sent()).toEqual([]);
      expect(world.delivered).toEqual([]);
      expect(world.store.inbox.counts()).toEqual({ silent: 1 });
    },
  );

  test("P9: neither text nor number is logged", async () => {
    using world = setUp({ ask: async () => "a private answer" });

    await world.handle([inbound({ text: "a private question" })]);

    expect(world.logged).toHaveLength(1);
    expect(world.logged.join()).not.toMatch(/private|15550100001/);
  });
});

describe("guard first", () => {
  const refusals: readonly (readonly [state: string, setup: Setup, message: Inbound])[] = [
    ["denied", {}, inbound({ from: { phone: BOB } })],
    ["denied", {}, inbound({ from: { bsuid: "US.1" } })],
    ["denied", {}, inbound({ from: { phone: BOB }, content: { type: "image", media: { id: "1" } } })],
    ["limited", { policy: { rateLimit: 0 }, options: { limitMessage: "" } }, inbound()],
    ["stale", {}, inbound({ sentAt: NOW - DAY - 1 })],
    ["stale", { options: { answerFrom: NOW } }, inbound({ sentAt: NOW - 1 })],
  ];

  test("P1: a message from far ahead of our clock is answered like any other", async () => {
    using world = setUp();

    await world.push([inbound({ sentAt: NOW + 40 * DAY })]);
    await finished(world.lanes, world.clock);

    expect(world.store.inbox.counts()).toEqual({ answered: 1 });
  });

  test.each(refusals)(
    "P4: for a message that is %s nothing happens but the note of it",
    async (state, setup, message) => {
      using world = setUp(setup);

      await world.handle([message]);

      expect(world.turns).toEqual([]);
      expect(world.receipts).toEqual([]);
      expect(world.sent()).toEqual([]);
      expect(world.delivered).toEqual([]);
      expect(world.store.inbox.counts()).toEqual({ [state]: 1 });
    },
  );

  test("P4: somebody who is refused is told at most once a day", async () => {
    using world = setUp({ options: { denyMessage: "not for you" } });
    const stranger = (wamid: string) => inbound({ wamid, from: { phone: BOB }, sentAt: world.clock.now() });

    for (let hour = 0; hour < 24; hour++) {
      await world.handle([stranger(`wamid.${hour}a`), stranger(`wamid.${hour}b`)]);
      expect(world.sent()).toEqual([{ contact: BOB, text: "not for you" }]);
      world.clock.advance(HOUR);
    }
    await world.handle([stranger("wamid.next")]);

    expect(world.sent()).toHaveLength(2);
    expect(world.turns).toEqual([]);
    expect(world.receipts).toEqual([]);
  });

  test("P4: each stranger is told of it", async () => {
    using world = setUp({ options: { denyMessage: "not for you" } });

    await world.handle([
      inbound({ wamid: "wamid.1", from: { phone: BOB } }),
      inbound({ wamid: "wamid.2", from: { bsuid: "US.1" } }),
    ]);

    expect(world.sent().map(({ contact }) => contact)).toEqual([BOB, "US.1"]);
  });

  test("a message stamped in the future does not stretch the window", async () => {
    using world = setUp({ policy: { rateLimit: 2, rateWindowMs: 60_000 } });
    await world.handle([inbound({ wamid: "wamid.future", sentAt: NOW + 7_200_000 })]);

    for (let minute = 2; minute < 8; minute += 2) {
      world.clock.advance(2 * MINUTE);
      await world.handle([inbound({ wamid: `wamid.${minute}`, sentAt: world.clock.now() })]);
    }

    expect(world.store.inbox.counts()).toEqual({ answered: 4 });
  });

  test("P4: somebody over the limit is told once a window", async () => {
    using world = setUp({ policy: { rateLimit: 2, rateWindowMs: 60_000 } });
    const write = (count: number) => {
      const sentAt = world.clock.now();
      return world.handle(
        Array.from({ length: count }, (_, index) => inbound({ wamid: `wamid.${sentAt}.${index}`, sentAt })),
      );
    };
    const notices = () => world.sent().filter(({ text }) => text === "too fast").length;

    await write(6);
    expect(world.turns).toHaveLength(2);
    expect(world.receipts).toHaveLength(2);
    expect(notices()).toBe(1);
    world.clock.advance(MINUTE);
    await write(6);

    expect(world.turns).toHaveLength(4);
    expect(notices()).toBe(2);
    expect(world.store.inbox.counts()).toEqual({ answered: 4, limited: 8 });
  });
});

describe("failures", () => {
  test("P6: the text of a gateway's error is never sent, the configured message once", async () => {
    const secret = "ENOENT at /root/agent.js:12 key sk-1";
    using world = setUp({
      ask: async () => {
        throw new GatewayError(secret, { cause: new Error("stack trace") });
      },
    });

    await world.handle([inbound()]);

    expect(world.sent()).toEqual([{ contact: ANN, text: "something went wrong" }]);
    expect(world.store.inbox.counts()).toEqual({ failed: 1 });
    expect(world.turns).toHaveLength(1);
  });

  test("P6: without a configured message a failure is silent", async () => {
    using world = setUp({
      options: { errorMessage: "" },
      ask: async () => {
        throw new GatewayError("no");
      },
    });

    await world.handle([inbound()]);

    expect(world.sent()).toEqual([]);
    expect(world.store.inbox.counts()).toEqual({ failed: 1 });
  });

  test.each([
    ["rejects", async () => Promise.reject(new Error("HTTP 500"))],
    [
      "throws",
      () => {
        throw new Error("HTTP 500");
      },
    ],
    ["hangs", async () => Promise.withResolvers<void>().promise],
  ])("typing that %s neither delays nor fails an answer", async (_how, markRead) => {
    using world = setUp({ markRead });

    await world.handle([inbound()]);

    expect(world.receipts).toEqual(["wamid.A"]);
    expect(world.sent()).toEqual([{ contact: ANN, text: "re hello" }]);
  });

  test("P8: a stop leaves the message pending, with no error message to the sender", async () => {
    const asked = Promise.withResolvers<void>();
    using world = setUp({
      ask: (_turn, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          asked.resolve();
        }),
    });

    await world.push([inbound(), inbound({ wamid: "wamid.B" })]);
    await asked.promise;
    world.stop.abort();
    await finished(world.lanes, world.clock);

    expect(await world.store.inbox.pending()).toHaveLength(2);
    expect(world.sent()).toEqual([]);
    expect(world.turns).toHaveLength(1);
  });

  /** An inbox whose first `settle` fails. */
  const failingOnce = () => {
    const faults = [new Error("disk is full")];
    return (inbox: Settlement): Settlement => ({
      question: (seq) => inbox.question(seq),
      isOvertaken: (seq) => inbox.isOvertaken(seq),
      note: async (...given) => inbox.note(...given),
      settle: async (...given) => {
        const fault = faults.shift();
        if (fault) throw fault;
        return inbox.settle(...given);
      },
    });
  };

  test("P2: a fault of the store is tried again as replayed, and answered once", async () => {
    using world = setUp({ wrap: failingOnce() });

    await world.handle([inbound()]);

    expect(world.turns.map(({ replayed }) => replayed)).toEqual([false, true]);
    expect(world.sent()).toEqual([{ contact: ANN, text: "re hello" }]);
  });

  test("P8: a message of an earlier process is asked as replayed", async () => {
    using world = setUp();

    await world.handle([inbound()], true);

    expect(world.turns).toMatchObject([{ replayed: true }]);
  });

  test("a message that is tried again counts once for the limit", async () => {
    using world = setUp({ wrap: failingOnce(), policy: { rateLimit: 1 } });

    await world.handle([inbound()]);

    expect(world.sent()).toEqual([{ contact: ANN, text: "re hello" }]);
    expect(world.store.inbox.counts()).toEqual({ answered: 1 });
  });

  test("a notice that could not be stored is not taken as given", async () => {
    using world = setUp({ wrap: failingOnce(), options: { denyMessage: "not for you" } });

    await world.handle([inbound({ from: { phone: BOB } })]);

    expect(world.sent()).toEqual([{ contact: BOB, text: "not for you" }]);
  });

  test("while the gateway is away nobody sees a receipt or typing", async () => {
    using world = setUp({ isAway: true });

    await world.handle([inbound()]);

    expect(world.receipts).toEqual([]);
    expect(world.sent()).toEqual([{ contact: ANN, text: "re hello" }]);
  });

  test("a message that waited until the reply window closed is not answered", async () => {
    const ask = (_turn: Turn, signal: AbortSignal) =>
      new Promise<string>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      });
    using world = setUp({ ask, options: { maxAgeMs: 30 } });

    await world.handle([inbound({ sentAt: NOW })]);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await world.handle([]);

    expect(world.store.inbox.counts()).toEqual({ stale: 1 });
    expect(world.sent()).toEqual([]);
  });
});
