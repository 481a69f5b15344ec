import { constants, type Stats } from "node:fs";
import { lstat, open, readlink, realpath, stat, type FileHandle } from "node:fs/promises";
import { isAbsolute, relative, resolve, sep } from "node:path";

export type Opened =
  | {
      readonly kind: "file";
      /** To be closed by the caller. */ readonly handle: FileHandle;
      readonly bytes: number;
    }
  /** Nothing is told of files outside, not even whether they are there. */
  | { readonly kind: "refused"; readonly reason: string };

const OUTSIDE = "it is outside of the folders that files may be sent from";
const MISSING = "there is no such file";
const NO_FILE = "it is not a file";
const UNREADABLE = "it can not be read";

/** Of paths that can not be, and of files that are not ours to read; everything else is a fault of the machine. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: MISSING,
  ENOTDIR: MISSING,
  ENAMETOOLONG: MISSING,
  EINVAL: MISSING,
  ELOOP: OUTSIDE,
  EACCES: UNREADABLE,
  EPERM: UNREADABLE,
  EISDIR: NO_FILE,
  ENXIO: NO_FILE,
  ENODEV: NO_FILE,
};

/**
 * Opens a regular file below one of the roots; a relative path counts from the first. Links are followed, and where they
 * lead must be below a root too. What counts is where the opened file is: looking first and opening then would let a link
 * be put in between.
 */
export async function openAllowed(
  path: string,
  roots: readonly string[],
  /** Nothing below it is given, whatever the roots are. */
  closed?: string,
): Promise<Opened> {
  try {
    return await tryOpen(path, roots, closed);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason = REASONS[code];
    if (reason === undefined) throw error;
    return { kind: "refused", reason };
  }
}

async function tryOpen(path: string, roots: readonly string[], closed: string | undefined): Promise<Opened> {
  const [first] = roots;
  if (first === undefined || path.includes("\0")) return { kind: "refused", reason: OUTSIDE };
  const asked = resolve(first, path);
  const realRoots = await existing(roots);
  const [realClosed] = await existing(closed === undefined ? [] : [closed]);
  const isAllowed = (place: string) =>
    realRoots.some((root) => isBelow(place, root)) &&
    !(realClosed !== undefined && isBelow(place, realClosed));
  // Judged by its name before anything is looked up.
  if (!isAllowed(asked) && !roots.some((root) => isBelow(asked, resolve(root))))
    return { kind: "refused", reason: OUTSIDE };
  const real = await realpath(asked);
  if (!isAllowed(real)) return { kind: "refused", reason: OUTSIDE };
  // Opening a device can already do something, and opening a pipe waits for its other end.
  if (!(await lstat(real)).isFile()) return { kind: "refused", reason: NO_FILE };
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  const handle = await open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  try {
    const opened = await handle.stat();
    const reason = opened.isFile() ? undefined : NO_FILE;
    const refusal = reason ?? ((await isThere(handle, opened, real, isAllowed)) ? undefined : OUTSIDE);
    if (refusal === undefined) return { kind: "file", handle, bytes: opened.size };
    await handle.close();
    return { kind: "refused", reason: refusal };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Whether the opened file is below a root: as Linux tells, or else by its name leading to it still. */
async function isThere(
  { fd }: FileHandle,
  opened: Stats,
  real: string,
  isAllowed: (place: string) => boolean,
): Promise<boolean> {
  const place = await readlink(`/proc/self/fd/${fd}`).catch(() => undefined);
  if (place !== undefined) return isAllowed(place);
  // In this order it takes three swaps at the right moments to be fooled, by somebody who may write to the root.
  if ((await realpath(real)) !== real) return false;
  const found = await stat(real);
  return found.dev === opened.dev && found.ino === opened.ino;
}

/** As they really are; one that is not there allows nothing. */
async function existing(roots: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(roots.map(async (root) => realpath(root).catch(() => undefined)));
  return found.filter((root) => root !== undefined);
}

function isBelow(path: string, root: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
