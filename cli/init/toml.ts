import { isDeepStrictEqual } from "node:util";
import { parse, stringify, type TomlTable } from "smol-toml";
import { SETTINGS } from "../../src/config/settings.ts";

export type Value = string | readonly string[];

/** One key that is set. */
export interface Change {
  readonly section: string;
  /** With `_file` at the end for the file of a secret. */
  readonly key: string;
  readonly value: Value;
  /** Said above it, where nothing tells already what it is. */
  readonly comment: string;
}

const HEADER = `# wa-relay: written by wa-cli init. What is not here has its default; config.example.toml has every key.
# An environment variable (named in brackets) wins over this file. "wa-cli preflight" checks all of it.
`;
const SECTIONS = Object.keys(SETTINGS);

/**
 * Sets keys in the text of a configuration file and leaves all else as it is, comments too; without a text, begins one.
 * What can not be edited line by line is written anew, without comments.
 */
export function editToml(text: string | undefined, changes: readonly Change[]): string {
  const wanted = expected(text ?? "", changes);
  const lines = changes.reduce(setKey, (text ?? HEADER).trimEnd().split("\n"));
  const edited = `${lines.join("\n").trimEnd()}\n`;
  return isSame(edited, wanted) ? edited : `${HEADER}\n${stringify(wanted)}`;
}

function expected(text: string, changes: readonly Change[]): TomlTable {
  const table = parse(text);
  for (const { section, key, value } of changes) {
    const at = section === "" ? table : asTable((table[section] ??= {}));
    delete at[twin(key)];
    at[key] = typeof value === "string" ? value : [...value];
  }
  return structuredClone(table);
}

function isSame(text: string, wanted: TomlTable): boolean {
  try {
    return isDeepStrictEqual(structuredClone(parse(text)), wanted);
  } catch {
    // The text defines something twice.
    return false;
  }
}

function setKey(lines: readonly string[], change: Change): string[] {
  const { section, key, value, comment } = change;
  const line = stringify({ [key]: value }).trimEnd();
  const from = section === "" ? 0 : lines.findIndex((one) => headerOf(one) === section) + 1;
  if (section !== "" && from === 0) return addSection(lines, section, [`# ${comment}`, line]);
  const next = lines.findIndex((one, index) => index >= from && headerOf(one) !== undefined);
  const to = next === -1 ? lines.length : next;
  const inside = lines.slice(from, to);
  return [...lines.slice(0, from), ...setInside(inside, change, [`# ${comment}`, line]), ...lines.slice(to)];
}

/** Takes the place of the key, of its twin, or of the line that shows how it could look; else follows the last key. */
function setInside(lines: readonly string[], { section, key }: Change, added: readonly string[]): string[] {
  const line = added.at(-1) ?? "";
  const live = lines.findIndex((one) => isKey(one, key) || isKey(one, twin(key)));
  const shown = lines.findIndex((one) => isKey(one.replace(/^# ?/, ""), key.replace(/_file$/, "")));
  const place = live === -1 ? shown : live;
  if (place !== -1)
    return lines.flatMap((one, index) => (index === place ? [line] : isKey(one, twin(key)) ? [] : [one]));
  const last = lines.findLastIndex((one) => /^(# )?[a-z_]+ *= */.test(one));
  if (last !== -1) return [...lines.slice(0, last + 1), "", ...added, ...lines.slice(last + 1)];
  if (section !== "") return [...added, ...lines];
  // Below what the file says of itself.
  const gap = lines.findIndex((one) => one.trim() === "");
  const top = gap === -1 ? lines.length : gap;
  const below = gap === -1 ? [""] : lines.slice(gap);
  return [...lines.slice(0, top), ...(top === 0 ? [] : [""]), ...added, ...below];
}

/** Before the first section that comes later in config.example.toml. */
function addSection(lines: readonly string[], section: string, added: readonly string[]): string[] {
  const rank = SECTIONS.indexOf(section);
  const later = lines.findIndex((one) => SECTIONS.indexOf(headerOf(one)?.split(".")[0] ?? "") >= rank);
  if (later === -1) return [...lines, ...(lines.at(-1) === "" ? [] : [""]), `[${section}]`, ...added];
  let place = later;
  while (lines[place - 1]?.startsWith("#")) place--;
  return [...lines.slice(0, place), `[${section}]`, ...added, "", ...lines.slice(place)];
}

function headerOf(line: string): string | undefined {
  return /^\s*\[\s*([\w.]+)\s*\]\s*(#.*)?$/.exec(line)?.[1];
}

function isKey(line: string, key: string): boolean {
  return new RegExp(`^\\s*${key}\\s*=`).test(line);
}

/** A secret has two keys, and only one may be set. */
function twin(key: string): string {
  return key.endsWith("_file") ? key.slice(0, -"_file".length) : `${key}_file`;
}

function asTable(value: unknown): TomlTable {
  // Whatever else stands there was refused when the file was read.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return value as TomlTable;
}
