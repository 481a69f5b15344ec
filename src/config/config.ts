import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { isLoopback } from "../url.ts";
import { isBsuid, parsePhone } from "../phone.ts";
import { readOpenClawFile } from "./openclaw-file.ts";
import { expandHome, findConfigFile, readValues, type Environment } from "./read.ts";
import type { Values } from "./settings.ts";

const DEFAULT_GATEWAY_URL = "ws://127.0.0.1:18789";
const DEFAULT_ADDRESS = "127.0.0.1:18790";

/** What the program runs with: checked, complete and frozen. Durations are milliseconds. */
export interface Config {
  /** The file that was read; undefined when there is none. */
  readonly file: string | undefined;
  readonly kapso: {
    readonly apiKey: string | undefined;
    readonly phoneNumberId: string | undefined;
    readonly baseUrl: string;
  };
  readonly delivery: {
    readonly mode: "polling" | "tailscale" | "domain";
    readonly pollIntervalMs: number;
    readonly pollFallback: boolean;
    readonly maxParallel: number;
    readonly maxAgeMs: number;
    readonly backfillMs: number;
    readonly receipts: "typing" | "read" | "none";
  };
  readonly webhook: WebhookConfig;
  readonly tailscale: { readonly bin: string | undefined; readonly port: number };
  readonly gateway: GatewayConfig;
  readonly security: SecurityConfig;
  readonly send: { readonly settleMs: number };
  readonly state: { readonly dir: string; readonly keepTextMs: number };
  readonly log: { readonly level: string; readonly format: "pretty" | "json" | undefined };
}

export interface KapsoAccount {
  readonly apiKey: string;
  readonly phoneNumberId: string;
  readonly baseUrl: string;
}

export interface WebhookConfig {
  /** We register it: that is wanted, and its public address is known or will be. */
  readonly register: boolean;
  /** Where we listen; undefined while polling alone, unless an address is set. */
  readonly listen: { readonly host: string | undefined; readonly port: number } | undefined;
  /** Public address with its path, when it is known from the start. */
  readonly url: string | undefined;
  /** Signs what we register. */
  readonly secret: string | undefined;
  readonly oldSecrets: readonly string[];
  readonly verifyTokens: readonly string[];
}

export interface GatewayConfig {
  /** False when nothing names a gateway, so that the usual place on this machine is tried. */
  readonly isNamed: boolean;
  readonly url: string;
  readonly token: string | undefined;
  readonly sessionKey: string;
  readonly scopes: readonly string[];
  readonly errorMessage: string;
  readonly turnTimeoutMs: number;
}

export interface SecurityConfig {
  readonly open: boolean;
  /** Digits or BSUID → role. */
  readonly roles: ReadonlyMap<string, string>;
  readonly defaultRole: string;
  readonly denyMessage: string;
  readonly limitMessage: string;
  readonly rateLimit: number;
  readonly rateWindowMs: number;
  readonly sessionIsolation: boolean;
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
  const home = env["HOME"] || homedir();
  const path = findConfigFile(env, home, file);
  const problems: string[] = [];
  const values = readValues(env, path, home, problems);
  problems.push(...unsupported(values), ...unusable(values));
  const roles = readRoles(values, problems);
  const webhook = readWebhook(values, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return freeze({
    file: path,
    kapso: {
      apiKey: values.kapso.api_key,
      phoneNumberId: values.kapso.phone_number_id,
      baseUrl: values.kapso.base_url,
    },
    delivery: {
      mode: values.delivery.mode,
      pollFallback: values.delivery.poll_fallback,
      pollIntervalMs: values.delivery.poll_interval,
      maxParallel: values.delivery.max_parallel,
      maxAgeMs: values.delivery.max_age,
      backfillMs: values.delivery.backfill,
      receipts: values.delivery.receipts,
    },
    webhook,
    tailscale: { bin: values.tailscale.bin, port: values.tailscale.port },
    gateway: {
      ...findGateway(values, env, home),
      sessionKey: values.gateway.session_key,
      scopes: values.gateway.scopes,
      errorMessage: values.gateway.error_message,
      turnTimeoutMs: values.gateway.turn_timeout,
    },
    security: {
      open: values.security.mode === "open",
      roles,
      defaultRole: values.security.default_role,
      denyMessage: values.security.deny_message,
      limitMessage: values.security.limit_message,
      rateLimit: values.security.rate_limit,
      rateWindowMs: values.security.rate_window,
      sessionIsolation: values.security.session_isolation,
    },
    send: { settleMs: values.send.settle },
    state: { dir: stateDir(values, env, home), keepTextMs: values.state.keep_text },
    log: { level: values.log.level, format: values.log.format },
  });
}

/** The account, or a ConfigError that says how to give what is missing: some commands work without one. */
export function requireKapso({ kapso }: Config): KapsoAccount {
  const { apiKey, phoneNumberId, baseUrl } = kapso;
  if (apiKey !== undefined && phoneNumberId !== undefined) return { apiKey, phoneNumberId, baseUrl };
  const problems: string[] = [];
  if (apiKey === undefined)
    problems.push("kapso.api_key is missing: set KAPSO_API_KEY, or KAPSO_API_KEY_FILE");
  if (phoneNumberId === undefined)
    problems.push("kapso.phone_number_id is missing: set KAPSO_PHONE_NUMBER_ID");
  throw new ConfigError(problems);
}

function findGateway({ gateway }: Values, env: Environment, home: string) {
  const isNamed = gateway.url !== undefined || gateway.token !== undefined;
  const local =
    gateway.url === undefined || isLoopback(gateway.url) ? readOpenClawFile(env, home) : undefined;
  return {
    isNamed,
    url: gateway.url ?? local?.url ?? DEFAULT_GATEWAY_URL,
    token: gateway.token ?? local?.token,
  };
}

function unsupported(values: Values): string[] {
  const problems: string[] = [];
  const metaOnly = values.meta.access_token !== undefined && values.kapso.api_key === undefined;
  const { provider } = values[""];
  if (provider === "meta" || (provider === undefined && metaOnly))
    problems.push(
      'provider = "meta" is not supported yet: use Kapso (KAPSO_API_KEY and KAPSO_PHONE_NUMBER_ID)',
    );
  if (values.gateway.type !== "openclaw")
    problems.push(`gateway.type = "${values.gateway.type}" is not supported yet: use "openclaw"`);
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

function readWebhook({ webhook, meta, delivery }: Values, problems: string[]): WebhookConfig {
  const listen = parseAddress(webhook.addr ?? DEFAULT_ADDRESS);
  if (!listen)
    problems.push(
      `webhook.addr (KAPSO_WEBHOOK_ADDR): must be a host and a port such as "127.0.0.1:18790" (it is "${webhook.addr}")`,
    );
  const { mode } = delivery;
  if (mode === "tailscale" && webhook.url !== undefined)
    problems.push(
      'webhook.url (WA_WEBHOOK_URL): the Funnel has an address of its own; leave it out, or use delivery.mode = "domain"',
    );
  // The Funnel passes on to 127.0.0.1.
  if (mode === "tailscale" && listen && ![undefined, "127.0.0.1", "0.0.0.0", "::"].includes(listen.host))
    problems.push(
      `webhook.addr (KAPSO_WEBHOOK_ADDR): a Funnel needs 127.0.0.1, such as "${DEFAULT_ADDRESS}" (it is "${webhook.addr}")`,
    );
  const secrets = [meta.app_secret, ...webhook.old_secrets];
  return {
    register: delivery.register && (mode === "tailscale" || (mode === "domain" && webhook.url !== undefined)),
    listen: mode === "polling" && webhook.addr === undefined ? undefined : listen,
    url: webhook.url && withPath(webhook.url),
    secret: webhook.secret,
    oldSecrets: secrets.filter((secret) => secret !== undefined),
    verifyTokens: [webhook.verify_token, meta.verify_token].filter((token) => token !== undefined),
  };
}

/** `":18790"` means every interface, as it did for the Go bridge. */
function parseAddress(
  text: string,
): { readonly host: string | undefined; readonly port: number } | undefined {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:]*)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const { v6, name = "", port } = match ?? {};
  const host = v6 ?? name;
  if (port === undefined || Number(port) > 65_535) return undefined;
  return { host: host === "" ? undefined : host, port: Number(port) };
}

/** A bare domain gets the path at which we listen. */
export function withPath(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return origin + (pathname === "/" ? "/webhook" : pathname) + search;
}

function readRoles({ security }: Values, problems: string[]): Map<string, string> {
  const roles = new Map<string, string>();
  for (const [role, people] of Object.entries(security.roles)) {
    for (const person of people) {
      const id = parsePerson(person, `security.roles.${role}`, problems);
      const other = roles.get(id);
      if (other !== undefined && other !== role)
        problems.push(`security.roles: "${person}" is in both ${other} and ${role}: keep one`);
      roles.set(id, role);
    }
  }
  for (const person of security.allowed_numbers) {
    const id = parsePerson(person, "security.allowed_numbers (KAPSO_ALLOWED_NUMBERS)", problems);
    if (!roles.has(id)) roles.set(id, security.default_role);
  }
  return roles;
}

function parsePerson(text: string, key: string, problems: string[]): string {
  const id = isBsuid(text) ? text : parsePhone(text);
  if (id === undefined)
    problems.push(`${key}: "${text}" is neither an international number such as "+15551234567" nor a BSUID`);
  return id ?? text;
}

function stateDir(values: Values, env: Environment, home: string): string {
  if (values.state.dir !== undefined) return resolve(expandHome(values.state.dir, home));
  const base = env["XDG_STATE_HOME"];
  return join(base && isAbsolute(base) ? base : join(home, ".local", "state"), "wa-relay");
}

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) freeze(part);
  return Object.freeze(value);
}
