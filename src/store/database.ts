import { closeSync, fdatasync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { describeError, StateError } from "../errors.ts";

export type Row = Record<string, SQLOutputValue>;

/** Named parameters of a statement. */
export type Parameters = Record<string, SQLInputValue>;

interface Job {
  readonly run: () => void;
  readonly committed: () => void;
  readonly failed: (error: unknown) => void;
}

const syncToDisk = promisify(fdatasync);

/**
 * One SQLite file that several processes may have open. A write resolves once it is on disk; writes that are asked
 * for in the same turn of the event loop share one transaction.
 *
 * SQLite would wait for the disk at each commit, and every message with it. So it only writes its log, and the log is
 * synced here, by another thread: what is committed meanwhile shares the next sync. A write that has resolved is on
 * disk together with everything committed before it. https://sqlite.org/wal.html#performance_considerations
 */
export class Database implements Disposable {
  readonly #path: string;
  readonly #sqlite: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** The log that is synced; it stays the same file for as long as the database is open. */
  readonly #wal: number;
  #jobs: Job[] = [];
  /** Committed, and waiting for the disk. */
  #unsynced: Job[] = [];
  #syncing: Promise<void> | undefined;
  #broken: Error | undefined;

  /** With `isReadOnly` nothing of an existing file is changed, and nothing can be. */
  constructor(path: string, { isReadOnly = false }: { readonly isReadOnly?: boolean } = {}) {
    this.#path = path;
    this.#sqlite = new DatabaseSync(path, { timeout: 5000, readOnly: isReadOnly });
    if (isReadOnly) {
      this.#wal = openSync(path, "r");
      return;
    }
    // NORMAL syncs around checkpoints, which move the log into the file; the rest is up to us.
    this.#sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;");
    // The log is there only once something was asked.
    this.#userVersion();
    this.#wal = openSync(`${path}-wal`, "r+");
    syncFolder(dirname(path));
  }

  /** Brings the schema to the newest version; each step is one transaction. */
  migrate(steps: readonly string[]): void {
    const version = this.#userVersion();
    if (version > steps.length)
      throw new StateError(
        `The state was written by a newer version (schema ${version}, known ${steps.length})`,
        {
          hint: "install that version again, or point state.dir to another folder",
        },
      );
    for (const [index, sql] of steps.entries()) {
      if (index < version) continue;
      this.#sqlite.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
    }
  }

  /** True when every step was done, and none that is not known. */
  isCurrent(steps: readonly string[]): boolean {
    return this.#userVersion() === steps.length;
  }

  /** True when SQLite finds no damage. Reads the whole file. */
  isSound(): boolean {
    return this.get("PRAGMA quick_check(1)")?.["quick_check"] === "ok";
  }

  get(sql: string, parameters: Parameters = {}): Row | undefined {
    return this.#statement(sql).get(parameters);
  }

  all(sql: string, parameters: Parameters = {}): Row[] {
    return this.#statement(sql).all(parameters);
  }

  /** Runs one statement, inside a `write` as every change must be; returns the number of rows it changed. */
  run(sql: string, parameters: Parameters = {}): number {
    return Number(this.#statement(sql).run(parameters).changes);
  }

  /** Runs `change` in a transaction and resolves with its result after the commit. When it throws, only its own changes are undone. */
  async write<T>(change: () => T): Promise<T> {
    if (this.#broken) throw this.#broken;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let result: T;
    this.#jobs.push({
      run: () => {
        result = change();
      },
      committed: () => resolve(result),
      failed: reject,
    });
    if (this.#jobs.length === 1) setImmediate(() => this.#flush());
    return promise;
  }

  [Symbol.dispose](): void {
    this.#commit();
    if (this.#unsynced.length > 0) fsyncSync(this.#wal);
    for (const job of this.#unsynced.splice(0)) job.committed();
    this.#broken ??= new StateError("The state file is closed");
    this.#statements.clear();
    this.#sqlite.close();
    // A sync may still be under way with it.
    if (this.#syncing) void this.#syncing.finally(() => closeSync(this.#wal));
    else closeSync(this.#wal);
  }

  #flush(): void {
    this.#commit();
    this.#syncing ??= this.#sync().finally(() => (this.#syncing = undefined));
  }

  /** Syncs until nothing is left to. One at a time: what is committed meanwhile shares the next. Never rejects. */
  async #sync(): Promise<void> {
    while (this.#unsynced.length > 0) {
      const jobs = this.#unsynced;
      this.#unsynced = [];
      try {
        if (this.#broken) throw this.#broken;
        await syncToDisk(this.#wal);
        for (const job of jobs) job.committed();
      } catch (cause) {
        // Whether it is on disk nobody can tell any more, not even by another try; only a new start reads the truth.
        this.#broken ??= new StateError("The disk refused to sync the state file", {
          cause,
          hint: "restart wa-poller",
        });
        for (const job of jobs) job.failed(this.#broken);
      }
    }
  }

  #commit(): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    if (jobs.length === 0) return;
    const done: Job[] = [];
    try {
      this.#sqlite.exec("BEGIN IMMEDIATE");
      for (const job of jobs) if (this.#apply(job)) done.push(job);
      this.#sqlite.exec("COMMIT");
    } catch (cause) {
      if (this.#sqlite.isTransaction) this.#sqlite.exec("ROLLBACK");
      const error = new StateError(`Cannot write the state file ${this.#path}: ${describeError(cause)}`, {
        cause,
        hint: "check that the disk has room, and that no other program keeps the file locked",
      });
      for (const job of jobs) job.failed(error);
      return;
    }
    this.#unsynced.push(...done);
  }

  #apply(job: Job): boolean {
    this.#sqlite.exec("SAVEPOINT job");
    try {
      job.run();
      this.#sqlite.exec("RELEASE job");
      return true;
    } catch (error) {
      // A full disk ends the whole transaction; then there is no savepoint to go back to, and nobody's change is kept.
      if (!this.#sqlite.isTransaction) throw error;
      this.#sqlite.exec("ROLLBACK TO job; RELEASE job");
      job.failed(error);
      return false;
    }
  }

  #userVersion(): number {
    return Number(this.get("PRAGMA user_version")?.["user_version"]);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#sqlite.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** So that a file that was just made is still there after a power cut. */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
