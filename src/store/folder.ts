import { accessSync, chmodSync, closeSync, constants, mkdirSync, openSync, statSync } from "node:fs";
import { isCode, StateError } from "../errors.ts";

/**
 * Makes the state folder, or closes an existing one to others.
 * @throws StateError
 */
export function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // A shared folder such as /tmp (sticky bit) must stay as it is.
    const { mode } = statSync(folder);
    if ((mode & 0o1000) === 0 && (mode & 0o077) !== 0) chmodSync(folder, 0o700);
  } catch (error) {
    throw new StateError(`Cannot use the state folder ${folder}`, {
      cause: error,
      hint: "set state.dir (KAPSO_STATE_DIR) to a folder that this user owns",
    });
  }
}

/**
 * Makes the file if it is not there, and closes it to others. An existing one is not opened: closing it would drop the
 * locks that this process holds on it (https://sqlite.org/howtocorrupt.html, 2.2).
 */
export function prepareFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
    requireOwn(path);
    refuseForeign(path, () => {
      if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
    });
  }
}

/** @throws StateError when the file is there, and somebody else's */
export function requireOwn(path: string): void {
  refuseForeign(path, () => accessSync(path, constants.R_OK | constants.W_OK));
}

function refuseForeign(path: string, use: () => void): void {
  try {
    use();
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return;
    if (!isCode(cause, "EACCES") && !isCode(cause, "EPERM")) throw cause;
    throw new StateError(`Cannot use ${path}`, {
      cause,
      hint: "it belongs to another user: run this as that one, chown it, or set state.dir (KAPSO_STATE_DIR)",
    });
  }
}
