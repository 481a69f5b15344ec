import { isAbsolute, relative, resolve } from "node:path";
import { expandHome } from "./read.ts";
import type { Values } from "./settings.ts";

export interface MediaConfig {
  /** Of one file that comes in. */
  readonly maxBytes: number;
  readonly keepMs: number;
  /** Of all files together. */
  readonly quotaBytes: number;
  /** More servers that may be asked for files. */
  readonly hosts: readonly string[];
  /** Folders, absolute, from which an agent may send files; the first is where relative names begin. */
  readonly sendFrom: readonly string[];
}

/** `dir` is the state's folder. */
export function readMedia({ media }: Values, dir: string, home: string, problems: string[]): MediaConfig {
  const sendFrom = media.send_from.map((folder) => resolve(expandHome(folder, home)));
  if (sendFrom.some((folder) => isWithin(dir, folder) || isWithin(folder, dir)))
    problems.push(
      "media.send_from (WA_MEDIA_SEND_FROM): must be apart from the state folder, with everybody's files in it",
    );
  return {
    maxBytes: media.max_size,
    keepMs: media.keep,
    quotaBytes: media.quota,
    hosts: media.hosts,
    sendFrom,
  };
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (!way.startsWith("..") && !isAbsolute(way));
}
