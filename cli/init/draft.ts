import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { parse } from "smol-toml";
import type { Provider } from "../../src/config/account.ts";
import { readGateway, type GatewayConfig } from "../../src/config/gateway.ts";
import { stateDir } from "../../src/config/config.ts";
import { homeFolder } from "../../src/config/home.ts";
import { expandHome, findConfigFile, readValues, type Environment } from "../../src/config/read.ts";
import type { Setting } from "../../src/config/setting.ts";
import { SETTINGS, type Values } from "../../src/config/settings.ts";
import { ConfigError } from "../../src/errors.ts";
import type { Change, Value } from "./toml.ts";

/** What is taken from the environment into the file: a daemon that is started elsewhere does not see it. */
const TAKEN: readonly string[] = [
  ".provider",
  ...["api_key", "phone_number_id", "base_url"].map((key) => `kapso.${key}`),
  ...Object.keys(SETTINGS.meta).map((key) => `meta.${key}`),
  "delivery.mode",
  ...["addr", "url", "secret", "verify_token"].map((key) => `webhook.${key}`),
  "gateway.url",
  "gateway.token",
  "security.mode",
  "security.allowed_numbers",
  "state.dir",
];

/** A secret that becomes a file beside the configuration. */
export interface SecretFile {
  readonly path: string;
  readonly text: string;
}

/** The configuration as it is, with what was answered on top. Keys are named `section.key`; `.provider` has no section. */
export class Draft {
  /** Where it will be written. */
  readonly path: string;
  /** The file that there is, if any; it can be another one than will be written. */
  readonly source: string | undefined;
  readonly #env: Environment;
  readonly #home: string;
  readonly #values: Values;
  readonly #file: Readonly<Record<string, unknown>>;
  readonly #changes = new Map<string, Value>();
  readonly #forgotten = new Set<string>();

  /** @throws ConfigError when what there is can not be used */
  constructor(env: Environment, named: string | undefined) {
    this.#env = env;
    this.#home = homeFolder(env);
    const { path, source } = locate(env, this.#home, named);
    this.path = path;
    this.source = source;
    const problems: string[] = [];
    this.#values = readValues(env, source, this.#home, problems);
    if (problems.length > 0) throw new ConfigError(problems);
    this.#file = source === undefined ? {} : parse(readFileSync(source, "utf8"));
    for (const name of TAKEN) this.#take(name);
  }

  /** What the key is: answered, or from the environment, the file or the default. */
  text(name: string): string | undefined {
    const value = this.#value(name);
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#value(name);
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** Whether anybody but the default says it. */
  isSaid(name: string): boolean {
    return (
      this.#changes.has(name) ||
      (!this.#forgotten.has(name) && (this.#inFile(name) || this.variable(name) !== undefined))
    );
  }

  /** Who is said, else who has credentials. */
  get provider(): Provider {
    const said = this.text(".provider");
    if (said !== undefined) return said === "meta" ? "meta" : "kapso";
    const isMeta = this.text("meta.access_token") !== undefined && this.text("kapso.api_key") === undefined;
    return isMeta ? "meta" : "kapso";
  }

  get hasRoles(): boolean {
    return Object.values(this.#values.security.roles).some((people) => people.length > 0);
  }

  /** The environment variable that decides, whatever the file says. */
  variable(name: string): string | undefined {
    const { env } = settingOf(name);
    return env.flatMap((one) => [one, `${one}_FILE`]).find((one) => this.#env[one]);
  }

  set(name: string, value: Value): void {
    this.#changes.delete(`${name}_file`);
    this.#changes.set(name, value);
  }

  /** As if nobody had said it: it proved wrong. */
  forget(name: string): void {
    this.#changes.delete(`${name}_file`);
    this.#changes.delete(name);
    this.#forgotten.add(name);
  }

  get gateway(): GatewayConfig {
    const url = this.text("gateway.url");
    const token = this.text("gateway.token");
    const gateway = { ...this.#values.gateway, url, token };
    return readGateway({ ...this.#values, gateway }, this.#env, this.#home, []);
  }

  get stateDir(): string {
    return stateDir(this.#values, this.#env, this.#home);
  }

  /** The lines to set, in the order of config.example.toml, and the files of the secrets, unless those are to be inline. */
  changes({ isInline = false } = {}): {
    readonly changes: readonly Change[];
    readonly secrets: readonly SecretFile[];
  } {
    const secrets: SecretFile[] = [];
    const changes = Object.entries<Record<string, Setting>>(SETTINGS).flatMap(([section, settings]) =>
      Object.entries(settings).flatMap(([key, setting]): Change[] => {
        const name = `${section}.${key}`;
        const comment = `${setting.about[0]?.toUpperCase()}${setting.about.slice(1)}. [${setting.env[0] ?? ""}]`;
        const file = this.#changes.get(`${name}_file`);
        if (file !== undefined) return [{ section, key: `${key}_file`, value: file, comment }];
        const value = this.#changes.get(name);
        if (value === undefined) return [];
        if (isInline || !setting.secret || typeof value !== "string" || key === "phone_number_id")
          return [{ section, key, value, comment }];
        const path = join(dirname(this.path), `${section}-${key}`.replaceAll("_", "-"));
        secrets.push({ path, text: value });
        return [{ section, key: `${key}_file`, value: this.#shorten(path), comment }];
      }),
    );
    return { changes, secrets };
  }

  /** Variables that will go on winning over what was answered. */
  overridden(): readonly string[] {
    return [...this.#changes].flatMap(([name, value]) => {
      const variable = name.endsWith("_file") ? undefined : this.variable(name);
      return variable !== undefined && String(value) !== String(this.#known(name)) ? [variable] : [];
    });
  }

  #take(name: string): void {
    const variable = this.variable(name);
    const value = this.#known(name);
    if (variable === undefined || this.#inFile(name) || value === undefined) return;
    const file = variable.endsWith("_FILE") ? this.#env[variable] : undefined;
    if (file !== undefined) this.#changes.set(`${name}_file`, resolve(expandHome(file, this.#home)));
    else if (typeof value === "string") this.#changes.set(name, value);
    else if (Array.isArray(value)) this.#changes.set(name, value.map(String));
  }

  #value(name: string): unknown {
    return this.#changes.get(name) ?? (this.#forgotten.has(name) ? undefined : this.#known(name));
  }

  #known(name: string): unknown {
    const [section = "", key = ""] = name.split(".");
    const sections: Readonly<Record<string, Readonly<Record<string, unknown>>>> = this.#values;
    return sections[section]?.[key];
  }

  #inFile(name: string): boolean {
    const [section = "", key = ""] = name.split(".");
    const table = section === "" ? this.#file : this.#file[section];
    return typeof table === "object" && table !== null && (key in table || `${key}_file` in table);
  }

  #shorten(path: string): string {
    return path.startsWith(`${this.#home}/`) ? `~${path.slice(this.#home.length)}` : path;
  }
}

function settingOf(name: string): Setting {
  const [section = "", key = ""] = name.split(".");
  const sections: Readonly<Record<string, Readonly<Record<string, Setting>>>> = SETTINGS;
  const setting = sections[section]?.[key];
  if (setting === undefined) throw new TypeError(`There is no key ${name}`);
  return setting;
}

/** Unlike everywhere else, a file that is named need not be there yet. The Go bridge's file is read and left as it is. */
function locate(
  env: Environment,
  home: string,
  named: string | undefined,
): { readonly path: string; readonly source: string | undefined } {
  const given = named ?? (env["WA_CONFIG"] || env["KAPSO_CONFIG"]);
  if (given !== undefined && given !== "") {
    const path = resolve(expandHome(given, home));
    return { path, source: existsSync(path) ? path : undefined };
  }
  const base = env["XDG_CONFIG_HOME"];
  const folder = join(base && isAbsolute(base) ? base : join(home, ".config"), "wa-relay");
  return { path: join(folder, "config.toml"), source: findConfigFile(env, home, named) };
}
