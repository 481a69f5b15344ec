import { constants, type Stats } from "node:fs";
import {
  lstat,
  open as openFile,
  opendir,
  readlink,
  realpath,
  stat,
  type FileHandle,
} from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";

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

/** Which files may be sent. */
export interface Allowed {
  /** Folders, with all that is below them; a relative path counts from the first. */
  readonly roots: readonly string[];
  /** Files and folders of which nothing is given, unless what is nearer to the file is a root or open. */
  readonly closed?: readonly string[];
  readonly open?: readonly string[];
}

/** These are no files, whatever they say: the environment of a process stands there, too. */
const OF_THE_SYSTEM = ["/proc", "/sys"];
/** Of closed folders, while looking for another name of a file. */
const MAX_ENTRIES = 50_000;

/**
 * Opens a regular file below one of the roots; a relative path counts from the first. Links are followed, and where they
 * lead must be below a root too. What counts is where the opened file is: looking first and opening then would let a link
 * be put in between.
 */
export async function openAllowed(path: string, allowed: Allowed): Promise<Opened> {
  try {
    return await tryOpen(path, allowed);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason = REASONS[code];
    if (reason === undefined) throw error;
    return { kind: "refused", reason };
  }
}

async function tryOpen(path: string, { roots, ...given }: Allowed): Promise<Opened> {
  const [first] = roots;
  if (first === undefined || path.includes("\0")) return { kind: "refused", reason: OUTSIDE };
  const asked = resolve(first, path);
  const realRoots = await existing(roots);
  const closed = await existing(given.closed ?? []);
  const open = [...realRoots, ...(await existing(given.open ?? []))];
  const isAllowed = (place: string) =>
    realRoots.some((root) => isBelow(place, root)) &&
    nearest(place, open) > nearest(place, [...closed, ...OF_THE_SYSTEM]);
  // Judged by its name before anything is looked up.
  if (!isAllowed(asked) && !roots.some((root) => isBelow(asked, resolve(root))))
    return { kind: "refused", reason: OUTSIDE };
  const real = await realpath(asked);
  if (!isAllowed(real)) return { kind: "refused", reason: OUTSIDE };
  // Opening a device can already do something, and opening a pipe waits for its other end.
  if (!(await lstat(real)).isFile()) return { kind: "refused", reason: NO_FILE };
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  const handle = await openFile(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  try {
    const opened = await handle.stat();
    const reason = opened.isFile() ? undefined : NO_FILE;
    const isOurs =
      (await isThere(handle, opened, real, isAllowed)) && !(await isLinkInto(closed, opened, open));
    const refusal = reason ?? (isOurs ? undefined : OUTSIDE);
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

/** How long the path of the innermost folder is in which the place is; -1 for none of them. */
function nearest(place: string, folders: readonly string[]): number {
  return Math.max(-1, ...folders.filter((folder) => isWithin(place, folder)).map(({ length }) => length));
}

/** Whether the file has another name in a closed place: a hard link has no real path but its own. */
async function isLinkInto(closed: readonly string[], file: Stats, open: readonly string[]): Promise<boolean> {
  if (file.nlink < 2) return false;
  const left = [...closed];
  for (let entries = 0, place = left.pop(); place !== undefined; place = left.pop()) {
    // Too much to look through: then it is not known to be harmless.
    if (++entries > MAX_ENTRIES) return true;
    const found = await lstat(place).catch(() => undefined);
    if (found?.dev === file.dev && found.ino === file.ino) return true;
    if (!found?.isDirectory() || found.dev !== file.dev || open.includes(place)) continue;
    for await (const { name } of await opendir(place))
      if (name !== "node_modules") left.push(join(place, name));
  }
  return false;
}

function isBelow(path: string, folder: string): boolean {
  return path !== folder && isWithin(path, folder);
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
