import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "smol-toml";

const run = promisify(execFile);
const STORE = "/nix/store/00000000000000000000000000000000-";
const ROOT = join(import.meta.dirname, "../..");
/** What home-manager takes from nixpkgs besides lib. */
const MISC = {
  "assertions.nix": `{ lib, ... }: with lib; {
    options.assertions = mkOption { type = types.listOf types.unspecified; default = [ ]; };
    options.warnings = mkOption { type = types.listOf types.str; default = [ ]; };
  }`,
  "meta.nix": `{ lib, ... }: with lib; { options.meta = mkOption { type = types.attrsOf types.unspecified; default = { }; }; }`,
};

export type System = "x86_64-linux" | "aarch64-linux" | "aarch64-darwin";
type Value = string | number | boolean | readonly string[];
type Section = Readonly<Record<string, Value | null>>;

/** What the module makes of a configuration. */
export interface Evaluated {
  readonly unit: { readonly Unit: Section; readonly Service: Section; readonly Install: Section } | null;
  readonly agent: {
    readonly ProgramArguments: readonly string[];
    readonly EnvironmentVariables: Readonly<Record<string, string>>;
    readonly StandardErrorPath: string;
  } | null;
  /** Shell commands that home-manager runs before it starts the agent. */
  readonly activation: string | null;
  readonly toml: Readonly<Record<string, unknown>> | null;
  readonly failed: readonly string[];
  readonly warnings: readonly string[];
  readonly packages: readonly string[];
  readonly checks: readonly string[];
  /** Of the stand-in alone. */
  readonly options?: readonly { readonly name: string; readonly values: readonly unknown[] | null }[];
}

interface Checkouts {
  readonly homeManager: string;
  readonly lib: string;
}

const { WA_HOME_MANAGER: homeManager, WA_NIXPKGS_LIB: lib } = process.env;
/** Of home-manager and nixpkgs' lib, where the environment names them. */
export const checkouts: Checkouts | undefined = homeManager && lib ? { homeManager, lib } : undefined;
export const PLACES = [
  { where: "a stand-in for home-manager", real: undefined },
  ...(checkouts ? [{ where: "home-manager", real: checkouts }] : []),
];

/** Where the module is evaluated: in home-manager itself with two checkouts, else in a stand-in. */
export class NixHome implements Disposable {
  /** In place of the Nix store; the package in it runs the sources. */
  readonly store = mkdtempSync(join(tmpdir(), "wa-relay-nix-"));
  readonly #arguments: readonly string[];

  constructor(checkouts: Checkouts | undefined) {
    for (const [name, main] of Object.entries({ "wa-poller": "poller", "wa-cli": "cli" }))
      this.#write(
        `wa-relay/bin/${name}`,
        script(`"${process.execPath}" "${join(ROOT, main, "bin.ts")}"`),
        0o755,
      );
    this.#write("coreutils/bin/mkdir", script("mkdir"), 0o755);
    this.#arguments = checkouts === undefined ? [] : this.#real(checkouts);
  }

  #real({ homeManager, lib }: Checkouts): readonly string[] {
    for (const [name, text] of Object.entries(MISC)) this.#write(`nixpkgs/nixos/modules/misc/${name}`, text);
    const nixpkgs = join(this.store, "nixpkgs");
    symlinkSync(lib, join(nixpkgs, "lib"));
    return ["--argstr", "homeManager", homeManager, "--argstr", "nixpkgs", nixpkgs];
  }

  #write(name: string, text: string, mode = 0o644): string {
    const path = join(this.store, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
    return path;
  }

  /** `config` is the Nix text of a home-manager module. Rejects with what Nix says when it does not evaluate. */
  async evaluate(config: string, system: System = "x86_64-linux"): Promise<Evaluated> {
    const text = await this.#evaluate(config, system);
    return JSON.parse(text.replaceAll(STORE, `${this.store}/`));
  }

  async #evaluate(config: string, system: System, ...more: readonly string[]): Promise<string> {
    const evaluate = join(import.meta.dirname, "evaluate.nix");
    const args = [evaluate, "--argstr", "system", system, "--arg", "config", config, ...this.#arguments];
    return nix("nix-instantiate", ["--eval", "--strict", "--json", ...args, ...more]);
  }

  /** What fails, of a configuration of which not everything can be made. */
  async failed(config: string, system: System = "x86_64-linux"): Promise<readonly string[]> {
    return JSON.parse(await this.#evaluate(config, system, "-A", "failed", "--read-write-mode"));
  }

  /** Runs what is run while the configuration is built. Rejects with what it says. */
  async check(config: string): Promise<void> {
    const evaluated = await this.evaluate(config);
    this.writeToml(evaluated);
    const env = { PATH: process.env["PATH"], TMPDIR: this.store, out: join(this.store, "check") };
    for (const script of evaluated.checks) await run("sh", ["-ec", script], { env });
  }

  /** Puts the configuration where unit and agent expect it. Returns the path. */
  writeToml({ toml }: Evaluated): string {
    return this.#write("wa-relay-config.toml", stringify({ ...toml }));
  }

  /** Puts the unit into a folder, as home-manager writes it. Returns the path. */
  writeUnit({ unit }: Evaluated): string {
    const sections = Object.entries<Section>(unit ?? {}).map(([name, keys]) =>
      [`[${name}]`, ...Object.entries(keys).flatMap(([key, value]) => lines(key, value)), ""].join("\n"),
    );
    return this.#write("wa-relay.service", sections.join("\n"));
  }

  [Symbol.dispose](): void {
    rmSync(this.store, { recursive: true, force: true });
  }
}

function script(command: string): string {
  return `#!/bin/sh\nexec ${command} "$@"\n`;
}

function lines(key: string, value: Value | null): readonly string[] {
  if (value === null) return [];
  return (Array.isArray(value) ? value : [value]).map((line) => `${key}=${line}`);
}

/** Whether this machine has the command. */
export function isThere(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

/** Nix without a store: nothing is built. */
export async function nix(command: string, args: readonly string[]): Promise<string> {
  using folder = new Folder();
  const env = {
    PATH: process.env["PATH"],
    HOME: folder.path,
    NIX_REMOTE: "dummy://",
    NIX_CONF_DIR: folder.path,
  };
  const { stdout } = await run(command, args, { env, maxBuffer: 16_777_216 });
  return stdout;
}

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "wa-relay-nix-home-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
