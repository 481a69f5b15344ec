import { closeSync, constants, openSync, readSync } from "node:fs";
import { isCode } from "./errors.ts";

const MAX_BYTES = 1_048_576;
/** So long may take what writes into a pipe, such as `<(pass show key)`. */
const MAX_WAIT_MS = 10_000;
const PAUSE_MS = 10;

/**
 * A file that has to be small, whole: a configuration, a key, a card. A pipe is read too, so that a secret need not lie on
 * the disk; but whatever it is, the program neither waits nor grows for long.
 * @throws Error
 */
export function readSmallFile(path: string): Buffer {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  // Else opening a pipe would wait for its other end.
  const file = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    const until = Date.now() + MAX_WAIT_MS;
    let size = 0;
    for (;;) {
      const count = tryRead(file, buffer, size);
      if (count === 0) return Buffer.from(buffer.subarray(0, size));
      if (count === undefined) pause(until);
      else size += count;
      if (size > MAX_BYTES) throw new Error("it is longer than 1 MiB");
    }
  } finally {
    closeSync(file);
  }
}

/** Undefined when there is nothing yet. */
function tryRead(file: number, buffer: Buffer, offset: number): number | undefined {
  try {
    return readSync(file, buffer, offset, buffer.length - offset, null);
  } catch (error) {
    if (isCode(error, "EAGAIN")) return undefined;
    throw error;
  }
}

function pause(until: number): void {
  if (Date.now() > until) throw new Error(`it did not end within ${MAX_WAIT_MS / 1000} seconds`);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
}
