import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { StateError } from "../../src/errors.ts";
import { Device } from "../../src/gateway/device.ts";
import type { Claim } from "../../src/pipeline/outbox.ts";
import { Database } from "../../src/store/database.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import { MIGRATIONS } from "../../src/store/schema.ts";
import { Store } from "../../src/store/store.ts";
import { makeWebhookSecret, readWebhookSecrets } from "../../src/store/webhook-secret.ts";
import { ANN, inbound, NOW } from "../inbound.ts";
import { enqueue } from "./enqueue.ts";

const SECOND = 1000;
const DAY = 86_400_000;
const BOB = "15550100002";

/** A folder of its own, removed at the end of the test. */
function scratch() {
  const path = mkdtempSync(join(tmpdir(), "wa-store-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function openStore() {
  const folder = scratch();
  const store = Store.open(folder.path);
  return {
    store,
    folder: folder.path,
    file: join(folder.path, "relay.db"),
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** The claim, which must be there. */
function held(claim: Claim | undefined): Claim {
  if (!claim) throw new Error("Nothing was claimed");
  return claim;
}

const source = (name: string) => new URL(`../../src/${name}`, import.meta.url).href;

/** Another process, which runs `code` with `Store`, `DaemonLock` and `folder` at hand and says something on stdout. */
function otherProcess(folder: string, code: string) {
  const script = `
    import { Store } from ${JSON.stringify(source("store/store.ts"))};
    import { DaemonLock } from ${JSON.stringify(source("store/lock.ts"))};
    const folder = process.argv[1];
    const say = (value) => process.stdout.write(JSON.stringify(value) + "\\n");
    ${code}`;
  return spawn(process.execPath, ["--input-type=module", "-e", script, folder], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** What it says first. */
async function firstWord(child: ReturnType<typeof otherProcess>): Promise<unknown> {
  let said = "";
  for await (const chunk of child.stdout) {
    said += String(chunk);
    if (said.includes("\n")) break;
  }
  return JSON.parse(said || "null");
}

const HOLD_LOCK = `
  globalThis.lock = DaemonLock.tryAcquire(folder);
  say(globalThis.lock ? "held" : "refused");
  if (globalThis.lock) setInterval(() => {}, 1000);`;

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** Many rows, so that half a file is a file cut in the middle of them. */
async function fill(store: Store): Promise<void> {
  const rows = Array.from({ length: 400 }, (_, index) =>
    inbound({ wamid: `wamid.F${index}`, text: "x".repeat(1000) }),
  );
  await store.inbox.accept(rows, "poll", NOW);
}

describe("inbox", () => {
  test("P2: accept() stores a message once, whoever brings it and however often", async () => {
    using world = openStore();
    const { inbox } = world.store;

    const first = await inbox.accept([inbound(), inbound()], "poll", NOW);
    const again = await inbox.accept([inbound({ text: "other" })], "webhook", NOW + 1);

    expect(first).toHaveLength(1);
    expect(again).toEqual([]);
    expect(await inbox.pending()).toEqual([
      {
        seq: first[0]?.seq,
        wamid: "wamid.A",
        contact: ANN,
        from: { phone: ANN },
        sentAt: NOW,
        hasMedia: false,
      },
    ]);
    expect((await inbox.question(first[0]?.seq ?? 0))?.content).toEqual({ type: "text", text: "hello" });
  });

  test("P2: accept() knows a message again after it was settled and after a restart", async () => {
    using folder = scratch();
    {
      using store = Store.open(folder.path);
      const [accepted] = await store.inbox.accept([inbound()], "poll", NOW);
      await store.inbox.settle(accepted?.seq ?? 0, { state: "silent", replies: [] }, NOW);
    }
    using store = Store.open(folder.path);

    expect(await store.inbox.accept([inbound()], "poll", NOW + 7 * DAY)).toEqual([]);
    expect(store.inbox.counts()).toEqual({ silent: 1 });
  });

  test("accept() keeps messages of two of our numbers apart though the wamid is the same", async () => {
    using world = openStore();

    const accepted = await world.store.inbox.accept(
      [inbound({ phoneNumberId: "100" }), inbound({ phoneNumberId: "200" })],
      "poll",
      NOW,
    );

    expect(accepted).toHaveLength(2);
  });

  test("P2: two connections that accept the same messages at once store each once", async () => {
    using world = openStore();
    using second = Store.open(world.folder);
    const messages = Array.from({ length: 50 }, (_, index) => inbound({ wamid: `wamid.${index}` }));

    const results = await Promise.all([
      ...messages.map((message) => world.store.inbox.accept([message], "poll", NOW)),
      ...messages.map((message) => second.inbox.accept([message], "webhook", NOW)),
    ]);

    expect(results.flat()).toHaveLength(50);
    expect(await second.inbox.pending()).toHaveLength(50);
  });

  test("P2: two processes that accept the same messages at once store each once", async () => {
    using folder = scratch();
    Store.open(folder.path)[Symbol.dispose]();
    const code = `
      const store = Store.open(folder);
      let added = 0;
      for (let index = 0; index < 150; index++)
        added += (await store.inbox.accept([{ wamid: "wamid." + index, phoneNumberId: "100", from: { phone: "${ANN}" },
          content: { type: "text", text: "t" }, sentAt: ${NOW} }], "poll", ${NOW})).length;
      say(added);`;

    const added = await Promise.all([1, 2].map(() => firstWord(otherProcess(folder.path, code))));

    expect(Number(added[0]) + Number(added[1])).toBe(150);
    using store = Store.open(folder.path);
    expect(await store.inbox.pending()).toHaveLength(150);
  });

  test("P3: pending() gives messages in the order in which they were accepted, across restarts", async () => {
    using folder = scratch();
    const wamids = ["wamid.c", "wamid.a", "wamid.b"];
    for (const [index, wamid] of wamids.entries()) {
      using store = Store.open(folder.path);
      await store.inbox.accept([inbound({ wamid, sentAt: NOW - index * SECOND })], "poll", NOW);
    }
    using store = Store.open(folder.path);

    const questions = [];
    for (const { seq } of await store.inbox.pending()) questions.push(await store.inbox.question(seq));

    expect(questions.map((question) => question?.wamid)).toEqual(wamids);
  });

  test("P1: what accept() resolved for is on disk though the process is killed at once", async () => {
    using folder = scratch();
    const child = otherProcess(
      folder.path,
      `const store = Store.open(folder);
       await store.inbox.accept([{ wamid: "wamid.K", phoneNumberId: "100", from: { phone: "${ANN}" }, content: { type: "text", text: "kept" }, sentAt: ${NOW} }], "poll", ${NOW});
       process.kill(process.pid, "SIGKILL");`,
    );
    await once(child, "exit");

    using store = Store.open(folder.path, { ownsLock: true });

    expect(store.setAside).toBeUndefined();
    expect(await store.inbox.pending()).toHaveLength(1);
  });

  test("accept() keeps a passive message without making it pending", async () => {
    using world = openStore();
    const { inbox } = world.store;

    const accepted = await inbox.accept([inbound({ passive: "history" })], "poll", NOW);

    expect(accepted).toEqual([]);
    expect(await inbox.pending()).toEqual([]);
    expect(inbox.counts()).toEqual({ history: 1 });
  });

  test("accept() keeps both ids of a person and a name, and question() gives them back", async () => {
    using world = openStore();
    const { inbox } = world.store;
    const from = { phone: ANN, bsuid: "US.77" };

    const [accepted] = await inbox.accept([inbound({ from, name: "Ann" })], "poll", NOW + 5);

    expect(await inbox.question(accepted?.seq ?? 0)).toEqual({
      ...inbound({ from, name: "Ann" }),
      seq: accepted?.seq,
      contact: ANN,
      receivedAt: NOW + 5,
      quoted: undefined,
      notes: [],
    });
  });

  test("P2: settle() queues the replies once, however often it is called", async () => {
    using world = openStore();
    const { inbox, outbox } = world.store;
    const [accepted] = await inbox.accept([inbound()], "poll", NOW);
    const seq = accepted?.seq ?? 0;
    const replies = ["one", "two"].map((text) => ({ to: { phone: ANN }, text }));

    await Promise.all([
      inbox.settle(seq, { state: "answered", replies }, NOW),
      inbox.settle(seq, { state: "answered", replies }, NOW),
    ]);
    await inbox.settle(seq, { state: "failed", replies }, NOW);

    expect(outbox.list({ all: true, limit: 10 }).map(({ text }) => text)).toEqual(["one", "two"]);
    expect(inbox.counts()).toEqual({ answered: 1 });
    expect(await inbox.question(seq)).toBeUndefined();
  });

  test("settle() is atomic: when a reply can not be queued, the message stays pending", async () => {
    using world = openStore();
    const { inbox, outbox } = world.store;
    const [accepted] = await inbox.accept([inbound()], "poll", NOW);
    const seq = accepted?.seq ?? 0;
    const replies = [
      { to: { phone: ANN }, text: "fine" },
      { to: { phone: ANN }, text: null as unknown as string },
    ];

    await expect(inbox.settle(seq, { state: "answered", replies }, NOW)).rejects.toThrow("NOT NULL");

    expect(await inbox.pending()).toHaveLength(1);
    expect(outbox.list({ all: true, limit: 10 })).toEqual([]);
  });

  test("settle() queues a notice once a period", async () => {
    using world = openStore();
    const { inbox, outbox } = world.store;
    const replies = [{ to: { phone: ANN }, text: "not for you" }];
    const told = [];

    for (const [index, at] of [NOW, NOW + 1, NOW + DAY - 1, NOW + DAY].entries()) {
      const [accepted] = await inbox.accept([inbound({ wamid: `wamid.${index}` })], "poll", NOW);
      await inbox.settle(accepted?.seq ?? 0, { state: "denied", replies, noticePeriodMs: DAY }, at);
      told.push(outbox.list({ all: true, limit: 10 }).length);
    }

    expect(told).toEqual([1, 1, 1, 2]);
  });

  test("quarantine() keeps a row once and cuts a huge one", async () => {
    using world = openStore();
    const { inbox } = world.store;
    const rows = [
      { raw: "{}", reason: "timestamp" },
      { raw: "y".repeat(1_000_000), reason: "type" },
    ];

    expect(await inbox.quarantine(rows, NOW)).toBe(2);
    expect(await inbox.quarantine(rows, NOW)).toBe(0);

    expect(inbox.quarantined()).toBe(2);
  });

  test("coverage() counts what only polling brought, and forgets it when the webhook comes after all", async () => {
    using world = openStore();
    const { inbox } = world.store;
    await inbox.accept([inbound({ wamid: "1" }), inbound({ wamid: "2" })], "poll", NOW);
    await inbox.accept([inbound({ wamid: "2" }), inbound({ wamid: "3" })], "webhook", NOW + 5);
    await inbox.accept([inbound({ wamid: "3" })], "poll", NOW + 6);

    expect(await inbox.coverage(NOW, NOW + 100, 0)).toEqual({ total: 3, missed: 1 });
    await inbox.accept([inbound({ wamid: "1" })], "webhook", NOW + 50_000);

    expect(await inbox.coverage(NOW, NOW + 100, 0)).toEqual({ total: 3, missed: 0 });
    expect(await inbox.coverage(NOW, NOW + 100, NOW * 2)).toEqual({ total: 0, missed: 0 });
    expect(inbox.lastBroughtAt("webhook")).toBe(NOW + 50_000);
    expect(inbox.lastBroughtAt("poll")).toBe(NOW + 6);
  });
});

describe("Database", () => {
  test("a failing write in a group commit undoes only itself", async () => {
    using folder = scratch();
    using db = new Database(join(folder.path, "x.db"));
    db.migrate(["CREATE TABLE t (v INTEGER PRIMARY KEY) STRICT"]);
    const insert = (v: number) => db.run("INSERT INTO t (v) VALUES (:v)", { v });

    const results = await Promise.allSettled([
      db.write(() => insert(1)),
      db.write(() => {
        insert(2);
        throw new Error("a fault after a change");
      }),
      db.write(() => insert(1)),
      db.write(() => insert(3)),
    ]);

    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(db.all("SELECT v FROM t ORDER BY v").map((row) => row["v"])).toEqual([1, 3]);
  });

  test("P1: a write after a commit that kept nothing still reaches the disk", async () => {
    using folder = scratch();
    using db = new Database(join(folder.path, "x.db"));
    db.migrate(["CREATE TABLE t (v INTEGER PRIMARY KEY) STRICT"]);
    const failed = db.write(() => {
      throw new Error("a fault");
    });
    await expect(failed).rejects.toThrow("a fault");

    await db.write(() => db.run("INSERT INTO t (v) VALUES (1)"));

    expect(db.all("SELECT v FROM t")).toHaveLength(1);
  });

  test("a write that was asked for before the file is closed is kept", async () => {
    using folder = scratch();
    const path = join(folder.path, "x.db");
    const db = new Database(path);
    db.migrate(["CREATE TABLE t (v INTEGER PRIMARY KEY) STRICT"]);
    const write = db.write(() => db.run("INSERT INTO t (v) VALUES (1)"));
    db[Symbol.dispose]();
    await write;

    using again = new Database(path);
    expect(again.all("SELECT v FROM t")).toHaveLength(1);
  });

  test("P8: a write after the file was closed rejects and leaves the process alive", async () => {
    using folder = scratch();
    const child = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { Database } from ${JSON.stringify(source("store/database.ts"))};
         const db = new Database(process.argv[1]);
         db[Symbol.dispose]();
         await db.write(() => 1).catch(() => process.stdout.write("rejected"));`,
        join(folder.path, "x.db"),
      ],
      { stdio: ["ignore", "ignore", "ignore"] },
    );

    expect(await once(child, "exit")).toEqual([0, null]);
  });
});

describe("files", () => {
  test("P9: the folder is 0700 and every file in it 0600", async () => {
    using parent = scratch();
    const folder = join(parent.path, "deep", "state");
    using lock = DaemonLock.tryAcquire(folder);
    using store = Store.open(folder, { ownsLock: true });
    await store.inbox.accept([inbound()], "poll", NOW);
    Device.load(folder);

    expect(lock).toBeDefined();
    expect(modeOf(folder)).toBe("700");
    const files = readdirSync(folder);
    expect(files).toEqual(
      expect.arrayContaining(["daemon.lock", "device.json", "relay.db", "relay.db-shm", "relay.db-wal"]),
    );
    for (const name of files) expect([name, modeOf(join(folder, name))]).toEqual([name, "600"]);
  });

  test("P9: an existing folder that others can read is closed to them", () => {
    using parent = scratch();
    const folder = join(parent.path, "state");
    mkdirSync(folder);
    chmodSync(folder, 0o755);

    Store.open(folder)[Symbol.dispose]();

    expect(modeOf(folder)).toBe("700");
  });

  test("P9: an existing state file that others can read is closed to them", () => {
    using folder = scratch();
    const file = join(folder.path, "relay.db");
    Store.open(folder.path)[Symbol.dispose]();
    chmodSync(file, 0o644);

    Store.open(folder.path)[Symbol.dispose]();

    expect(modeOf(file)).toBe("600");
  });

  test("a folder that can not be made is a StateError with a hint", () => {
    using folder = scratch();
    writeFileSync(join(folder.path, "file"), "");

    const open = () => Store.open(join(folder.path, "file", "state"));

    expect(open).toThrow(StateError);
    expect(open).toThrow("Cannot use the state folder");
  });

  test("P1: a state file of the schema before webhooks opens with all that it holds", () => {
    using folder = scratch();
    const [first = ""] = MIGRATIONS;
    const old = new DatabaseSync(join(folder.path, "relay.db"));
    old.exec(`${first}; PRAGMA user_version = 1`);
    old.exec(
      `INSERT INTO inbox (phone_number_id, wamid, contact, phone, kind, text, sent_at, received_at, source, state)
       VALUES ('100', 'wamid.A', '${ANN}', '${ANN}', 'text', 'waiting', ${NOW}, ${NOW}, 'poll', 'pending')`,
    );
    old.close();

    using store = Store.open(folder.path);

    expect(store.inbox.counts()).toEqual({ pending: 1 });
    expect(store.inbox.lastBroughtAt("poll")).toBe(NOW);
  });

  test("the lock is refused to another process, and free again after kill -9", async () => {
    using folder = scratch();
    const holder = otherProcess(folder.path, HOLD_LOCK);
    expect(await firstWord(holder)).toBe("held");

    const inThisProcess = DaemonLock.tryAcquire(folder.path);
    const inAThird = await firstWord(otherProcess(folder.path, HOLD_LOCK));
    holder.kill("SIGKILL");
    await once(holder, "exit");
    using afterwards = DaemonLock.tryAcquire(folder.path);

    expect(inThisProcess).toBeUndefined();
    expect(inAThird).toBe("refused");
    expect(afterwards).toBeDefined();
  });

  test("the lock is free again after it was disposed", () => {
    using folder = scratch();

    DaemonLock.tryAcquire(folder.path)?.[Symbol.dispose]();
    using second = DaemonLock.tryAcquire(folder.path);

    expect(second).toBeDefined();
  });

  test("the lock keeps other processes out after its own process tried to take it once more", async () => {
    using folder = scratch();
    using held = DaemonLock.tryAcquire(folder.path);
    expect(held).toBeDefined();
    expect(DaemonLock.tryAcquire(folder.path)).toBeUndefined();

    const other = otherProcess(folder.path, HOLD_LOCK);
    const said = await firstWord(other);
    other.kill("SIGKILL");

    expect(said).toBe("refused");
  });
});

/** Writes a state file, then damages it. */
async function damage(folder: string, how: "garbage" | "cut"): Promise<string> {
  const file = join(folder, "relay.db");
  {
    using store = Store.open(folder);
    await fill(store);
  }
  if (how === "garbage") writeFileSync(file, Buffer.alloc(20_000, "no database "));
  else truncateSync(file, Math.floor(statSync(file).size / 2 / 4096) * 4096 + 100);
  return file;
}

describe("damage", () => {
  test.each(["garbage", "cut"] as const)(
    "open() with repair moves a damaged file aside and begins a new one: %s",
    async (how) => {
      using folder = scratch();
      const file = await damage(folder.path, how);
      const damaged = readFileSync(file);
      const lastWrite = new Date(NOW - DAY);
      utimesSync(file, lastWrite, lastWrite);

      using store = Store.open(folder.path, { ownsLock: true });
      const accepted = await store.inbox.accept([inbound()], "poll", NOW);

      expect(accepted).toHaveLength(1);
      expect(store.setAside?.lastWriteAt).toBe(lastWrite.getTime());
      expect(readFileSync(store.setAside?.path ?? "").equals(damaged)).toBe(true);
      expect(modeOf(file)).toBe("600");
    },
  );

  test("open() without repair refuses a file of garbage and leaves it as it is", async () => {
    using folder = scratch();
    const file = await damage(folder.path, "garbage");
    const damaged = readFileSync(file);

    expect(() => Store.open(folder.path)).toThrow(/is damaged/);

    expect(readFileSync(file).equals(damaged)).toBe(true);
    expect(readdirSync(folder.path).filter((name) => name.includes("damaged"))).toEqual([]);
  });

  test("open() without repair refuses a file that was cut", async () => {
    using folder = scratch();
    await damage(folder.path, "cut");

    expect(() => Store.open(folder.path)).toThrow(/is damaged/);
  });

  test("P1: a damaged file with a write-ahead log left by kill -9 tells when it was last written", async () => {
    using folder = scratch();
    using copy = scratch();
    {
      using store = Store.open(folder.path);
      await fill(store);
    }
    const file = join(copy.path, "relay.db");
    {
      using store = Store.open(folder.path);
      await store.inbox.accept([inbound()], "poll", NOW);
      for (const suffix of ["", "-wal"]) copyFileSync(join(folder.path, `relay.db${suffix}`), file + suffix);
    }
    truncateSync(file, 50 * 4096);
    const lastWrite = new Date(NOW - DAY);
    for (const suffix of ["", "-wal"]) utimesSync(file + suffix, lastWrite, lastWrite);

    using store = Store.open(copy.path, { ownsLock: true });

    expect(store.setAside?.lastWriteAt).toBe(lastWrite.getTime());
  });

  test("open() refuses a file of a newer version and leaves it there, with repair too", () => {
    using folder = scratch();
    const file = join(folder.path, "relay.db");
    Store.open(folder.path)[Symbol.dispose]();
    const raw = new DatabaseSync(file);
    raw.exec("PRAGMA user_version = 999");
    raw.close();

    for (const ownsLock of [false, true])
      expect(() => Store.open(folder.path, { ownsLock })).toThrow(/newer version/);

    expect(existsSync(file)).toBe(true);
    expect(readdirSync(folder.path).filter((name) => name.includes("damaged"))).toEqual([]);
  });
});

describe("retention", () => {
  /** One settled message with an accepted, and one with a dead reply. */
  async function settled(store: Store) {
    const { inbox, outbox } = store;
    const [first, second] = await inbox.accept(
      [inbound({ wamid: "wamid.1", name: "Ann" }), inbound({ wamid: "wamid.2", from: { phone: BOB } })],
      "poll",
      NOW,
    );
    await inbox.settle(
      first?.seq ?? 0,
      { state: "answered", replies: [{ to: { phone: ANN }, text: "a" }] },
      NOW,
    );
    await inbox.settle(
      second?.seq ?? 0,
      { state: "answered", replies: [{ to: { phone: BOB }, text: "b" }] },
      NOW,
    );
    const good = await outbox.claim(ANN, "daemon", NOW);
    const bad = await outbox.claim(BOB, "daemon", NOW);
    await outbox.accepted(held(good), { wamid: "wamid.OUT" }, NOW);
    await outbox.dead(held(bad), { error: "refused" }, NOW);
  }

  const texts = (file: string, table: string) => {
    const raw = new DatabaseSync(file, { readOnly: true });
    const rows = raw.prepare(`SELECT text FROM ${table} ORDER BY 1`).all();
    raw.close();
    return rows.map((row) => row["text"]);
  };

  test("P9: sweep() blanks texts of what is done after their time, not of dead letters", async () => {
    using world = openStore();
    await settled(world.store);

    await world.store.sweep(NOW + 1000, 1001);
    expect(texts(world.file, "inbox")).toEqual(["hello", "hello"]);
    await world.store.sweep(NOW + 1002, 1001);

    expect(texts(world.file, "inbox")).toEqual(["", ""]);
    expect(texts(world.file, "outbox")).toEqual(["", "b"]);
  });

  test("P2: sweep() keeps the keys for 8 days though the texts are gone, then lets them go", async () => {
    using world = openStore();
    await settled(world.store);
    const { store } = world;
    const known = () => store.inbox.accept([inbound({ wamid: "wamid.1" })], "poll", NOW);

    await store.sweep(NOW + 8 * DAY - 1, 0);
    expect(await known()).toEqual([]);
    expect(await store.outbox.isKnown("wamid.OUT")).toBe(true);
    await store.sweep(NOW + 8 * DAY + 1, 0);

    expect(store.inbox.counts()).toEqual({});
    expect(store.outbox.counts()).toEqual({ dead: 1 });
  });

  test("sweep() keeps dead letters for 30 days and unreadable rows for 8", async () => {
    using world = openStore();
    await settled(world.store);
    const { store } = world;
    await store.inbox.quarantine([{ raw: "{}", reason: "r" }], NOW);

    await store.sweep(NOW + 8 * DAY - 1, 0);
    expect(store.inbox.quarantined()).toBe(1);
    await store.sweep(NOW + 30 * DAY - 1, 0);
    expect(store.inbox.quarantined()).toBe(0);
    expect(store.outbox.counts()).toEqual({ dead: 1 });
    await store.sweep(NOW + 30 * DAY + 1, 0);

    expect(store.outbox.counts()).toEqual({});
  });

  test("P1: sweep() never touches what is pending or on its way", async () => {
    using world = openStore();
    const { store } = world;
    await store.inbox.accept([inbound()], "poll", NOW);
    await enqueue(store.outbox, [{ to: { phone: ANN }, text: "waits" }], NOW);

    await store.sweep(NOW + 1000 * DAY, 0);

    expect(await store.inbox.pending()).toHaveLength(1);
    expect(texts(world.file, "inbox")).toEqual(["hello"]);
    expect(texts(world.file, "outbox")).toEqual(["waits"]);
  });
});

describe("outbox", () => {
  const to = { phone: ANN };

  test("P3: claim() gives a person's rows in order and one at a time, and people side by side", async () => {
    using world = openStore();
    const { outbox } = world.store;
    const [first, second] = await enqueue(
      outbox,
      [
        { to, text: "1" },
        { to, text: "2" },
      ],
      NOW,
    );
    await enqueue(outbox, [{ to: { phone: BOB }, text: "b" }], NOW);

    const head = await outbox.claim(ANN, "daemon", NOW);
    const whileSending = await outbox.claim(ANN, "daemon", NOW);
    const other = await outbox.claim(BOB, "daemon", NOW);
    await outbox.accepted(held(head), { wamid: "wamid.O1" }, NOW);
    const next = await outbox.claim(ANN, "daemon", NOW);

    expect(head).toMatchObject({ id: first, text: "1", attempts: 1, to, doubtfulSince: undefined });
    expect(whileSending).toBeUndefined();
    expect(other?.text).toBe("b");
    expect(next?.id).toBe(second);
  });

  test("each row has a tracking id of its own that stays the same over tries", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(
      outbox,
      [
        { to, text: "1" },
        { to, text: "2" },
      ],
      NOW,
    );

    const first = await outbox.claim(ANN, "daemon", NOW);
    await outbox.retryAt(held(first), NOW, { error: "busy" });
    const again = await outbox.claim(ANN, "daemon", NOW);

    expect(again).toMatchObject({ id: first?.id, attempts: 2, trackingId: first?.trackingId });
    expect(new Set(outbox.list({ all: true, limit: 9 }).map((row) => row.tracking_id)).size).toBe(2);
  });

  test("claim() waits for the head's time though a later row is due", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(outbox, [{ to, text: "1" }], NOW);
    const head = await outbox.claim(ANN, "daemon", NOW);
    await outbox.retryAt(held(head), NOW + 5000, { error: "busy" });
    await enqueue(outbox, [{ to, text: "2" }], NOW);

    const early = await outbox.claim(ANN, "daemon", NOW + 4999);
    const contactsEarly = await outbox.dueContacts(NOW + 4999);
    const contacts = await outbox.dueContacts(NOW + 5000);
    const due = await outbox.claim(ANN, "daemon", NOW + 5000);

    expect(early).toBeUndefined();
    expect(contactsEarly).toEqual([]);
    expect(contacts).toEqual([ANN]);
    expect(due?.text).toBe("1");
  });

  test("P7: a row in doubt comes before later ones, and comes as doubtful since its try began", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(
      outbox,
      [
        { to, text: "1" },
        { to, text: "2" },
      ],
      NOW,
    );
    const head = await outbox.claim(ANN, "daemon", NOW + 7);
    await outbox.doubtUntil(held(head), NOW + 2000, "timeout");

    const early = await outbox.claim(ANN, "daemon", NOW + 1999);
    const due = await outbox.claim(ANN, "daemon", NOW + 2000);

    expect(early).toBeUndefined();
    expect(due).toMatchObject({ text: "1", doubtfulSince: NOW + 7, attempts: 1 });
  });

  test("P7: a claim that never came back becomes a doubt, not a second send", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(outbox, [{ to, text: "1" }], NOW);
    await outbox.claim(ANN, "wa-cli:1", NOW);

    const early = await outbox.claim(ANN, "daemon", NOW + 60_000);
    const contacts = await outbox.dueContacts(NOW + 90_000);
    const late = await outbox.claim(ANN, "daemon", NOW + 90_000);

    expect(early).toBeUndefined();
    expect(contacts).toEqual([ANN]);
    expect(late).toMatchObject({ text: "1", doubtfulSince: NOW });
  });

  test("P7: recover() puts only its own claims in doubt", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(outbox, [{ to, text: "mine" }], NOW);
    await enqueue(outbox, [{ to: { phone: BOB }, text: "of wa-cli" }], NOW);
    await outbox.claim(ANN, "daemon", NOW);
    await outbox.claim(BOB, "wa-cli:1", NOW);

    expect(await outbox.recover("daemon", NOW + 1)).toBe(1);

    expect(await outbox.claim(BOB, "daemon", NOW + 1)).toBeUndefined();
    expect(await outbox.claim(ANN, "daemon", NOW + 1)).toMatchObject({ text: "mine", doubtfulSince: NOW });
  });

  test("recover() leaves what waits for a valid key alone", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(outbox, [{ to, text: "waits" }], NOW);
    const claim = await outbox.claim(ANN, "daemon", NOW);
    await outbox.retryAt(held(claim), NOW + 600_000, { code: "credentials", error: "refused" });

    expect(await outbox.recover("cli:host:1", NOW + 1)).toBe(0);

    expect(await outbox.dueContacts(NOW + 1)).toEqual([]);
  });

  test("retryBlocked() lets what waited for a valid key be tried at once", async () => {
    using world = openStore();
    const { outbox } = world.store;
    for (const code of ["credentials", "131056"]) {
      await enqueue(outbox, [{ to: { phone: code === "credentials" ? ANN : BOB }, text: code }], NOW);
      const claim = await outbox.claim(code === "credentials" ? ANN : BOB, "daemon", NOW);
      await outbox.retryAt(held(claim), NOW + 600_000, { code, error: "refused" });
    }

    await outbox.retryBlocked(NOW + 1);

    expect(await outbox.claim(ANN, "daemon", NOW + 1)).toMatchObject({ text: "credentials" });
    expect(await outbox.claim(BOB, "daemon", NOW + 1)).toBeUndefined();
  });

  test("P2: two objects that claim at once never get the same row", async () => {
    using world = openStore();
    using second = Store.open(world.folder);
    const people = Array.from({ length: 40 }, (_, index) => `1555020${String(index).padStart(4, "0")}`);
    for (const phone of people) await enqueue(world.store.outbox, [{ to: { phone }, text: "t" }], NOW);

    const claims = await Promise.all(
      people.flatMap((phone) => [
        world.store.outbox.claim(phone, "a", NOW),
        second.outbox.claim(phone, "b", NOW),
      ]),
    );

    const ids = claims.flatMap((claim) => (claim ? [claim.id] : []));
    expect(ids).toHaveLength(40);
    expect(new Set(ids).size).toBe(40);
  });

  test("P2: two processes that claim at once never get the same row", async () => {
    using world = openStore();
    const people = Array.from({ length: 100 }, (_, index) => `1555030${String(index).padStart(4, "0")}`);
    for (const phone of people) await enqueue(world.store.outbox, [{ to: { phone }, text: "t" }], NOW);
    const code = `
      const store = Store.open(folder);
      const ids = [];
      for (const phone of ${JSON.stringify(people)}) {
        const claim = await store.outbox.claim(phone, String(process.pid), ${NOW});
        if (claim) ids.push(claim.id);
      }
      say(ids);`;

    const claimed = await Promise.all([1, 2].map(() => firstWord(otherProcess(world.folder, code))));

    const ids = claimed.flatMap((list) => (Array.isArray(list) ? list : []));
    expect(ids).toHaveLength(100);
    expect(new Set(ids).size).toBe(100);
  });

  test("P7: two objects never both get a row in doubt: both would look it up and send it again", async () => {
    using world = openStore();
    using second = Store.open(world.folder);
    const { outbox } = world.store;
    await enqueue(outbox, [{ to, text: "1" }], NOW);
    const head = await outbox.claim(ANN, "daemon", NOW);
    await outbox.doubtUntil(held(head), NOW, "timeout");

    const first = await outbox.claim(ANN, "daemon", NOW + 1);
    const other = await second.outbox.claim(ANN, "wa-cli:1", NOW + 1);

    expect(first).toBeDefined();
    expect(other).toBeUndefined();
  });

  test("P2: a claim that is renewed is nobody else's, however long it takes", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(outbox, [{ to, text: "a large file" }], NOW);
    const claim = held(await outbox.claim(ANN, "daemon", NOW));

    await outbox.renew(claim, NOW + 80_000);

    expect(await outbox.dueContacts(NOW + 100_000)).toEqual([]);
    expect(await outbox.claim(ANN, "wa-cli:1", NOW + 100_000)).toBeUndefined();
    expect(await outbox.claim(ANN, "wa-cli:1", NOW + 170_000)).toMatchObject({ doubtfulSince: NOW });
  });

  test("P7: who lost its claim to another can not make the other's row due again", async () => {
    using world = openStore();
    using second = Store.open(world.folder);
    const { outbox } = world.store;
    await enqueue(outbox, [{ to, text: "1" }], NOW);
    await outbox.claim(ANN, "slow", NOW);
    const inDoubt = await second.outbox.claim(ANN, "daemon", NOW + 90_000);
    await second.outbox.retryAt(held(inDoubt), NOW + 90_001, { error: "did not leave" });
    const sending = await second.outbox.claim(ANN, "daemon", NOW + 90_001);
    expect(sending?.doubtfulSince).toBeUndefined();

    await outbox.retryAt(held(inDoubt), NOW + 90_002, { error: "late word of the slow one" });

    expect(await outbox.claim(ANN, "slow", NOW + 90_002)).toBeUndefined();
  });

  test("dead() takes later parts of the same answer with it, and no other answer", async () => {
    using world = openStore();
    const { outbox } = world.store;
    const first = await enqueue(
      outbox,
      ["1", "2", "3"].map((text) => ({ to, text })),
      NOW,
    );
    const other = await enqueue(outbox, [{ to, text: "other answer" }], NOW);
    const head = await outbox.claim(ANN, "daemon", NOW);
    await outbox.accepted(held(head), { wamid: "wamid.O1" }, NOW);
    const second = await outbox.claim(ANN, "daemon", NOW);

    await outbox.dead(held(second), { code: "131026", error: "undeliverable" }, NOW);

    expect(first.map((id) => outbox.get(id)?.state)).toEqual(["accepted", "dead", "dead"]);
    expect(outbox.get(second?.id ?? 0)).toMatchObject({ code: "131026", error: "undeliverable" });
    expect((await outbox.claim(ANN, "daemon", NOW))?.id).toBe(other[0]);
  });

  test("revive() queues a dead row again, and no other", async () => {
    using world = openStore();
    const { outbox } = world.store;
    const [id = 0] = await enqueue(outbox, [{ to, text: "1" }], NOW);
    expect(await outbox.revive(id, NOW)).toBe(false);
    await outbox.dead(held(await outbox.claim(ANN, "daemon", NOW)), { error: "refused" }, NOW);

    expect(await outbox.revive(id, NOW + 5)).toBe(true);

    expect(await outbox.claim(ANN, "daemon", NOW + 5)).toMatchObject({ id, attempts: 1 });
  });

  test("drop() takes off what nobody sends, and nothing else", async () => {
    using world = openStore();
    const { outbox } = world.store;
    const [queued = 0] = await enqueue(outbox, [{ to: { phone: BOB }, text: "b" }], NOW);
    const [sending = 0] = await enqueue(outbox, [{ to, text: "1" }], NOW);
    const claim = held(await outbox.claim(ANN, "daemon", NOW));

    expect(await outbox.drop(sending)).toBe(false);
    await outbox.accepted(claim, { wamid: "wamid.O1" }, NOW);
    expect(await outbox.drop(sending)).toBe(false);
    expect(await outbox.drop(queued)).toBe(true);
    expect(await outbox.drop(queued)).toBe(false);

    expect(outbox.get(queued)).toBeUndefined();
  });

  test("P7: withdraw() stops a queued row for good, and leaves one that is being sent", async () => {
    using world = openStore();
    const { outbox } = world.store;
    const [queued = 0] = await enqueue(outbox, [{ to: { phone: BOB }, text: "b" }], NOW);
    const [sending = 0] = await enqueue(outbox, [{ to, text: "1" }], NOW);
    await outbox.claim(ANN, "daemon", NOW);

    await outbox.withdraw(queued, "gave up waiting", NOW);
    await outbox.withdraw(sending, "gave up waiting", NOW);

    expect(outbox.get(queued)).toMatchObject({ state: "dead", code: "withdrawn" });
    expect(outbox.get(sending)?.state).toBe("sending");
    expect(await outbox.claim(BOB, "daemon", NOW)).toBeUndefined();
  });

  test("P2: what is settled is not made open again by a late word", async () => {
    using world = openStore();
    const { outbox } = world.store;
    const [id = 0] = await enqueue(outbox, [{ to, text: "1" }], NOW);
    const claim = held(await outbox.claim(ANN, "daemon", NOW));
    await outbox.accepted(claim, { wamid: "wamid.O1" }, NOW);

    await outbox.retryAt(claim, NOW, { error: "late" });
    await outbox.doubtUntil(claim, NOW, "late");
    await outbox.dead(claim, { error: "late" }, NOW);

    expect(outbox.get(id)).toMatchObject({ state: "accepted", wamid: "wamid.O1" });
  });

  test("rows of a person who has only a user id are found under it", async () => {
    using world = openStore();
    const { outbox } = world.store;
    await enqueue(outbox, [{ to: { bsuid: "US.77" }, text: "1" }], NOW);

    expect(await outbox.dueContacts(NOW)).toEqual(["US.77"]);
    expect((await outbox.claim("US.77", "daemon", NOW))?.to).toEqual({ bsuid: "US.77" });
  });
});

describe("facts", () => {
  test("a fact survives and tells when it changed", async () => {
    using folder = scratch();
    {
      using store = Store.open(folder.path);
      await store.facts.set("colour", "red", NOW);
      await store.facts.set("colour", "blue", NOW + 1);
    }
    using store = Store.open(folder.path);

    expect(store.facts.get("colour")).toEqual({ value: "blue", changedAt: NOW + 1 });
    expect(store.facts.get("none")).toBeUndefined();
  });

  test("P1: a cursor never moves back", async () => {
    using world = openStore();
    const { facts } = world.store;
    expect(await facts.cursor("poll")).toBeUndefined();

    for (const to of [100, 50, 100.9, 99]) await facts.moveCursor("poll", to, NOW);

    expect(await facts.cursor("poll")).toBe(100);
    expect(await facts.cursor("webhook")).toBeUndefined();
  });

  test("P1: a cursor never moves back when two move it at once", async () => {
    using world = openStore();
    const { facts } = world.store;

    await Promise.all([facts.moveCursor("poll", 100, NOW), facts.moveCursor("poll", 50, NOW)]);

    expect(await facts.cursor("poll")).toBe(100);
  });
});

describe("the webhook secret", () => {
  test("is made once, and is nobody else's to read", () => {
    using folder = scratch();

    const secret = makeWebhookSecret(folder.path);

    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect(makeWebhookSecret(folder.path)).toBe(secret);
    expect(statSync(join(folder.path, "webhook-secret")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(["webhook-secret"]);
  });

  test("P4: an empty file, as a power cut may leave one, is no secret and is replaced", () => {
    using folder = scratch();
    writeFileSync(join(folder.path, "webhook-secret"), "\n");
    const settings = { secret: undefined, oldSecrets: [] };

    const before = readWebhookSecrets(folder.path, settings);
    const secret = makeWebhookSecret(folder.path);

    expect(before).toEqual({ ours: undefined, all: [] });
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect(readWebhookSecrets(folder.path, settings)).toEqual({ ours: secret, all: [secret] });
  });

  test("that we made is still believed when another is configured", () => {
    using folder = scratch();
    const made = makeWebhookSecret(folder.path);

    const secrets = readWebhookSecrets(folder.path, { secret: "new", oldSecrets: ["old", "new"] });

    expect(secrets).toEqual({ ours: "new", all: ["new", made, "old"] });
  });
});
