import { isAbsolute, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { chooseProvider, readAccount, type Account, type Provider } from "./account.ts";
import { readBridge, type BridgeConfig } from "./bridge.ts";
import { readClosed, type Closed } from "./closed.ts";
import { readGateway, type GatewayConfig } from "./gateway.ts";
import { homeFolder } from "./home.ts";
import { readMedia, type MediaConfig } from "./media.ts";
import { expandHome, findConfigFile, readValues, type Environment, type SecretFiles } from "./read.ts";
import { readSend, type SendConfig } from "./send.ts";
import { readSecurity, type SecurityConfig } from "./security.ts";
import type { Values } from "./settings.ts";
import { readTranscribe, type TranscribeConfig } from "./transcribe.ts";
import { readWebhook, type WebhookConfig } from "./webhook.ts";

/** What the program runs with: checked, complete and frozen. Durations are milliseconds. */
export interface Config {
  /** The file that was read; undefined when there is none. */
  readonly file: string | undefined;
  readonly provider: Provider;
  /** Some commands work without one. */
  readonly account: Account | { /** A line for each key. */ readonly missing: readonly string[] };
  readonly delivery: {
    readonly mode: "polling" | "tailscale" | "domain";
    readonly pollIntervalMs: number;
    readonly pollFallback: boolean;
    readonly maxParallel: number;
    readonly maxAgeMs: number;
    readonly backfillMs: number;
    readonly quote: "auto" | "always" | "never";
    readonly receipts: "typing" | "read" | "none";
  };
  readonly webhook: WebhookConfig;
  readonly tailscale: { readonly bin: string | undefined; readonly port: number };
  readonly gateway: GatewayConfig;
  readonly bridge: BridgeConfig;
  readonly security: SecurityConfig;
  readonly send: SendConfig;
  readonly media: MediaConfig & Closed;
  /** Undefined when nothing is to be transcribed. */
  readonly transcribe: TranscribeConfig | undefined;
  readonly state: { readonly dir: string; readonly keepTextMs: number };
  readonly log: {
    readonly level: string;
    readonly format: "pretty" | "json" | undefined;
    /** Its newest lines are kept in the state folder too. */
    readonly file: boolean;
  };
}

export interface ConfigInput {
  readonly env: Environment;
  /** Value of `--config`. */
  readonly file?: string | undefined;
}

/**
 * Built-in defaults, then config.toml, then the environment.
 * @throws ConfigError naming every key that can not be used
 */
export function loadConfig({ env, file }: ConfigInput): Config {
  const home = homeFolder(env);
  const path = findConfigFile(env, home, file);
  const problems: string[] = [];
  const secrets: SecretFiles = { named: [], unread: [] };
  const values = readValues(env, path, home, problems, secrets);
  problems.push(...unsupported(values), ...unusable(values));
  const dir = stateDir(values, env, home);
  const provider = chooseProvider(values);
  const config: Config = {
    file: path,
    provider,
    account: readAccount(provider, values),
    delivery: {
      mode: values.delivery.mode,
      pollFallback: values.delivery.poll_fallback,
      pollIntervalMs: values.delivery.poll_interval,
      maxParallel: values.delivery.max_parallel,
      maxAgeMs: values.delivery.max_age,
      backfillMs: values.delivery.backfill,
      quote: values.delivery.quote,
      receipts: values.delivery.receipts,
    },
    webhook: readWebhook(values, provider, problems),
    tailscale: { bin: values.tailscale.bin, port: values.tailscale.port },
    gateway: readGateway(values, env, home, problems),
    bridge: readBridge(values, problems),
    security: readSecurity(values, problems),
    send: readSend(values, problems),
    media: {
      ...readMedia(values, dir, home, problems),
      ...readClosed(env, home, { stateDir: dir, file: path, secrets: secrets.named }),
    },
    transcribe: readTranscribe(values, home, problems),
    state: { dir, keepTextMs: values.state.keep_text },
    log: values.log,
  };
  if (problems.length > 0) throw new ConfigError(problems, { awaitsSecret: secrets.unread.length > 0 });
  return freeze(config);
}

function unsupported(values: Values): string[] {
  const problems: string[] = [];
  if (values.gateway.type === "zeroclaw")
    problems.push('gateway.type = "zeroclaw" is not supported yet: use "openclaw" or "http"');
  return problems;
}

function unusable(values: Values): string[] {
  const problems: string[] = [];
  if (values.gateway.scopes.includes("operator.admin"))
    problems.push(
      "gateway.scopes must not have operator.admin: everybody on WhatsApp would count as the agent's owner",
    );
  for (const scope of ["operator.read", "operator.write"])
    if (!values.gateway.scopes.includes(scope)) problems.push(`gateway.scopes needs ${scope}`);
  return problems;
}

/** The state folder, absolute. */
export function stateDir(values: Values, env: Environment, home: string): string {
  if (values.state.dir !== undefined) return resolve(expandHome(values.state.dir, home));
  const base = env["XDG_STATE_HOME"];
  return join(base && isAbsolute(base) ? base : join(home, ".local", "state"), "wa-relay");
}

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) freeze(part);
  return Object.freeze(value);
}
