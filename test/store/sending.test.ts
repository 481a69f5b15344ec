import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { MIGRATIONS } from "../../src/store/schema.ts";
import { Store } from "../../src/store/store.ts";
import { ANN, inbound, NOW } from "../inbound.ts";
import { enqueue } from "./enqueue.ts";

const HOUR = 3_600_000;
const SINCE = { toPerson: 0, toAll: 0 };
const message = (text: string) => ({ to: { phone: ANN }, text });
const yes = () => undefined;

function scratch() {
  const path = mkdtempSync(join(tmpdir(), "wa-store-sending-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test("a state file of before knows when people last wrote: reactions and history do not count", () => {
  using folder = scratch();
  const old = new DatabaseSync(join(folder.path, "relay.db"));
  old.exec(`${MIGRATIONS.slice(0, 4).join(";")}; PRAGMA user_version = 4`);
  old.exec(`INSERT INTO contact (id, phone, last_inbound_at) VALUES ('${ANN}', '${ANN}', ${NOW + 9})`);
  old.exec(`INSERT INTO alias (id, contact, since) VALUES ('${ANN}', '${ANN}', 0)`);
  const rows = [
    ["A", "text", 1, "answered"],
    ["B", "image", 2, "denied"],
    ["C", "reaction", 3, "context"],
    ["D", "text", 4, "history"],
  ] as const;
  for (const [wamid, kind, at, state] of rows)
    old.exec(
      `INSERT INTO inbox (phone_number_id, wamid, contact, phone, kind, text, sent_at, received_at, state)
       VALUES ('100', '${wamid}', '${ANN}', '${ANN}', '${kind}', 'x', ${NOW + at}, ${NOW}, '${state}')`,
    );
  old.close();

  using store = Store.open(folder.path);

  expect(store.people.find({ phone: ANN }, NOW)).toEqual({
    contact: ANN,
    to: { phone: ANN },
    openedAt: NOW + 2,
  });
  expect(store.people.find({ phone: "15559999999" }, NOW)).toBeUndefined();
});

test("a reaction neither opens the window nor closes it, and an older message moves nothing", async () => {
  using folder = scratch();
  using store = Store.open(folder.path);
  const opened = () => store.people.find({ phone: ANN }, NOW)?.openedAt;
  const content = { type: "reaction", target: "wamid.x", emoji: "👍" } as const;
  const reacted = (wamid: string, sentAt: number) => inbound({ wamid, content, sentAt });

  await store.inbox.accept([reacted("wamid.1", NOW - HOUR)], "poll", NOW);
  expect(opened()).toBeUndefined();
  await store.inbox.accept([inbound({ wamid: "wamid.2", sentAt: NOW })], "poll", NOW);
  await store.inbox.accept([reacted("wamid.3", NOW + HOUR)], "poll", NOW + HOUR);
  await store.inbox.accept([inbound({ wamid: "wamid.4", sentAt: NOW - HOUR })], "poll", NOW + HOUR);

  expect(opened()).toBe(NOW);
});

test("admit() takes a key once, and knows whether it is the same message", async () => {
  using folder = scratch();
  using store = Store.open(folder.path);
  const admission = (request: string) => ({
    messages: [message("a"), message("b")],
    key: { name: "k", request },
    since: SINCE,
    judge: yes,
  });

  const [first, again] = await Promise.all([
    store.outbox.admit(admission("1"), NOW),
    store.outbox.admit(admission("1"), NOW),
  ]);

  expect(first).toEqual({ kind: "queued", ids: [1, 2] });
  expect(again).toEqual({ kind: "repeated", ids: [1, 2], isSame: true });
  expect(await store.outbox.admit(admission("2"), NOW)).toEqual({
    kind: "repeated",
    ids: [1, 2],
    isSame: false,
  });
});

test("admit() counts what left lately and answered nobody", async () => {
  using folder = scratch();
  using store = Store.open(folder.path);
  const seen: unknown[] = [];
  const admission = {
    messages: [message("a")],
    since: { toPerson: NOW - HOUR, toAll: NOW - 24 * HOUR },
    judge: (counts: unknown) => void seen.push(counts),
  };
  await store.outbox.admit(admission, NOW - 2 * HOUR);
  await enqueue(store.outbox, [{ to: { phone: "15559999999" }, text: "other" }], NOW);

  await store.outbox.admit(admission, NOW);
  await store.outbox.admit({ ...admission, messages: [message("b")] }, NOW);

  expect(seen).toEqual([
    { toPerson: 0, toAll: 0 },
    { toPerson: 0, toAll: 2 },
    { toPerson: 1, toAll: 3 },
  ]);
});

test("nothing is held for a person who wrote in the moment in which it is queued", async () => {
  using folder = scratch();
  using store = Store.open(folder.path);
  await store.inbox.accept([inbound({ from: { phone: ANN }, sentAt: NOW - 1000 })], "poll", NOW);

  await store.outbox.admit({ messages: [message("hi")], heldFrom: 0, since: SINCE, judge: yes }, NOW);

  expect(store.outbox.counts()).toEqual({ queued: 1 });
});

test("a person for whom something waits is not asked again to write", async () => {
  using folder = scratch();
  using store = Store.open(folder.path);
  const asking = (text: string) => ({
    messages: [message("[template: come_back]"), message(text)],
    heldFrom: 1,
    since: SINCE,
    judge: yes,
  });
  await store.outbox.admit(asking("one"), NOW);
  await store.outbox.admit(asking("two"), NOW);
  await store.outbox.admit(
    {
      ...asking("other"),
      messages: asking("x").messages.map((each) => ({ ...each, to: { phone: "15559999999" } })),
    },
    NOW,
  );

  const rows = store.outbox
    .list({ all: true, limit: 9 })
    .map(({ contact, state, text }) => [contact === ANN, state, text]);

  expect(rows).toEqual([
    [true, "queued", "[template: come_back]"],
    [true, "held", "one"],
    [true, "held", "two"],
    [false, "queued", "[template: come_back]"],
    [false, "held", "x"],
  ]);
});

test("what is held is nobody's to send until the person writes, and then is as new", async () => {
  using folder = scratch();
  using store = Store.open(folder.path);
  await store.outbox.admit({ messages: [message("waits")], heldFrom: 0, since: SINCE, judge: yes }, NOW);

  expect(await store.outbox.dueContacts(NOW)).toEqual([]);
  await store.inbox.accept([inbound({ wamid: "wamid.old", sentAt: NOW - 25 * HOUR })], "poll", NOW);
  expect(await store.outbox.dueContacts(NOW)).toEqual([]);
  const later = NOW + 48 * HOUR;
  await store.inbox.accept([inbound({ wamid: "wamid.new", sentAt: later })], "poll", later);

  expect(await store.outbox.dueContacts(later)).toEqual([ANN]);
  expect(await store.outbox.claim(ANN, "me", later)).toMatchObject({ text: "waits", createdAt: later });
});

test("sweep() blanks what was said in a message of any kind", async () => {
  using folder = scratch();
  using store = Store.open(folder.path);
  const content = { type: "location", latitude: 1, longitude: 2 } as const;
  await enqueue(store.outbox, [{ ...message("[location: 1,2]"), content }], NOW);
  const claim = await store.outbox.claim(ANN, "me", NOW);
  expect(claim?.content).toEqual(content);
  if (claim) await store.outbox.accepted(claim, { wamid: "wamid.1" }, NOW);

  await store.sweep(NOW + HOUR, 0);

  expect(store.outbox.get(1)).toMatchObject({ text: "", content: undefined, wamid: "wamid.1" });
});
