import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IdentityChange } from "../../src/content.ts";
import type { Identity, Inbound, Passive } from "../../src/message.ts";
import { MIGRATIONS } from "../../src/store/schema.ts";
import { Store } from "../../src/store/store.ts";
import { ANN, inbound, NOW } from "../inbound.ts";
import { enqueue } from "./enqueue.ts";

const MINUTE = 60_000;
const BOB = "15550100002";
const NEW = "15550100009";
/** Ann's number as WhatsApp spells it, in no way that we could guess. */
const SPELT = "15550100771";

interface World extends Disposable {
  readonly store: Store;
  /** A new message of somebody; with whose it is taken to be, and where an answer would go. */
  readonly hear: (from: Identity, given?: Partial<Inbound>) => Promise<Heard>;
  readonly contactOf: (from: Identity) => Promise<string>;
  /** WhatsApp's word that somebody has another number or user id. */
  readonly tell: (change: IdentityChange, given?: Partial<Inbound>) => Promise<void>;
  /** Sends something to a number, which WhatsApp takes and spells in its own way. */
  readonly send: (to: Identity, waId: string) => Promise<void>;
  /** Everybody whom the store knows. */
  readonly contacts: () => readonly Record<string, unknown>[];
}

interface Heard {
  readonly seq: number;
  readonly wamid: string;
  readonly contact: string;
  readonly from: Identity;
}

function setUp(): World {
  const folder = mkdtempSync(join(tmpdir(), "wa-contacts-test-"));
  const store = Store.open(folder);
  let count = 0;
  const hear = async (from: Identity, given: Partial<Inbound> = {}) => {
    const message = inbound({ wamid: `wamid.${++count}`, from, sentAt: NOW + count, ...given });
    const [stored] = await store.inbox.accept([message], "poll", NOW + count);
    if (!stored) throw new Error("not accepted");
    return stored;
  };
  return {
    store,
    hear,
    contactOf: async (from) => (await hear(from)).contact,
    tell: async (change, given = {}) => {
      const news = systemMessage(change, { wamid: `wamid.${++count}`, sentAt: NOW + count, ...given });
      await store.inbox.accept([news], "poll", NOW + count);
    },
    send: async (to, waId) => {
      const [id = 0] = await enqueue(store.outbox, [{ to, text: "hello" }], NOW);
      const claim = await store.outbox.claim(store.outbox.get(id)?.contact ?? "", "daemon", NOW);
      if (!claim) throw new Error("nothing to send");
      await store.outbox.accepted(claim, { wamid: `wamid.OUT${++count}`, waId }, NOW);
    },
    contacts: () => {
      using db = new DatabaseSync(join(folder, "relay.db"), { readOnly: true });
      return db.prepare("SELECT * FROM contact ORDER BY id").all();
    },
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function systemMessage(change: IdentityChange, given: Partial<Inbound> = {}): Inbound {
  const phone = change.oldPhone ?? change.newPhone;
  const bsuid = change.oldBsuid ?? change.newBsuid;
  return inbound({
    from: { ...(phone && { phone }), ...(bsuid && { bsuid }) },
    content: { type: "system", event: "user_changed_number", change },
    passive: "system",
    ...given,
  });
}

describe("one person is one contact", () => {
  test("by number, by user id, and under the first of both", async () => {
    using world = setUp();

    expect(await world.contactOf({ phone: ANN })).toBe(ANN);
    expect(await world.contactOf({ phone: ANN })).toBe(ANN);
    expect(await world.contactOf({ bsuid: "US.2" })).toBe("US.2");
    expect(await world.contactOf({ bsuid: "US.2" })).toBe("US.2");
    expect(await world.contactOf({ phone: BOB, bsuid: "US.3" })).toBe(BOB);
  });

  test.each<[first: Identity, id: string]>([
    [{ phone: ANN }, ANN],
    [{ bsuid: "US.1" }, "US.1"],
    [{ phone: ANN, bsuid: "US.1" }, ANN],
  ])("a number and a user id that are seen together are linked: first %o", async (first, id) => {
    using world = setUp();
    await world.hear(first);
    await world.hear({ phone: ANN, bsuid: "US.1" });

    const byPhone = await world.hear({ phone: ANN });
    const byBsuid = await world.hear({ bsuid: "US.1" });

    expect([byPhone.contact, byBsuid.contact]).toEqual([id, id]);
    expect([byPhone.from, byBsuid.from]).toEqual([
      { phone: ANN, bsuid: "US.1" },
      { phone: ANN, bsuid: "US.1" },
    ]);
  });

  test("an answer goes to the number that became known, also for a message that waited", async () => {
    using world = setUp();
    const { seq } = await world.hear({ bsuid: "US.1" });

    await world.hear({ phone: ANN, bsuid: "US.1" });

    const question = await world.store.inbox.question(seq);
    const [waiting] = await world.store.inbox.pending();
    expect(question?.from).toEqual({ phone: ANN, bsuid: "US.1" });
    expect(waiting?.from).toEqual({ phone: ANN, bsuid: "US.1" });
  });

  test("an answer goes into the queue of the contact, by whatever it is addressed", async () => {
    using world = setUp();
    await world.hear({ bsuid: "US.1" });
    await world.hear({ phone: ANN, bsuid: "US.1" });

    const ids = await enqueue(
      world.store.outbox,
      [{ phone: ANN }, { bsuid: "US.1" }, { phone: ANN, bsuid: "US.1" }].map((to) => ({ to, text: "hi" })),
      NOW,
    );

    expect(ids.map((id) => world.store.outbox.get(id)?.contact)).toEqual(["US.1", "US.1", "US.1"]);
  });

  test.each([
    ["Brazil", "5511987654321", "551187654321"],
    ["Argentina", "5491123456789", "541123456789"],
    ["Mexico", "5215512345678", "525512345678"],
  ])("%s: both spellings of a number are one person, whichever came first", async (_country, long, short) => {
    for (const [first, second] of [
      [long, short],
      [short, long],
    ]) {
      using world = setUp();
      const before = await world.hear({ phone: first ?? "" });
      const after = await world.hear({ phone: second ?? "" });
      const [id = 0] = await enqueue(world.store.outbox, [{ to: { phone: long }, text: "hi" }], NOW);

      expect(after.contact).toBe(before.contact);
      // It is how WhatsApp spelt it last.
      expect(after.from).toEqual({ phone: second });
      expect(world.store.outbox.get(id)?.contact).toBe(before.contact);
    }
  });

  test("usernames and names never identify", async () => {
    using world = setUp();
    const named = { username: "@ann", name: "Ann" };

    const first = await world.hear({ bsuid: "US.1" }, named);
    const second = await world.hear({ bsuid: "US.2" }, named);
    const third = await world.hear({ phone: BOB }, named);

    expect(new Set([first, second, third].map(({ contact }) => contact)).size).toBe(3);
  });

  test("people without numbers never share a contact, though their ids are alike", async () => {
    using world = setUp();
    const ids = ["US.1", "US.11", "US.ENT.1", "BR.1", "US.a", "US.A"];

    const contacts = await Promise.all(ids.map((bsuid) => world.contactOf({ bsuid })));

    expect(contacts).toEqual(ids);
  });

  test("a message that is delivered again teaches nothing, whatever it says by now", async () => {
    using world = setUp();
    const { wamid } = await world.hear({ phone: ANN });
    const before = world.contacts();

    for (const from of [{ phone: ANN, bsuid: "US.1" }, { bsuid: "US.2" }, { phone: BOB }])
      expect(await world.store.inbox.accept([inbound({ wamid, from, name: "New" })], "webhook", NOW)).toEqual(
        [],
      );

    expect(world.contacts()).toEqual(before);
    expect(await world.contactOf({ bsuid: "US.1" })).toBe("US.1");
  });

  test("a message from before a change of number, delivered again, does not bring the old number back", async () => {
    using world = setUp();
    const { wamid } = await world.hear({ phone: ANN, bsuid: "US.1" });
    await world.tell({ oldPhone: ANN, newPhone: NEW, oldBsuid: "US.1", newBsuid: "US.2" });

    await world.store.inbox.accept([inbound({ wamid, from: { phone: ANN, bsuid: "US.1" } })], "webhook", NOW);

    expect((await world.hear({ bsuid: "US.2" })).from.phone).toBe(NEW);
    expect(await world.contactOf({ phone: ANN })).not.toBe(ANN);
  });

  test.each<[Passive, Identity]>([
    ["history", { phone: ANN }],
    ["group", { phone: ANN, bsuid: "US.1" }],
    ["system", { bsuid: "US.1" }],
  ])("a message that is %s creates no contact", async (passive, from) => {
    using world = setUp();

    await world.store.inbox.accept([inbound({ from, passive })], "poll", NOW);

    expect(world.contacts()).toEqual([]);
  });

  test.each<Passive>(["history", "group", "system"])(
    "a message that is %s changes no contact and links nothing",
    async (passive) => {
      using world = setUp();
      await world.hear({ phone: ANN });
      const before = world.contacts();

      const message = { from: { phone: ANN, bsuid: "US.1" }, name: "Other", username: "other", passive };
      await world.store.inbox.accept([inbound({ ...message, sentAt: NOW + MINUTE })], "poll", NOW);

      expect(world.contacts()).toEqual(before);
      expect(await world.contactOf({ bsuid: "US.1" })).toBe("US.1");
    },
  );

  test("a reaction is a message of its sender: it links like any other", async () => {
    using world = setUp();
    await world.hear({ phone: ANN });

    const reaction = inbound({
      wamid: "wamid.R",
      from: { phone: ANN, bsuid: "US.1" },
      content: { type: "reaction", target: "wamid.1", emoji: "👍" },
    });
    await world.store.inbox.accept([reaction], "poll", NOW);

    expect(await world.contactOf({ bsuid: "US.1" })).toBe(ANN);
  });

  test("what was sent before the person first wrote is known when they quote it", async () => {
    using world = setUp();
    const [id = 0] = await enqueue(
      world.store.outbox,
      [{ to: { phone: "5511987654321" }, text: "Your table is free" }],
      NOW,
    );
    const claim = await world.store.outbox.claim(world.store.outbox.get(id)?.contact ?? "", "wa-cli", NOW);
    if (!claim) throw new Error("nothing to send");
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT", waId: "551187654321" }, NOW);

    const { seq } = await world.hear({ phone: "551187654321" }, { quotes: "wamid.OUT" });

    expect((await world.store.inbox.question(seq))?.quoted?.text).toBe("Your table is free");
  });
});

describe("two records", () => {
  /** Ann as two records: one by number, one by user id, which nothing linked. */
  async function twoRecords(): Promise<World> {
    const world = setUp();
    await world.hear({ phone: ANN });
    await world.hear({ bsuid: "US.1" });
    return world;
  }

  test("that do not contradict each other stay apart: the number decides", async () => {
    using world = await twoRecords();

    expect(await world.contactOf({ phone: ANN, bsuid: "US.1" })).toBe(ANN);
    expect(await world.contactOf({ phone: ANN })).toBe(ANN);
    expect(await world.contactOf({ bsuid: "US.1" })).toBe("US.1");
    expect(await world.contactOf({ phone: ANN, bsuid: "US.1" })).toBe(ANN);
    expect(world.contacts()).toHaveLength(2);
  });

  test("have their answers in the queue of the question", async () => {
    using world = await twoRecords();
    const { seq, contact, from } = await world.hear({ phone: ANN, bsuid: "US.1" });

    await world.store.inbox.settle(seq, { state: "answered", replies: [{ to: from, text: "hi" }] }, NOW);

    expect(world.store.outbox.list({ all: true, limit: 9 }).map((row) => row.contact)).toEqual([contact]);
  });

  test("P5: keep nothing of a number for its next owner", async () => {
    using world = await twoRecords();
    await world.hear({ phone: ANN, bsuid: "US.1" });

    await world.tell({ oldPhone: ANN, newPhone: NEW, oldBsuid: "US.1", newBsuid: "US.2" });

    expect([ANN, "US.1"]).not.toContain(await world.contactOf({ phone: ANN }));
  });
});

describe("a number that changed hands", () => {
  /** Ann's number and user id, then the same number with Bob's. */
  async function changedHands() {
    const world = setUp();
    await world.hear({ phone: ANN, bsuid: "US.1" });
    const next = await world.hear({ phone: ANN, bsuid: "US.2" });
    return { ...world, next, [Symbol.dispose]: () => world[Symbol.dispose]() };
  }

  test("gives its new owner a contact of its own, and the old one's conversation is not gone on with", async () => {
    using world = await changedHands();

    expect(world.next.contact).not.toBe(ANN);
    expect(await world.contactOf({ phone: ANN, bsuid: "US.2" })).toBe(world.next.contact);
    expect(await world.contactOf({ bsuid: "US.2" })).toBe(world.next.contact);
  });

  test("reaches the new owner only", async () => {
    using world = await changedHands();

    const byPhone = await world.hear({ phone: ANN });
    const old = await world.hear({ bsuid: "US.1" });

    expect(byPhone.contact).toBe(world.next.contact);
    expect(old.contact).toBe(ANN);
    expect(old.from).toEqual({ bsuid: "US.1" });
    const [id = 0] = await enqueue(world.store.outbox, [{ to: { phone: ANN }, text: "hi" }], NOW);
    expect(world.store.outbox.get(id)?.contact).toBe(world.next.contact);
  });

  test("shows its new owner nothing of the old one's messages", async () => {
    using world = await changedHands();

    const { seq } = await world.hear({ phone: ANN, bsuid: "US.2" }, { quotes: "wamid.1" });

    expect((await world.store.inbox.question(seq))?.quoted).toEqual({ by: undefined, text: "" });
  });

  test("may change hands again and again, and come back", async () => {
    using world = setUp();
    const owners = ["US.1", "US.2", "US.3", "US.1"];

    const contacts = [];
    for (const bsuid of owners) contacts.push(await world.contactOf({ phone: ANN, bsuid }));

    expect(new Set(contacts).size).toBe(3);
    expect(contacts[3]).toBe(contacts[0]);
    expect(await world.contactOf({ phone: ANN })).toBe(contacts[0]);
    expect((await world.hear({ bsuid: "US.3" })).from).toEqual({ bsuid: "US.3" });
  });

  test("goes to its new owner in either spelling", async () => {
    using world = setUp();
    const old = await world.contactOf({ phone: "5511987654321", bsuid: "BR.1" });

    const next = await world.contactOf({ phone: "551187654321", bsuid: "BR.2" });

    expect(next).not.toBe(old);
    expect(await world.contactOf({ phone: "5511987654321" })).toBe(next);
    expect(await world.contactOf({ phone: "551187654321" })).toBe(next);
  });

  test("P5: is let go of in the spelling that changed hands", async () => {
    using world = setUp();
    await world.hear({ phone: ANN, bsuid: "US.1" });
    await world.send({ phone: ANN }, SPELT);

    const next = await world.contactOf({ phone: SPELT, bsuid: "US.2" });

    expect(await world.contactOf({ phone: SPELT })).toBe(next);
  });

  test("leaves the new number of its former owner alone", async () => {
    using world = setUp();
    await world.hear({ phone: ANN, bsuid: "US.1" });
    // Without a word of WhatsApp's in between.
    await world.hear({ phone: NEW, bsuid: "US.1" });

    const next = await world.contactOf({ phone: ANN, bsuid: "US.2" });

    expect(await world.contactOf({ phone: NEW })).toBe(ANN);
    expect(await world.contactOf({ phone: ANN })).toBe(next);
  });

  test("P5: gets no answer to a waiting message of its old owner", async () => {
    using world = setUp();
    const { seq } = await world.hear({ phone: ANN, bsuid: "US.1" });

    await world.hear({ phone: ANN, bsuid: "US.2" });

    expect((await world.store.inbox.question(seq))?.from).toEqual({ bsuid: "US.1" });
  });

  test("is not taken back by a late message of its old owner", async () => {
    using world = await changedHands();

    await world.hear({ phone: ANN, bsuid: "US.1" }, { sentAt: NOW - MINUTE });

    expect(await world.contactOf({ phone: ANN })).toBe(world.next.contact);
  });
});

describe("WhatsApp's word of a change", () => {
  const moved = { oldPhone: ANN, newPhone: NEW, oldBsuid: "US.1", newBsuid: "US.2" };

  test.each<[name: string, known: Identity, change: IdentityChange, later: readonly Identity[]]>([
    [
      "of the number",
      { phone: ANN },
      { oldPhone: ANN, newPhone: NEW },
      [{ phone: NEW }, { phone: NEW, bsuid: "US.2" }],
    ],
    [
      "of the number and the user id",
      { phone: ANN, bsuid: "US.1" },
      moved,
      [{ phone: NEW }, { bsuid: "US.2" }, { bsuid: "US.1" }, { phone: NEW, bsuid: "US.2" }],
    ],
    [
      "of the user id",
      { phone: ANN, bsuid: "US.1" },
      { oldBsuid: "US.1", newBsuid: "US.2" },
      [{ phone: ANN }, { bsuid: "US.2" }, { phone: ANN, bsuid: "US.2" }],
    ],
    [
      "of the user id of somebody without a number",
      { bsuid: "US.1" },
      { oldBsuid: "US.1", newBsuid: "US.2" },
      [{ bsuid: "US.2" }, { bsuid: "US.1" }],
    ],
    [
      "of the number of somebody who is known by the user id",
      { bsuid: "US.1" },
      moved,
      [{ phone: NEW }, { bsuid: "US.2" }],
    ],
  ])("%s moves the person, twice as well as once", async (_name, known, change, later) => {
    for (const times of [1, 2]) {
      using world = setUp();
      const { contact } = await world.hear(known);

      for (let told = 0; told < times; told++) await world.tell(change);

      for (const from of later) expect(await world.contactOf(from)).toBe(contact);
      expect(world.store.inbox.counts()["system"]).toBe(times);
    }
  });

  test("starts no turn and reaches no agent", async () => {
    using world = setUp();
    await world.hear({ phone: ANN, bsuid: "US.1" });

    const accepted = await world.store.inbox.accept(
      [systemMessage(moved, { wamid: "wamid.S" })],
      "poll",
      NOW,
    );
    const { seq } = await world.hear({ phone: NEW });

    expect(accepted).toEqual([]);
    expect((await world.store.inbox.question(seq))?.notes).toEqual([]);
  });

  test.each<[early: Identity]>([
    [{ phone: NEW, bsuid: "US.2" }],
    [{ bsuid: "US.2" }],
    [{ phone: NEW }],
    [{ phone: ANN, bsuid: "US.2" }],
  ])("counts though a message under the new %o came first, in the same batch", async (early) => {
    for (const times of [1, 2]) {
      using world = setUp();
      const { contact } = await world.hear({ phone: ANN, bsuid: "US.1" });
      const change = early.phone === ANN ? { oldBsuid: "US.1", newBsuid: "US.2" } : moved;

      await world.store.inbox.accept(
        [
          inbound({ wamid: "wamid.E", from: early, sentAt: NOW + MINUTE }),
          ...Array.from({ length: times }, (_, index) =>
            systemMessage(change, { wamid: `wamid.S${index}`, sentAt: NOW + MINUTE }),
          ),
        ],
        "webhook",
        NOW + MINUTE,
      );

      const phone = early.phone === ANN ? ANN : NEW;
      const byBsuid = await world.hear({ bsuid: "US.2" });
      const byPhone = await world.hear({ phone });
      expect([byBsuid.contact, byPhone.contact]).toEqual([contact, contact]);
      expect(byBsuid.from).toEqual({ phone, bsuid: "US.2" });
      expect(byPhone.from).toEqual({ phone, bsuid: "US.2" });
    }
  });

  test("of somebody who is not known makes nobody known", async () => {
    using world = setUp();

    await world.tell(moved);

    expect(world.contacts()).toEqual([]);
    expect(await world.contactOf({ phone: NEW })).toBe(NEW);
  });

  test("answers go to the new number", async () => {
    using world = setUp();
    await world.hear({ phone: ANN, bsuid: "US.1" });
    await world.tell(moved);

    expect((await world.hear({ bsuid: "US.2" })).from).toEqual({ phone: NEW, bsuid: "US.2" });
  });

  test.each<[stranger: Identity]>([[{ phone: ANN }], [{ phone: ANN, bsuid: "US.7" }]])(
    "lets go of the old number: the stranger %o who gets it starts afresh",
    async (stranger) => {
      using world = setUp();
      const { contact } = await world.hear({ phone: ANN, bsuid: "US.1" });
      await world.tell(moved);

      const { contact: fresh, from } = await world.hear(stranger);
      await world.tell(moved);

      expect(fresh).not.toBe(contact);
      expect(from).toEqual(stranger);
      expect(await world.contactOf(stranger)).toBe(fresh);
      expect(await world.contactOf({ bsuid: "US.2" })).toBe(contact);
      expect((await world.hear({ phone: NEW })).from.phone).toBe(NEW);
      const [id = 0] = await enqueue(world.store.outbox, [{ to: stranger, text: "hi" }], NOW);
      expect(world.store.outbox.get(id)?.contact).toBe(fresh);
    },
  );

  test("P5: does not bring the user id of a number's last owner along", async () => {
    using world = setUp();
    const ann = await world.contactOf({ phone: ANN, bsuid: "US.1" });
    const carol = await world.contactOf({ phone: NEW, bsuid: "US.9" });

    // Ann takes the number that Carol gave up.
    await world.tell(moved);

    expect(await world.contactOf({ bsuid: "US.2" })).toBe(ann);
    expect(await world.contactOf({ bsuid: "US.9" })).toBe(carol);
  });

  test("lets go of the old number also when the news names only the old user id", async () => {
    using world = setUp();
    const { contact } = await world.hear({ phone: ANN, bsuid: "US.1" });

    await world.tell({ newPhone: NEW, oldBsuid: "US.1", newBsuid: "US.2" });

    expect(await world.contactOf({ phone: ANN })).not.toBe(contact);
  });

  test("lets go of the learnt spelling of the old number", async () => {
    using world = setUp();
    const { contact } = await world.hear({ phone: ANN });
    await world.send({ phone: ANN }, SPELT);

    await world.tell({ oldPhone: ANN, newPhone: NEW });

    expect(await world.contactOf({ phone: SPELT })).not.toBe(contact);
  });

  test("is not undone by a send to the old number that is accepted afterwards", async () => {
    using world = setUp();
    const { contact } = await world.hear({ phone: ANN });
    await enqueue(world.store.outbox, [{ to: { phone: ANN }, text: "hi" }], NOW);
    const claim = await world.store.outbox.claim(contact, "daemon", NOW);
    if (!claim) throw new Error("nothing to send");

    await world.tell({ oldPhone: ANN, newPhone: NEW });
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT", waId: ANN }, NOW);

    expect(await world.contactOf({ phone: ANN })).not.toBe(contact);
  });

  test("P5: leaves what is sent to the old number's next owner to them", async () => {
    using world = setUp();
    const { contact } = await world.hear({ phone: ANN });
    await world.tell({ oldPhone: ANN, newPhone: NEW });

    await world.send({ phone: ANN }, ANN);

    expect(await world.contactOf({ phone: ANN })).not.toBe(contact);
  });

  test("is not undone by a late message from the old number", async () => {
    using world = setUp();
    const { contact } = await world.hear({ phone: ANN, bsuid: "US.1" });
    await world.tell(moved);

    // Polling brings it after the webhook brought the news.
    await world.hear({ phone: ANN, bsuid: "US.1" }, { sentAt: NOW - MINUTE });

    expect((await world.hear({ bsuid: "US.2" })).from.phone).toBe(NEW);
    expect(await world.contactOf({ phone: ANN })).not.toBe(contact);
  });

  test("P5: an answer that was queued before goes to the new number, and to nobody while there is none", async () => {
    using world = setUp();
    const { seq, from, contact } = await world.hear({ phone: ANN, bsuid: "US.1" });
    const replies = ["one", "two"].map((text) => ({ to: from, text }));
    await world.store.inbox.settle(seq, { state: "answered", replies }, NOW);

    await world.tell(moved);
    const claim = await world.store.outbox.claim(contact, "daemon", NOW + MINUTE);

    expect(claim?.to).toEqual({ phone: NEW, bsuid: "US.2" });
  });

  test("P5: an answer for somebody who can not be reached any more goes to nobody", async () => {
    using world = setUp();
    const { seq, from, contact } = await world.hear({ phone: ANN });
    await world.hear({ phone: BOB, bsuid: "US.9" });
    await world.store.inbox.settle(seq, { state: "answered", replies: [{ to: from, text: "hi" }] }, NOW);

    await world.hear({ phone: ANN, bsuid: "US.9" });

    expect(await world.store.outbox.claim(contact, "daemon", NOW + MINUTE)).toBeUndefined();
    expect(world.store.outbox.list({ all: true, limit: 9 })).toMatchObject([{ state: "dead" }]);
  });

  test("sends the answer to a message that waited to the new number", async () => {
    using world = setUp();
    const { seq } = await world.hear({ phone: ANN });

    await world.tell({ oldPhone: ANN, newPhone: NEW });

    expect((await world.store.inbox.question(seq))?.from).toEqual({ phone: NEW });
  });

  test.each<Passive>(["history", "group"])("that is %s moves nobody of today", async (passive) => {
    using world = setUp();
    await world.hear({ phone: ANN });
    const before = world.contacts();

    await world.tell({ oldPhone: ANN, newPhone: NEW }, { passive, sentAt: NOW - MINUTE });

    expect(world.contacts()).toEqual(before);
  });
});

describe("a number as WhatsApp spells it in the answer to a send", () => {
  test("makes a message from it the same person's", async () => {
    using world = setUp();
    await world.hear({ phone: ANN });

    await world.send({ phone: ANN }, SPELT);

    expect(await world.contactOf({ phone: SPELT })).toBe(ANN);
    expect(await world.contactOf({ phone: ANN })).toBe(ANN);
  });

  test("that is somebody else's stays theirs", async () => {
    using world = setUp();
    await world.hear({ phone: ANN });
    await world.hear({ phone: BOB });

    await world.send({ phone: ANN }, BOB);

    expect(await world.contactOf({ phone: BOB })).toBe(BOB);
  });

  test("makes somebody known who never wrote", async () => {
    using world = setUp();

    await world.send({ phone: ANN }, ANN);

    expect(world.contacts()).toMatchObject([{ id: ANN, phone: ANN, last_inbound_at: 0 }]);
  });
});

describe("a state file of the schema before user ids", () => {
  interface Old {
    readonly id: string;
    readonly phone?: string;
    readonly bsuid?: string;
    readonly at?: number;
  }

  /** Opens a file in which these people were written down. */
  function migrated(people: readonly Old[]) {
    const folder = mkdtempSync(join(tmpdir(), "wa-contacts-test-"));
    {
      using old = new DatabaseSync(join(folder, "relay.db"));
      old.exec(`${MIGRATIONS.slice(0, 2).join(";")}; PRAGMA user_version = 2`);
      const insert = old.prepare(
        "INSERT INTO contact (id, phone, bsuid, last_inbound_at) VALUES (?, ?, ?, ?)",
      );
      for (const { id, phone, bsuid, at = NOW } of people) insert.run(id, phone ?? null, bsuid ?? null, at);
    }
    const store = Store.open(folder);
    let count = 0;
    return {
      contactOf: async (from: Identity) =>
        (await store.inbox.accept([inbound({ wamid: `wamid.${++count}`, from })], "poll", NOW))[0]?.contact,
      [Symbol.dispose]() {
        store[Symbol.dispose]();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  }

  test.each([
    ["15550100001", "15550100001"],
    ["5511987654321", "551187654321"],
    ["551187654321", "5511987654321"],
    ["5215512345678", "525512345678"],
    ["525512345678", "5215512345678"],
    ["5491123456789", "541123456789"],
    ["541123456789", "5491123456789"],
  ])("finds %s again when it is spelt %s", async (id, spelt) => {
    using world = migrated([{ id, phone: id }]);

    expect(await world.contactOf({ phone: spelt })).toBe(id);
    expect(await world.contactOf({ phone: id })).toBe(id);
  });

  test("finds people by user id, with a number and without", async () => {
    using world = migrated([
      { id: ANN, phone: ANN, bsuid: "US.1" },
      { id: "US.2", bsuid: "US.2" },
    ]);

    expect(await world.contactOf({ bsuid: "US.1" })).toBe(ANN);
    expect(await world.contactOf({ bsuid: "US.2" })).toBe("US.2");
    expect(await world.contactOf({ phone: BOB, bsuid: "US.2" })).toBe("US.2");
  });

  test("goes on with the conversation of late, when both spellings had one", async () => {
    using world = migrated([
      { id: "5511987654321", phone: "5511987654321", at: NOW - MINUTE },
      { id: "551187654321", phone: "551187654321", at: NOW },
      { id: "551187654322", phone: "551187654322", at: NOW - MINUTE },
      { id: "5511987654322", phone: "5511987654322", at: NOW },
    ]);

    expect(await world.contactOf({ phone: "5511987654321" })).toBe("551187654321");
    expect(await world.contactOf({ phone: "551187654322" })).toBe("5511987654322");
  });

  test("leaves alone what only looks like such a number", async () => {
    using world = migrated([{ id: "5219876543" }, { id: "55119876543210" }, { id: "54912345678" }]);

    expect(await world.contactOf({ phone: "5219876543" })).toBe("5219876543");
    expect(await world.contactOf({ phone: "55119876543210" })).toBe("55119876543210");
    expect(await world.contactOf({ phone: "54912345678" })).toBe("54912345678");
  });
});

describe("whatever happens", () => {
  interface Step {
    readonly who: number;
    readonly what: "message" | "moves" | "gets another id" | "is sent to";
    readonly shows: "phone" | "bsuid" | "both";
    /** The news comes after the first message under what is new. */
    readonly isLate: boolean;
    readonly isTwice: boolean;
  }

  const step: fc.Arbitrary<Step> = fc.record({
    who: fc.integer({ min: 0, max: 2 }),
    what: fc.constantFrom(
      "message",
      "message",
      "message",
      "moves",
      "gets another id",
      "is sent to",
    ) satisfies fc.Arbitrary<Step["what"]>,
    shows: fc.constantFrom("phone", "bsuid", "both"),
    isLate: fc.boolean(),
    isTwice: fc.boolean(),
  });

  /** Somebody whose numbers and ids nobody else ever has. */
  class Person {
    readonly #code: string;
    #phones = 1;
    #ids = 1;

    constructor(run: number, who: number) {
      this.#code = `${who + 1}${String(run).padStart(5, "0")}`;
    }

    get phone(): string {
      return `5511${this.#code}${this.#phones}0`;
    }

    /** With the digit that WhatsApp may leave out. */
    get otherSpelling(): string {
      return `55119${this.#code}${this.#phones}0`;
    }

    get waId(): string {
      return `44${this.#code}${this.#phones}`;
    }

    get bsuid(): string {
      return `US.${this.#code}x${this.#ids}`;
    }

    owns(identity: Identity): boolean {
      const phone = identity.phone ?? "";
      return (
        /^(?:$|55119?|44)/.test(phone) &&
        (phone === "" || phone.replace(/^(?:55119?|44)/, "").startsWith(this.#code)) &&
        (identity.bsuid ?? `US.${this.#code}x`).startsWith(`US.${this.#code}x`)
      );
    }

    change(what: "moves" | "gets another id"): IdentityChange {
      const before = { oldPhone: this.phone, oldBsuid: this.bsuid };
      this.#ids++;
      if (what === "gets another id") return { oldBsuid: before.oldBsuid, newBsuid: this.bsuid };
      this.#phones++;
      return { ...before, newPhone: this.phone, newBsuid: this.bsuid };
    }

    shown(shows: Step["shows"], isSpeltOtherwise: boolean): Identity {
      const phone = isSpeltOtherwise ? this.otherSpelling : this.phone;
      return { ...(shows !== "bsuid" && { phone }), ...(shows !== "phone" && { bsuid: this.bsuid }) };
    }
  }

  test("P5: two people never get into one contact", async () => {
    using world = setUp();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        run++;
        const people = [0, 1, 2].map((who) => new Person(run, who));
        const owners = new Map<string, Person>();
        for (const { who, what, shows, isLate, isTwice } of steps) {
          const person = people[who];
          if (!person) continue;
          const change = what === "moves" || what === "gets another id" ? person.change(what) : undefined;
          if (change && !isLate) await world.tell(change);
          if (change && !isLate && isTwice) await world.tell(change);
          if (what === "is sent to") await world.send(person.shown(shows, isTwice), person.waId);
          const { contact, from } = await world.hear(person.shown(shows, isTwice));
          if (change && isLate) await world.tell(change);

          const owner = owners.get(contact) ?? person;
          owners.set(contact, person);
          expect(owner).toBe(person);
          expect(person.owns(from)).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("a person whose number and id were seen together first is one contact for ever", async () => {
    using world = setUp();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const person = new Person(++run, 0);
        const { contact } = await world.hear(person.shown("both", false));
        for (const { what, shows, isTwice } of steps) {
          if (what === "moves" || what === "gets another id") await world.tell(person.change(what));
          if (what === "is sent to") await world.send(person.shown(shows, isTwice), person.waId);
          expect(await world.contactOf(person.shown(shows, isTwice))).toBe(contact);
        }
      }),
      { numRuns: 100 },
    );
  });
});
