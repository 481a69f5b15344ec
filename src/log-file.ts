import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { maskNumbers, withoutSecrets } from "./mask.ts";
import { prepareFolder } from "./store/folder.ts";

/** Of the log in the state folder, and of what was the log before it grew too long. */
export function logPaths(folder: string): { readonly now: string; readonly before: string } {
  const now = join(folder, "wa-poller.log");
  return { now, before: `${now}.1` };
}

export interface LogFileOptions {
  /** Never written, wherever they turn up. */
  readonly secrets: readonly string[];
  readonly maxBytes?: number;
}

const MAX_BYTES = 5 * 1_048_576;

/**
 * The daemon's log once more, for `wa-cli logs`: JSON lines, closed to others, never more than twice `maxBytes`. What goes
 * wrong with it stops nobody: the log proper is on standard error.
 */
export class LogFile implements Disposable {
  readonly #folder: string;
  readonly #secrets: readonly string[];
  readonly #maxBytes: number;
  #file: { readonly fd: number; bytes: number } | undefined;

  constructor(folder: string, { secrets, maxBytes = MAX_BYTES }: LogFileOptions) {
    this.#folder = folder;
    this.#secrets = secrets;
    this.#maxBytes = maxBytes;
  }

  write(line: string): void {
    try {
      const bytes = Buffer.from(maskNumbers(withoutSecrets(line, this.#secrets)), "utf8");
      const file = this.#open();
      writeSync(file.fd, bytes);
      file.bytes += bytes.length;
      if (file.bytes >= this.#maxBytes) this.#turnOver();
    } catch {
      // Perhaps there is no room: the next line tries again.
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    if (this.#file) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #open(): { readonly fd: number; bytes: number } {
    if (this.#file) return this.#file;
    prepareFolder(this.#folder);
    const fd = openSync(logPaths(this.#folder).now, "a", 0o600);
    this.#file = { fd, bytes: fstatSync(fd).size };
    return this.#file;
  }

  #turnOver(): void {
    this[Symbol.dispose]();
    const { now, before } = logPaths(this.#folder);
    renameSync(now, before);
  }
}
