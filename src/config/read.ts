import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import leven from "leven";
import { parse as parseToml, TomlError } from "smol-toml";
import { z } from "zod";
import { ConfigError, describeError } from "../errors.ts";
import { readSmallFile } from "../small-file.ts";
import { maskNumbers } from "../mask.ts";
import { maskUrl } from "../url.ts";
import type { Setting } from "./setting.ts";
import { NOT_YET, SETTINGS, type Values } from "./settings.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

type Table = Record<string, unknown>;

/** Where the value of a setting comes from: a variable, a key of the file, or nowhere. */
export type Origin =
  | { readonly kind: "environment"; readonly name: string }
  | { readonly kind: "file"; readonly key: string }
  | { readonly kind: "default" };

/** One setting as it was read. */
export interface ReadSetting {
  readonly section: string;
  readonly key: string;
  readonly setting: Setting;
  /** Checked. */
  readonly value: unknown;
  /** As it is written where it comes from. */
  readonly given: unknown;
  readonly origin: Origin;
}

/** The files that secrets are said to be in. */
export interface SecretFiles {
  /** All of them, absolute; used or not. */
  readonly named: string[];
  /** Those that were wanted and are missing, closed to us or empty. */
  readonly unread: string[];
}

/** The file to read: a named one must exist; of the usual places the first that exists, or none. */
export function findConfigFile(
  env: Environment,
  home: string,
  named: string | undefined,
): string | undefined {
  const explicit = [
    ["--config", named],
    ["WA_CONFIG", env["WA_CONFIG"]],
    ["KAPSO_CONFIG", env["KAPSO_CONFIG"]],
  ] as const;
  if (named === "") throw new ConfigError(["--config: the name of the file is missing"]);
  for (const [origin, value] of explicit) {
    if (!value) continue;
    const path = resolve(expandHome(value, home));
    if (!existsSync(path)) throw new ConfigError([`${origin}: there is no file ${path}`]);
    return path;
  }
  return configFolders(env, home)
    .map((folder) => join(folder, "config.toml"))
    .find((path) => existsSync(path));
}

/** The usual places, ours and that of the Go bridge. */
export function configFolders(env: Environment, home: string): readonly string[] {
  const base = env["XDG_CONFIG_HOME"];
  const usual = join(home, ".config");
  return [
    join(base && isAbsolute(base) ? base : usual, "wa-relay"),
    // The Go bridge does not know XDG_CONFIG_HOME.
    join(usual, "kapso-whatsapp"),
  ];
}

/**
 * Reads and checks every setting. Faults are added to `problems`, and their settings keep the default; what there is to
 * know of secrets' files is added to `secretFiles`.
 */
export function readValues(
  env: Environment,
  path: string | undefined,
  home: string,
  problems: string[],
  secretFiles: SecretFiles = { named: [], unread: [] },
): Values {
  const values: Record<string, Record<string, unknown>> = {};
  for (const { section, key, value } of readSettings(env, path, home, problems, secretFiles))
    (values[section] ??= {})[key] = value;
  // Every key was checked by its own schema in the loop above, which the compiler can not follow.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return values as Values;
}

/** The same one by one, each with its origin. */
export function* readSettings(
  env: Environment,
  path: string | undefined,
  home: string,
  problems: string[],
  secretFiles: SecretFiles = { named: [], unread: [] },
): Generator<ReadSetting> {
  const file = path === undefined ? {} : readToml(path);
  reportUnknown(file, problems);
  const reader = new Reader(env, home, problems, secretFiles.unread);
  for (const [section, settings] of Object.entries(SETTINGS)) {
    const table = section === "" ? file : asTable(file[section]);
    for (const [key, setting] of Object.entries(settings)) {
      if (setting.secret) secretFiles.named.push(...reader.filesOf(key, setting, table));
      yield { section, key, setting, ...reader.read(section, key, setting, table) };
    }
  }
}

class Reader {
  readonly #env: Environment;
  readonly #home: string;
  readonly #problems: string[];
  readonly #unread: string[];

  constructor(env: Environment, home: string, problems: string[], unread: string[]) {
    this.#env = env;
    this.#home = home;
    this.#problems = problems;
    this.#unread = unread;
  }

  /** Environment first, then the file, then the default. Empty variables count as unset. */
  read(
    section: string,
    key: string,
    setting: Setting,
    table: Table,
  ): Pick<ReadSetting, "value" | "given" | "origin"> {
    const name = section === "" ? key : `${section}.${key}`;
    for (const variable of setting.env) {
      const value = this.#env[variable];
      const inFile = `${variable}_FILE`;
      const file = setting.secret ? this.#env[inFile] : undefined;
      if (value && file) this.#problems.push(`${variable} and ${inFile} are both set: keep one`);
      if (!value && !file) continue;
      const origin: Origin = { kind: "environment", name: value ? variable : inFile };
      const given = value
        ? fromText(setting, value, variable)
        : this.#readSecret(setting, file ?? "", inFile);
      return { value: this.#check(setting, given, `${origin.name} (${name})`), given, origin };
    }
    const value = table[key];
    const file = setting.secret ? table[`${key}_file`] : undefined;
    if (value !== undefined && file !== undefined)
      this.#problems.push(`${name} and ${name}_file are both set: keep one`);
    const origin: Origin = value === undefined ? { kind: "default" } : { kind: "file", key };
    if (value !== undefined || file === undefined)
      return { value: this.#check(setting, value, name), given: value, origin };
    const fromFile: Origin = { kind: "file", key: `${key}_file` };
    if (typeof file === "string") {
      const given = this.#readSecret(setting, file, `${name}_file`);
      return { value: this.#check(setting, given, `${name}_file`), given, origin: fromFile };
    }
    this.#problems.push(`${name}_file: must be the name of a file`);
    return { value: undefined, given: file, origin: fromFile };
  }

  /** Every file that the secret is said to be in, absolute; used or not. */
  filesOf(key: string, setting: Setting, table: Table): readonly string[] {
    return [...setting.env.map((variable) => this.#env[`${variable}_FILE`]), table[`${key}_file`]]
      .filter((file) => typeof file === "string" && file !== "")
      .map((file) => resolve(this.#expand(String(file))));
  }

  #check(setting: Setting, value: unknown, name: string): unknown {
    const result = setting.schema.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      const culprit = valueAt(value, issue.path);
      const shown = setting.secret || culprit === undefined ? "" : ` (it is ${show(culprit)})`;
      this.#problems.push(`${[name, ...issue.path].join(".")}: ${describeIssue(issue)}${shown}`);
    }
    return setting.schema.safeParse(undefined).data;
  }

  #readSecret(setting: Setting, file: string, name: string): unknown {
    try {
      const text = readSmallFile(this.#expand(file)).toString("utf8").trim();
      if (text !== "") return fromText(setting, text, name);
      this.#problems.push(`${name}: ${file} is empty`);
    } catch (error) {
      this.#problems.push(`${name}: cannot read it: ${describeError(error)}`);
    }
    this.#unread.push(file);
    return undefined;
  }

  /** Secret managers keep files in the session's folder, whose name only the system knows. */
  #expand(file: string): string {
    const folder = this.#env["XDG_RUNTIME_DIR"];
    const whole = folder ? file.replace(/^\$XDG_RUNTIME_DIR(?=\/)/, () => folder) : file;
    return expandHome(whole, this.#home);
  }
}

/** A variable is always text; the setting's own type says what it means. */
function fromText(setting: Setting, text: string, variable: string): unknown {
  // The Go bridge had two webhook modes before it had names for where the webhook listens.
  if (variable === "KAPSO_WEBHOOK_MODE" && /^(webhook|both)$/.test(text)) return "domain";
  const probe = (value: unknown) => setting.schema.safeParse(value).success;
  if (probe([])) return splitList(text);
  if (probe(true))
    return /^(1|true|yes|on)$/i.test(text) || (/^(0|false|no|off)$/i.test(text) ? false : text);
  if (/^\d+(\.\d+)?$/.test(text) && !setting.schema.safeParse(text).success) return Number(text);
  return text;
}

function splitList(text: string): string[] {
  return text
    .split(/[,;\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function readToml(path: string): Table {
  try {
    return parseToml(readSmallFile(path).toString("utf8"));
  } catch (error) {
    // The rest of the message shows the lines around the fault, and a secret may stand there.
    const [what] = describeError(error).split("\n");
    const place = error instanceof TomlError ? `:${error.line}:${error.column}` : "";
    throw new ConfigError([`${path}${place}: ${what}`]);
  }
}

function reportUnknown(file: Table, problems: string[]): void {
  const sections: Record<string, Record<string, Setting>> = SETTINGS;
  const tops = [...Object.keys(SETTINGS), ...Object.keys(SETTINGS[""])].filter((name) => name !== "");
  for (const [section, table] of Object.entries(file)) {
    const later = Object.hasOwn(NOT_YET, section) ? NOT_YET[section] : undefined;
    const settings = Object.hasOwn(sections, section) ? sections[section] : undefined;
    if (later !== undefined) problems.push(`${section}: ${later}`);
    else if (Object.hasOwn(SETTINGS[""], section)) continue;
    else if (settings === undefined)
      problems.push(`${section}: there is no such key${suggest(section, tops)}`);
    else if (!isTable(table)) problems.push(`${section}: must be a table, [${section}]`);
    else {
      const known = Object.entries(settings).flatMap(([key, { secret }]) =>
        secret ? [key, `${key}_file`] : [key],
      );
      for (const key of Object.keys(table))
        if (!known.includes(key))
          problems.push(`${section}.${key}: there is no such key${suggest(key, known, `${section}.`)}`);
    }
  }
}

function suggest(name: string, known: readonly string[], prefix = ""): string {
  const nearest = known
    .map((candidate) => ({ candidate, distance: leven(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (nearest === undefined || nearest.distance > Math.max(3, name.length / 2)) return "";
  return `; did you mean ${prefix}${nearest.candidate}?`;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text in quotes, such as "text"',
  array: 'a list, such as ["+15551234567"]',
  record: 'a table of lists, such as admin = ["+15551234567"]',
  boolean: "true or false",
  number: "a number",
};

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value")
    return `must be one of ${issue.values.map((value) => `"${String(value)}"`).join(", ")}`;
  if (issue.code === "invalid_type") return `must be ${TYPES[issue.expected] ?? `of type ${issue.expected}`}`;
  return issue.message
    .replace(/^Too (small|big): expected \w+ to be /, "must be ")
    .replace(/^a duration/, "must be a duration");
}

/** Without what may be somebody's number or a password. */
function show(value: unknown): string {
  return maskNumbers(JSON.stringify(value, (_, each) => (typeof each === "string" ? maskUrl(each) : each)));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = Object.entries(found).find(([name]) => name === String(key))?.[1];
  }
  return found;
}

/** `~` at the start is the home folder. */
export function expandHome(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asTable(value: unknown): Table {
  return isTable(value) ? value : {};
}
