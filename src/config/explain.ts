import { z } from "zod";
import { readSmallFile } from "../small-file.ts";
import { loadConfig, type Config, type ConfigInput } from "./config.ts";
import { homeFolder } from "./home.ts";
import { findConfigFile, readSettings, type Origin, type ReadSetting } from "./read.ts";

/** One key with what it is now and where that comes from. */
export interface Explained {
  readonly key: string;
  /** Undefined when nothing sets it and it has no default. */
  readonly value: unknown;
  readonly secret: boolean;
  readonly origin: Origin & { readonly line?: number | undefined };
  readonly about: string;
}

/** The file that is read, if there is one. @throws ConfigError */
export function configFile({ env, file }: ConfigInput): string | undefined {
  return findConfigFile(env, homeFolder(env), file);
}

/**
 * Every key there is.
 * @throws ConfigError naming every key that can not be used
 */
export function explainConfig(input: ConfigInput): {
  readonly config: Config;
  readonly settings: readonly Explained[];
} {
  const config = loadConfig(input);
  const { file } = config;
  const lines = file === undefined ? [] : readSmallFile(file).toString("utf8").split("\n");
  const settings: Explained[] = [];
  for (const read of readSettings(input.env, file, homeFolder(input.env), [])) {
    const { section, key, setting } = read;
    const name = section === "" ? key : `${section}.${key}`;
    const origin =
      read.origin.kind === "file"
        ? { ...read.origin, line: lineOf(lines, section, read.origin.key) }
        : read.origin;
    const { secret, about } = setting;
    settings.push({ key: name, value: asWritten(read) ?? derived(name, config), secret, origin, about });
  }
  return { config, settings };
}

/** `"30s"` rather than 30000: as it would be written into the file. */
function asWritten({ value, given, setting, origin }: ReadSetting): unknown {
  if (typeof value !== "number") return value;
  const written = origin.kind === "default" ? z.toJSONSchema(setting.schema, { io: "input" }).default : given;
  if (typeof written === "string" && Number.isNaN(Number(written))) return written;
  // A bare number of a duration counts seconds.
  return Number(written) * 1000 === value ? `${Number(written)}s` : value;
}

/** What a key without a value comes to. */
function derived(name: string, config: Config): unknown {
  switch (name) {
    case "provider":
      return config.provider;
    case "state.dir":
      return config.state.dir;
    case "gateway.url":
      return config.gateway.url;
    case "gateway.token":
      return config.gateway.token;
    default:
      return undefined;
  }
}

/** Undefined where the file is written in one of TOML's rarer ways. */
function lineOf(lines: readonly string[], section: string, key: string): number | undefined {
  let current = "";
  for (const [index, line] of lines.entries()) {
    const header = /^\s*\[\s*([^[\]]+?)\s*\]/.exec(line)?.[1];
    if (header !== undefined) current = header.replaceAll(/["'\s]/g, "");
    // [security.roles] gives the key "roles" of [security].
    if (header !== undefined && current === `${section}.${key}`) return index + 1;
    const name = /^\s*([\w."'-]+)\s*=/.exec(line)?.[1]?.replaceAll(/["']/g, "");
    if (name === undefined) continue;
    const whole = current === "" ? name : `${current}.${name}`;
    const wanted = section === "" ? key : `${section}.${key}`;
    if (whole === wanted || whole.startsWith(`${wanted}.`)) return index + 1;
  }
  return undefined;
}
