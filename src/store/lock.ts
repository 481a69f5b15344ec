import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { prepareFile, prepareFolder } from "./folder.ts";

/**
 * A lock that the operating system releases when its process dies, `kill -9` included: an open exclusive transaction
 * on a file of its own. Node offers no `flock`, and a file with a process id outlives its process.
 */
export class DaemonLock implements Disposable {
  readonly #holder: DatabaseSync;

  private constructor(holder: DatabaseSync) {
    this.#holder = holder;
  }

  /** Undefined when another process holds it. */
  static tryAcquire(folder: string): DaemonLock | undefined {
    prepareFolder(folder);
    const path = join(folder, "daemon.lock");
    prepareFile(path);
    const holder = new DatabaseSync(path, { timeout: 0 });
    try {
      holder.exec("BEGIN EXCLUSIVE");
      return new DaemonLock(holder);
    } catch (error) {
      holder.close();
      if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return undefined;
      throw error;
    }
  }

  /** True while a daemon runs on this folder. */
  static isHeld(folder: string): boolean {
    const lock = DaemonLock.tryAcquire(folder);
    lock?.[Symbol.dispose]();
    return lock === undefined;
  }

  [Symbol.dispose](): void {
    this.#holder.close();
  }
}

const SQLITE_BUSY = 5;
