import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Content } from "../content.ts";
import { describeError, StateError } from "../errors.ts";
import { Database } from "./database.ts";
import { SqliteFacts } from "./facts.ts";
import { prepareFile, prepareFolder, requireOwn } from "./folder.ts";
import { SqliteInbox } from "./inbox.ts";
import { DaemonLock } from "./lock.ts";
import { SqliteOutbox } from "./outbox.ts";
import { SqliteRecords } from "./records.ts";
import { SqlitePeople } from "./people.ts";
import { SqliteStatuses } from "./statuses.ts";
import { MIGRATIONS } from "./schema.ts";

const DAY_MS = 86_400_000;
/** Meta delivers a webhook again for up to 7 days, so the keys that recognise it live longer (promise P2). */
const KEYS_MS = 8 * DAY_MS;
const DEAD_LETTERS_MS = 30 * DAY_MS;
/** A held message is old news by then. */
const HELD_MS = 7 * DAY_MS;
const CONTACTS_MS = 400 * DAY_MS;
const FILE = "relay.db";
/** SQLite keeps two more files beside it while it is open, or after a crash. */
const SUFFIXES = ["", "-wal", "-shm"];
const LOCK_TRIES = 60;
const LOCK_STEP_MS = 50;

/** A damaged file that was moved away when the store was opened. */
export interface SetAside {
  readonly path: string;
  /** When the damaged file was last written; what is older had been dealt with. */
  readonly lastWriteAt: number;
}

export interface StoreOptions {
  /** Only the holder of the daemon's lock repairs: it moves a damaged file aside. */
  readonly ownsLock?: boolean;
  /** Which messages wait for an answer; without, those to which people expect one. */
  readonly startsTurn?: ((content: Content) => boolean) | undefined;
}

/** Everything that must survive: one SQLite file in the state folder. */
export class Store implements Disposable {
  readonly inbox: SqliteInbox;
  readonly outbox: SqliteOutbox;
  readonly statuses: SqliteStatuses;
  readonly facts: SqliteFacts;
  readonly records: SqliteRecords;
  readonly people: SqlitePeople;
  readonly setAside: SetAside | undefined;
  readonly #db: Database;

  private constructor(db: Database, { startsTurn }: StoreOptions, setAside?: SetAside) {
    this.#db = db;
    this.setAside = setAside;
    this.inbox = new SqliteInbox(db, startsTurn);
    this.outbox = new SqliteOutbox(db);
    this.statuses = new SqliteStatuses(db);
    this.facts = new SqliteFacts(db);
    this.records = new SqliteRecords(db);
    this.people = new SqlitePeople(db);
  }

  /**
   * Opens the file that is there, or makes it.
   * @throws StateError
   */
  static open(folder: string, options: StoreOptions = {}): Store {
    const { ownsLock = false } = options;
    prepareFolder(folder);
    const path = join(folder, FILE);
    try {
      return new Store(openDatabase(path, ownsLock), options);
    } catch (error) {
      if (!ownsLock || !isDamage(error)) throw asStateError(error, path);
      const setAside = moveAside(path);
      return new Store(openDatabase(path, true), options, setAside);
    }
  }

  /**
   * Opens the file that is there to look only: nothing is made, mended or brought up to date. Undefined when there is
   * none, or another version wrote it.
   * @throws StateError
   */
  static peek(folder: string): Store | undefined {
    const path = join(folder, FILE);
    if (!existsSync(path)) return undefined;
    try {
      const db = new Database(path, { isReadOnly: true });
      if (db.isCurrent(MIGRATIONS)) return new Store(db, {});
      db[Symbol.dispose]();
      return undefined;
    } catch (error) {
      throw asStateError(error, path);
    }
  }

  /** True when something was kept in this folder before. */
  static exists(folder: string): boolean {
    return existsSync(join(folder, FILE));
  }

  /** Forgets all that is kept in this folder; nobody may have it open. */
  static remove(folder: string): void {
    for (const suffix of SUFFIXES) rmSync(join(folder, FILE + suffix), { force: true });
  }

  /** Deletes what is past its time and blanks texts that are no longer needed. */
  async sweep(now: number, keepTextMs: number): Promise<void> {
    const run = (sql: string, ageMs: number) =>
      this.#db.write(() => this.#db.run(sql, { before: now - ageMs }));
    await run(
      "UPDATE inbox SET text = '', name = NULL, content = NULL, extras = NULL WHERE settled_at < :before AND text != ''",
      keepTextMs,
    );
    await run(
      "UPDATE outbox SET text = '', media = NULL, content = NULL WHERE state = 'accepted' AND settled_at < :before AND (text != '' OR media IS NOT NULL)",
      keepTextMs,
    );
    await this.#db.write(() =>
      this.#db.run(
        `UPDATE outbox SET state = 'dead', code = 'not-opened', settled_at = :now, error = 'The person did not write within 7 days'
         WHERE state = 'held' AND created_at < :before`,
        { now, before: now - HELD_MS },
      ),
    );
    await run("DELETE FROM outbox WHERE state = 'accepted' AND settled_at < :before", KEYS_MS);
    await run("DELETE FROM outbox WHERE state = 'dead' AND settled_at < :before", DEAD_LETTERS_MS);
    await run("DELETE FROM inbox WHERE state != 'pending' AND received_at < :before", KEYS_MS);
    await run("DELETE FROM quarantine WHERE seen_at < :before", KEYS_MS);
    await run(
      `DELETE FROM contact WHERE last_inbound_at < :before
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.contact = contact.id)`,
      CONTACTS_MS,
    );
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}

function openDatabase(path: string, ownsLock: boolean): Database {
  const isNew = !existsSync(path);
  // Made before SQLite opens it: its -wal and -shm files take over the mode of this one.
  prepareFile(path);
  const db = new Database(path);
  try {
    if (!isNew && ownsLock && !db.isSound()) throw new DamageError("SQLite's quick_check found damage");
    if (!db.isCurrent(MIGRATIONS)) migrate(db, path, ownsLock);
    return db;
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

/** The schema changes only under the lock: a daemon of another version may be at work. */
function migrate(db: Database, path: string, ownsLock: boolean): void {
  using lock = ownsLock ? undefined : waitForLock(db, dirname(path));
  if (db.isCurrent(MIGRATIONS)) return;
  if (!ownsLock && !lock)
    throw new StateError("The running wa-poller is of another version than this program", {
      hint: "restart wa-poller, so that both are of the same version",
    });
  db.migrate(MIGRATIONS);
}

/** Another `wa-cli` may be making the tables right now, which takes a moment. */
function waitForLock(db: Database, folder: string): DaemonLock | undefined {
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    const lock = DaemonLock.tryAcquire(folder);
    if (lock || db.isCurrent(MIGRATIONS)) return lock;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_STEP_MS);
  }
  return undefined;
}

class DamageError extends Error {}

function isDamage(error: unknown): boolean {
  if (error instanceof DamageError) return true;
  // SQLITE_CORRUPT and SQLITE_NOTADB, https://sqlite.org/rescode.html
  return error instanceof Error && "errcode" in error && (error.errcode === 11 || error.errcode === 26);
}

function moveAside(path: string): SetAside {
  const lastWriteAt = Math.max(
    ...[path, `${path}-wal`].filter(existsSync).map((file) => statSync(file).mtimeMs),
  );
  const target = `${path}.damaged-${new Date().toISOString().replaceAll(":", "")}`;
  for (const suffix of SUFFIXES) if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  return { path: target, lastWriteAt };
}

function asStateError(error: unknown, path: string): StateError {
  if (error instanceof StateError) return error;
  if (isDamage(error))
    return new StateError(`The state file ${path} is damaged`, {
      cause: error,
      hint: "start wa-poller: it moves the file aside and begins a new one",
    });
  // SQLite does not tell which of its files it may not open.
  for (const suffix of SUFFIXES) requireOwn(path + suffix);
  return new StateError(`Cannot open the state file ${path}: ${describeError(error)}`, {
    cause: error,
    hint: "check that the disk is writable and has room",
  });
}
