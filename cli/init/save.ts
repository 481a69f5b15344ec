import { randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { loadConfig } from "../../src/config/config.ts";
import type { Environment } from "../../src/config/read.ts";
import { describeError, isCode, RelayError } from "../../src/errors.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import type { SecretFile } from "./draft.ts";

export interface Saved {
  /** What was there before is kept under these names. */
  readonly backups: readonly string[];
}

/**
 * Its own values alone must make a configuration, as for a daemon that is started elsewhere.
 * @throws CommandError, ConfigError
 */
export function checkText(path: string, text: string, env: Environment): void {
  tell(path, () => {
    prepareFolder(dirname(path));
    const draft = draftOf(path);
    try {
      writeFileSync(draft, text, { mode: 0o600, flag: "wx" });
      loadConfig({ env: { HOME: env["HOME"] }, file: draft });
    } finally {
      rmSync(draft, { force: true });
    }
  });
}

/**
 * Writes the secrets, then the configuration that names them, each whole or not at all; nothing else runs in between, so
 * Ctrl-C comes before it or after it.
 * @throws CommandError
 */
export function save(path: string, text: string, secrets: readonly SecretFile[]): Saved {
  const stamp = new Date()
    .toISOString()
    .replace(/\.\d+Z$/, "")
    .replaceAll(":", "-");
  return tell(path, () => {
    prepareFolder(dirname(path));
    const files = [...secrets.map((secret) => ({ ...secret, text: `${secret.text}\n` })), { path, text }];
    return { backups: files.flatMap((file) => replace(file, stamp)) };
  });
}

function tell<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RelayError) throw error;
    throw new CommandError(EXIT.failed, `Cannot write ${path}: ${describeError(error)}`, {
      hint: "name another file: wa-cli init --config FILE",
    });
  }
}

/** Closed to others if it is ours alone; anybody's folder that --config names stays as it is. */
function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (basename(folder) === "wa-relay") chmodSync(folder, 0o700);
}

/** Returns the name of the copy of what was there, if that was something else. */
function replace({ path, text }: SecretFile, stamp: string): string[] {
  const isThere = existsSync(path);
  const target = targetOf(path);
  const draft = draftOf(target);
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    writeFileSync(draft, text, { mode: 0o600, flag: "wx", flush: true });
    const backup = isThere && readFileSync(path, "utf8") !== text ? [`${path}.${stamp}`] : [];
    for (const copy of backup) {
      copyFileSync(path, copy);
      chmodSync(copy, 0o600);
    }
    renameSync(draft, target);
    return backup;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** A link, as people have into their dotfiles, stays one, also when what it leads to is not there yet. */
function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!isCode(error, "ENOENT")) throw error;
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    return isLink ? targetOf(resolve(realpathSync(dirname(path)), readlinkSync(path))) : path;
  }
}

function draftOf(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}`;
}
