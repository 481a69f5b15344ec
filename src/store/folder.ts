import { chmodSync, mkdirSync, statSync } from "node:fs";
import { StateError } from "../errors.ts";

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
