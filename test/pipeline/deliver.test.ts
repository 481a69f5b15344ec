import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { Deliverer } from "../../src/pipeline/deliver.ts";
import type { Claim, Outbox, Outgoing, Sender, SendOutcome, Sighting } from "../../src/pipeline/outbox.ts";
import { Lanes } from "../../src/pipeline/lanes.ts";
import { Store } from "../../src/store/store.ts";
import { TestClock } from "../clock.ts";
import { ANN, NOW } from "../inbound.ts";
import { enqueue } from "../store/enqueue.ts";

const SETTLE = 20_000;
const BOB = "15550100002";

const accepted = (wamid: string): SendOutcome => ({ kind: "accepted", wamid });

/** Answers each send with the next of its script, or accepts it. */
class ScriptedSender implements Sender {
  readonly sent: { readonly to: string | undefined; readonly text: string; readonly at: number }[] = [];
  readonly looks: { readonly text: string; readonly sinceMs: number; readonly at: number }[] = [];
  script: (SendOutcome | Promise<SendOutcome>)[] = [];
  sightings: Sighting[] = [];
  readonly #clock: TestClock;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  get texts(): string[] {
    return this.sent.map(({ text }) => text);
  }

  async send({ to, text }: Outgoing): Promise<SendOutcome> {
    this.sent.push({ to: to.phone ?? to.bsuid, text, at: this.#clock.now() });
    return this.script.shift() ?? accepted(`wamid.OUT${this.sent.length}`);
  }

  async findSent({ text }: Outgoing, sinceMs: number): Promise<Sighting> {
    this.looks.push({ text, sinceMs, at: this.#clock.now() });
    return this.sightings.shift() ?? { kind: "absent" };
  }
}

function setUp({ wrap = (outbox) => outbox }: { wrap?: (outbox: Outbox) => Outbox } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "wa-deliver-test-"));
  const store = Store.open(folder);
  const clock = new TestClock();
  const sender = new ScriptedSender(clock);
  const lanes = new Lanes(8);
  const stop = new AbortController();
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const deliverer = new Deliverer(
    { outbox: wrap(store.outbox), sender, lanes, clock, log },
    { by: "daemon", settleMs: SETTLE },
    stop.signal,
  );
  return {
    store,
    outbox: store.outbox,
    clock,
    sender,
    lanes,
    logged,
    deliverer,
    stop,
    /** Queues one answer. */
    queue: (phone: string, ...texts: string[]) =>
      enqueue(
        store.outbox,
        texts.map((text) => ({ to: { phone }, text })),
        clock.now(),
      ),
    states: () => store.outbox.list({ all: true, limit: 100 }).map(({ state }) => state),
    /** Lets everything happen that needs no time but the disk's: each write waits for those before it. */
    settled: async () => {
      for (let turns = 0; turns < 8; turns++) {
        await new Promise((resolve) => setImmediate(resolve));
        await store.facts.set("barrier", "", 0);
      }
    },
    [Symbol.dispose]() {
      stop.abort();
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const later = (scope: "person" | "all", afterMs?: number): SendOutcome => ({
  kind: "later",
  scope,
  afterMs,
  error: "busy",
});
const unknown: SendOutcome = { kind: "unknown", error: "timeout" };
const blocked: SendOutcome = {
  kind: "blocked",
  code: "credentials",
  error: "HTTP 401",
  hint: "set a valid key",
};

describe("accepted and refused", () => {
  test("P3: a person's messages go out in order, one after the other", async () => {
    using world = setUp();
    const { deliverer, sender, states } = world;
    await world.queue(ANN, "1", "2");
    await world.queue(ANN, "3");
    const gate = Promise.withResolvers<SendOutcome>();
    sender.script = [gate.promise];

    const draining = deliverer.drain(ANN);
    await world.settled();
    expect(sender.texts).toEqual(["1"]);
    gate.resolve(accepted("wamid.O1"));
    await draining;

    expect(sender.texts).toEqual(["1", "2", "3"]);
    expect(states()).toEqual(["accepted", "accepted", "accepted"]);
  });

  test("P3: a person who is slow to send to does not hold up another", async () => {
    using world = setUp();
    const { deliverer, sender } = world;
    await world.queue(ANN, "slow");
    await world.queue(BOB, "quick");
    const gate = Promise.withResolvers<SendOutcome>();
    sender.script = [gate.promise];

    deliverer.wake(ANN);
    deliverer.wake(BOB);
    await world.settled();

    expect(sender.texts).toEqual(["slow", "quick"]);
    gate.resolve(accepted("wamid.O1"));
    await world.settled();
  });

  test("P7: accepted keeps the wamid, so that it is known", async () => {
    using world = setUp();
    await world.queue(ANN, "1");

    await world.deliverer.drain(ANN);

    expect(await world.outbox.isKnown("wamid.OUT1")).toBe(true);
  });

  test("a refused part takes later parts of its answer with it, and no other answer", async () => {
    using world = setUp();
    const { deliverer, sender, states } = world;
    await world.queue(ANN, "1", "2", "3");
    await world.queue(ANN, "next answer");
    sender.script = [accepted("wamid.O1"), { kind: "refused", code: "131026", error: "undeliverable" }];

    await deliverer.drain(ANN);

    expect(sender.texts).toEqual(["1", "2", "next answer"]);
    expect(states()).toEqual(["accepted", "dead", "dead", "accepted"]);
  });

  test("P9: a refusal is logged once, with the number masked and no text", async () => {
    using world = setUp();
    await world.queue(ANN, "a private word");
    world.sender.script = [{ kind: "refused", code: "131026", error: "undeliverable" }];

    await world.deliverer.drain(ANN);

    const log = JSON.stringify(world.logged);
    expect(world.logged.filter(({ msg }) => String(msg).includes("refused"))).toHaveLength(1);
    expect(log).not.toContain(ANN);
    expect(log).not.toContain("a private word");
  });
});

describe("later", () => {
  test("later for a person waits for that person only, as long as was asked", async () => {
    using world = setUp();
    const { deliverer, sender, clock } = world;
    await world.queue(ANN, "1", "2");
    await world.queue(BOB, "b");
    sender.script = [later("person", 6000)];

    await deliverer.drain(ANN);
    await deliverer.drain(BOB);
    clock.advance(5999);
    await deliverer.drain(ANN);
    expect(sender.texts).toEqual(["1", "b"]);
    clock.advance(1);
    await deliverer.drain(ANN);

    expect(sender.texts).toEqual(["1", "b", "1", "2"]);
  });

  test("later for all pauses everybody, as long as was asked", async () => {
    using world = setUp();
    const { deliverer, sender, clock } = world;
    await world.queue(ANN, "1");
    await world.queue(BOB, "b");
    sender.script = [later("all", 60_000)];

    await deliverer.drain(ANN);
    clock.advance(59_999);
    await deliverer.drain(BOB);
    await deliverer.drain(ANN);
    expect(sender.texts).toEqual(["1"]);
    clock.advance(1);
    await deliverer.drain(BOB);
    await deliverer.drain(ANN);

    expect(sender.texts).toEqual(["1", "b", "1"]);
  });

  test("a short pause for all does not cut short a long one", async () => {
    using world = setUp();
    const { deliverer, sender, clock } = world;
    await world.queue(ANN, "1");
    await world.queue(BOB, "b");
    await world.queue("15550100003", "c");
    const slow = Promise.withResolvers<SendOutcome>();
    sender.script = [slow.promise, later("all", 60_000)];

    const first = deliverer.drain(ANN);
    await world.settled();
    await deliverer.drain(BOB);
    slow.resolve(later("all", 1000));
    await first;
    clock.advance(2000);
    await deliverer.drain("15550100003");

    expect(sender.texts).toEqual(["1", "b"]);
  });

  test("P10: a wait of nothing is still a wait: no request after the other without a pause", async () => {
    using world = setUp();
    const { deliverer, sender, stop } = world;
    await world.queue(ANN, "1");
    sender.send = async ({ text }) => {
      sender.sent.push({ to: ANN, text, at: NOW });
      if (sender.sent.length === 30) stop.abort();
      return later("all", 0);
    };

    await deliverer.drain(ANN);

    expect(sender.sent.length).toBeLessThan(3);
  });

  test("waits get longer when the answer names none, up to five minutes", async () => {
    using world = setUp();
    const { deliverer, sender, clock, outbox } = world;
    const [id = 0] = await world.queue(ANN, "1");
    const waits: number[] = [];
    sender.script = Array.from({ length: 14 }, () => later("all"));

    for (let tries = 0; tries < 14; tries++) {
      await deliverer.drain(ANN);
      waits.push((outbox.get(id)?.due_at ?? 0) - clock.now());
      clock.advance(waits.at(-1) ?? 0);
    }

    expect(waits[0]).toBeGreaterThanOrEqual(500);
    expect(waits[0]).toBeLessThanOrEqual(1000);
    expect(waits[5]).toBeGreaterThan(10_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(300_000);
    expect(sender.sent).toHaveLength(14);
  });

  test("P10: after 24 hours of later it is given up, and said", async () => {
    using world = setUp();
    const { deliverer, sender, clock, states } = world;
    await world.queue(ANN, "1");
    clock.advance(86_400_001);
    sender.script = [later("all", 1000)];

    await deliverer.drain(ANN);

    expect(states()).toEqual(["dead"]);
    expect(world.outbox.list({ all: true, limit: 1 })[0]?.error).toContain("24 hours");
  });
});

describe("blocked", () => {
  test("blocked keeps the queue in order and says so once", async () => {
    using world = setUp();
    const { deliverer, sender, clock, states, logged } = world;
    await world.queue(ANN, "1", "2");
    await world.queue(BOB, "b");
    sender.script = [blocked, blocked, blocked];

    for (let knocks = 0; knocks < 3; knocks++) {
      await deliverer.drain(ANN);
      await deliverer.drain(BOB);
      expect(states()).toEqual(["queued", "queued", "queued"]);
      clock.advance(600_000);
    }
    expect(sender.texts).toEqual(["1", "1", "1"]);
    await deliverer.drain(ANN);
    await deliverer.drain(BOB);

    expect(sender.texts.slice(3)).toEqual(["1", "2", "b"]);
    expect(logged.filter(({ level }) => Number(level) >= 50)).toEqual([
      expect.objectContaining({ hint: "set a valid key", reason: "HTTP 401" }),
    ]);
  });

  test("blocked knocks again after half a minute at the latest, then less often", async () => {
    using world = setUp();
    const { deliverer, sender, clock } = world;
    await world.queue(ANN, "1");
    sender.script = [blocked];

    await deliverer.drain(ANN);
    clock.advance(14_999);
    await deliverer.drain(ANN);
    expect(sender.texts).toHaveLength(1);
    clock.advance(15_001);
    await deliverer.drain(ANN);

    expect(sender.texts).toHaveLength(2);
  });

  test("a second block after things worked is said again", async () => {
    using world = setUp();
    const { deliverer, sender, clock, logged } = world;
    await world.queue(ANN, "1", "2");
    sender.script = [blocked, accepted("wamid.O1"), blocked];

    await deliverer.drain(ANN);
    clock.advance(600_000);
    await deliverer.drain(ANN);

    expect(logged.filter(({ level }) => Number(level) >= 50)).toHaveLength(2);
  });

  test("a second block after a refusal, which shows that the key works, is said again", async () => {
    using world = setUp();
    const { deliverer, sender, clock, logged } = world;
    await world.queue(ANN, "1");
    await world.queue(ANN, "2");
    sender.script = [blocked, { kind: "refused", error: "undeliverable" }, blocked];

    await deliverer.drain(ANN);
    clock.advance(600_000);
    await deliverer.drain(ANN);

    expect(logged.filter(({ msg }) => String(msg).includes("sending stopped"))).toHaveLength(2);
  });
});

describe("unknown", () => {
  /** Looks again and again until the time is over. */
  async function watch(world: ReturnType<typeof setUp>, contact: string, ms: number): Promise<void> {
    for (const end = world.clock.now() + ms; world.clock.now() < end; world.clock.advance(500))
      await world.deliverer.drain(contact);
  }

  test("P7: found in the list: accepted under the wamid that was found, and not sent again", async () => {
    using world = setUp();
    const { sender, outbox } = world;
    const [id = 0] = await world.queue(ANN, "1");
    sender.script = [unknown];
    sender.sightings = [{ kind: "absent" }, { kind: "found", wamid: "wamid.FOUND" }];

    await watch(world, ANN, 60_000);

    expect(sender.texts).toEqual(["1"]);
    expect(sender.looks[0]?.sinceMs).toBe(NOW);
    expect(outbox.get(id)).toMatchObject({ state: "accepted", wamid: "wamid.FOUND" });
  });

  test("P7: absent before the settling time: it waits and looks again; after it: sent exactly once more", async () => {
    using world = setUp();
    const { sender, states } = world;
    await world.queue(ANN, "1");
    sender.script = [unknown];

    await watch(world, ANN, SETTLE);
    expect(sender.texts).toEqual(["1"]);
    expect(sender.looks.length).toBeGreaterThan(1);
    await watch(world, ANN, 600_000);

    expect(sender.texts).toEqual(["1", "1"]);
    expect(sender.sent[1]?.at).toBeGreaterThanOrEqual(NOW + SETTLE);
    expect(sender.sent[1]?.at).toBeLessThan(NOW + SETTLE + 2000);
    expect(states()).toEqual(["accepted"]);
  });

  test("P7: unclear is never sent again", async () => {
    using world = setUp();
    const { sender, states } = world;
    await world.queue(ANN, "1");
    sender.script = [unknown];
    sender.sightings = Array.from({ length: 1000 }, () => ({ kind: "unclear", error: "list fails" }));

    await watch(world, ANN, 3_600_000);

    expect(sender.texts).toEqual(["1"]);
    expect(sender.looks.length).toBeGreaterThan(10);
    expect(states()).not.toEqual(["accepted"]);
  });

  test("P3: later messages of the person wait until the doubt is settled, those of others do not", async () => {
    using world = setUp();
    const { sender, deliverer } = world;
    await world.queue(ANN, "1", "2");
    await world.queue(BOB, "b");
    sender.script = [unknown];

    await deliverer.drain(ANN);
    await deliverer.drain(BOB);
    expect(sender.texts).toEqual(["1", "b"]);
    await watch(world, ANN, 60_000);

    expect(sender.texts).toEqual(["1", "b", "1", "2"]);
  });

  test("P7: a message whose sends are unknown again and again is given up, and said", async () => {
    using world = setUp();
    const { sender, states, logged } = world;
    await world.queue(ANN, "1");
    sender.script = Array.from({ length: 20 }, () => unknown);

    await watch(world, ANN, 600_000);

    expect(sender.texts).toHaveLength(5);
    expect(states()).toEqual(["dead"]);
    expect(logged.filter(({ level }) => Number(level) >= 50)).toHaveLength(1);
  });

  test("P7: tries that certainly did not leave do not count as doubts", async () => {
    using world = setUp();
    const { sender, states } = world;
    await world.queue(ANN, "1");
    sender.script = [...Array.from({ length: 5 }, () => later("person", 1000)), unknown];

    await watch(world, ANN, 120_000);

    expect(sender.texts).toHaveLength(7);
    expect(states()).toEqual(["accepted"]);
  });

  test("P10: what stays unclear for days is given up and said, and no longer holds up what follows", async () => {
    using world = setUp();
    const { sender, clock, deliverer } = world;
    await world.queue(ANN, "1");
    sender.script = [unknown];
    sender.findSent = async () => ({ kind: "unclear", error: "more pages than are read" });

    await deliverer.drain(ANN);
    for (let hours = 0; hours < 72; hours++) {
      clock.advance(3_600_000);
      if (hours === 70) await world.queue(ANN, "2");
      await deliverer.drain(ANN);
    }

    expect(sender.texts).toEqual(["1", "2"]);
  });

  test("P7: without a list a status is awaited for two minutes, and then what is behind goes on", async () => {
    using world = setUp();
    const { sender, states, logged } = world;
    await world.queue(ANN, "1");
    await world.queue(ANN, "2");
    sender.script = [unknown];
    sender.findSent = async () => ({ kind: "unlisted" });

    await watch(world, ANN, 110_000);
    expect(sender.texts).toEqual(["1"]);
    await watch(world, ANN, 60_000);

    expect(sender.texts).toEqual(["1", "2"]);
    expect(states()).toEqual(["dead", "accepted"]);
    expect(logged.filter(({ level }) => Number(level) >= 50)).toHaveLength(1);
  });

  test("P7, P8: what the last process was sending is looked up, not sent again", async () => {
    using world = setUp();
    const { sender, outbox } = world;
    const [id = 0] = await world.queue(ANN, "1");
    await outbox.claim(ANN, "daemon", NOW);
    sender.sightings = [{ kind: "found", wamid: "wamid.FOUND" }];

    await outbox.recover("daemon", NOW + 5000);
    world.clock.advance(5000);
    await world.deliverer.drain(ANN);

    expect(sender.sent).toEqual([]);
    expect(outbox.get(id)).toMatchObject({ state: "accepted", wamid: "wamid.FOUND" });
  });
});

describe("run()", () => {
  test("finds rows that another process queued, and rows whose time has come", async () => {
    using world = setUp();
    const { deliverer, sender, clock, stop } = world;
    sender.script = [later("person", 3000)];

    const running = deliverer.run();
    await world.queue(ANN, "1");
    clock.advance(1000);
    await world.settled();
    expect(sender.texts).toEqual(["1"]);
    for (let seconds = 0; seconds < 4; seconds++) {
      clock.advance(1000);
      await world.settled();
    }
    expect(sender.texts).toEqual(["1", "1"]);
    stop.abort();

    await running;
  });

  test("wake() many times runs a person once at a time", async () => {
    using world = setUp();
    const { deliverer, sender } = world;
    await world.queue(ANN, "1", "2", "3");

    for (let times = 0; times < 20; times++) deliverer.wake(ANN);
    await world.settled();

    expect(sender.texts).toEqual(["1", "2", "3"]);
  });

  test("P8: nothing is claimed after the stop", async () => {
    using world = setUp();
    const { deliverer, sender, states, stop } = world;
    await world.queue(ANN, "1", "2");
    sender.send = async ({ text }) => {
      sender.sent.push({ to: ANN, text, at: NOW });
      stop.abort();
      return accepted("wamid.O1");
    };

    await deliverer.drain(ANN);

    expect(sender.texts).toEqual(["1"]);
    expect(states()).toEqual(["accepted", "queued"]);
  });

  test("run() outlives a fault of the store", async () => {
    const faults = [new Error("disk I/O error")];
    using world = setUp({
      wrap: (outbox) => ({
        claim: (...given) => outbox.claim(...given),
        accepted: (...given) => outbox.accepted(...given),
        retryAt: (...given) => outbox.retryAt(...given),
        doubtUntil: (...given) => outbox.doubtUntil(...given),
        dead: (...given) => outbox.dead(...given),
        unquote: (...given) => outbox.unquote(...given),
        renew: (...given) => outbox.renew(...given),
        isKnown: (wamid) => outbox.isKnown(wamid),
        dueContacts: async (now) => {
          const fault = faults.shift();
          if (fault) throw fault;
          return outbox.dueContacts(now);
        },
      }),
    });
    await world.queue(ANN, "1");

    const running = world.deliverer.run().then(
      () => "stopped",
      () => "died",
    );
    await world.settled();
    world.clock.advance(1000);
    await world.settled();
    world.stop.abort();

    expect(await running).toBe("stopped");
    expect(world.sender.texts).toEqual(["1"]);
  });

  test.each([
    ["a moment", 2, 0, ["accepted"]],
    ["longer than a claim counts", Number.POSITIVE_INFINITY, 1, ["accepted"]],
  ])(
    "P7: a store that can not be written to for %s never leads to a second send",
    async (_, faults, looks, states) => {
      let left = faults;
      using world = setUp({
        wrap: (outbox) => ({
          claim: (...given) => outbox.claim(...given),
          accepted: async (...given) => {
            if (left-- > 0) throw new Error("disk is full");
            return outbox.accepted(...given);
          },
          retryAt: (...given) => outbox.retryAt(...given),
          doubtUntil: (...given) => outbox.doubtUntil(...given),
          dead: (...given) => outbox.dead(...given),
          unquote: (...given) => outbox.unquote(...given),
          renew: (...given) => outbox.renew(...given),
          isKnown: (wamid) => outbox.isKnown(wamid),
          dueContacts: (now) => outbox.dueContacts(now),
        }),
      });
      const { deliverer, sender, clock } = world;
      await world.queue(ANN, "1");
      sender.sightings = [{ kind: "found", wamid: "wamid.FOUND" }];

      const drained = deliverer.drain(ANN);
      for (let seconds = 0; seconds < 65; seconds++) {
        await world.settled();
        clock.advance(1000);
      }
      await drained;
      left = 0;
      clock.advance(60_000);
      await deliverer.drain(ANN);

      expect(sender.texts).toEqual(["1"]);
      expect(sender.looks).toHaveLength(looks);
      expect(world.states()).toEqual(states);
    },
  );

  test("more than a burst to one person waits for the pair rate, not for a refusal", async () => {
    using world = setUp();
    const { deliverer, sender, clock } = world;
    await world.queue(ANN, ...Array.from({ length: 50 }, (_, index) => String(index)));

    await deliverer.drain(ANN);
    expect(sender.sent).toHaveLength(45);
    clock.advance(6000);
    await deliverer.drain(ANN);

    expect(sender.sent).toHaveLength(46);
  });

  test("a claim says what it is", async () => {
    using world = setUp();
    const claims: Claim[] = [];
    await world.queue(ANN, "1");
    const claim = await world.outbox.claim(ANN, "daemon", NOW);
    if (claim) claims.push(claim);

    expect(claims).toEqual([
      {
        id: 1,
        contact: ANN,
        media: undefined,
        quotes: undefined,
        by: "daemon",
        claimedAt: NOW,
        to: { phone: ANN },
        text: "1",
        trackingId: expect.any(String),
        attempts: 1,
        doubts: 0,
        createdAt: NOW,
        doubtfulSince: undefined,
      },
    ]);
  });
});
