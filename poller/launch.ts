import { realpathSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { requireAccount, requireInbound } from "../src/config/account.ts";
import { loadConfig, type Config, type ConfigInput } from "../src/config/config.ts";
import { configFile } from "../src/config/explain.ts";
import { readSettings, type Environment } from "../src/config/read.ts";
import { ConfigError } from "../src/errors.ts";
import { ServiceError, type Launch } from "../src/service/supervisor.ts";
import { VERSION } from "../src/version.ts";

export interface Started {
  readonly env: Environment;
  readonly home: string;
  readonly execPath: string;
  /** Undefined in a single executable, which is its own program. */
  readonly script: string | undefined;
}

export interface Launching {
  readonly launch: Launch;
  readonly config: Config;
  /** Variables that are set here, and which the service does not see. */
  readonly unseen: readonly string[];
}

/** Where things are stays the same for the service; what is set, it reads from files. */
const PLACES = ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH"];

/**
 * What a service would run and see, checked as `--check` does; `file` is the configuration that was named.
 * @throws ConfigError, ServiceError
 */
export function launchOf(file: string | undefined, { env, home, execPath, script }: Started): Launching {
  const input = { env: { HOME: home, ...places(env) }, file };
  const unseen = [...readSettings(env, configFile(input), home, [])].flatMap(({ origin }) =>
    origin.kind === "environment" ? [origin.name] : [],
  );
  const config = usable(input, unseen);
  if (script?.includes("/_npx/"))
    throw new ServiceError("npx keeps this program in a cache that it clears", {
      hint: `install it from its file: npm install -g ./wa-relay-${VERSION}.tgz`,
    });
  const path = pathOf(env["PATH"]);
  return {
    config,
    unseen,
    launch: {
      command: [
        ...(script === undefined ? [execPath] : [lastingName(execPath, path), script]),
        ...(file === undefined ? [] : ["--config", file]),
      ],
      env: { PATH: path, ...places(env) },
    },
  };
}

function places(env: Environment): Readonly<Record<string, string>> {
  return Object.fromEntries(PLACES.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

function usable(input: ConfigInput, unseen: readonly string[]): Config {
  try {
    const config = loadConfig(input);
    requireAccount(config);
    requireInbound(config);
    return config;
  } catch (error) {
    // What is wrong rather than missing has nothing to do with variables.
    const isMissing = error instanceof ConfigError && (error.hint !== undefined || unseen.length > 0);
    if (!isMissing) throw error;
    const without = unseen.length === 0 ? "" : ` (${unseen.join(", ")}), and without them`;
    throw new ConfigError(
      [`a service does not see the variables of this shell${without}:`, ...error.problems],
      {
        hint: "wa-cli init writes what is missing into a configuration file, and keys into files of their own",
      },
    );
  }
}

/** Homebrew's Node is found by a name that stays, and runs under one that goes with the next upgrade. */
function lastingName(execPath: string, path: string): string {
  const names = path.split(delimiter).map((folder) => join(folder, "node"));
  return names.find((name) => isSame(name, execPath)) ?? execPath;
}

function isSame(name: string, execPath: string): boolean {
  try {
    return realpathSync(name) === realpathSync(execPath);
  } catch {
    return false;
  }
}

/** This shell's, so that tailscale, ffmpeg and whisper are found as they are here; npm's own additions are not lasting. */
function pathOf(path = ""): string {
  const usual = ["/usr/local/bin", "/usr/bin", "/bin"];
  const folders = [...path.split(delimiter), ...usual].filter(
    (folder) => isAbsolute(folder) && !folder.includes("node_modules"),
  );
  return [...new Set(folders)].join(delimiter);
}
