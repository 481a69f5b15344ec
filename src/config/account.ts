import { ConfigError } from "../errors.ts";
import type { Config } from "./config.ts";
import type { Values } from "./settings.ts";

export type Provider = "kapso" | "meta";

/** Our number at the provider that carries its messages. */
export interface Account {
  readonly provider: Provider;
  /** Kapso's API key, Meta's access token. */
  readonly apiKey: string;
  /** Digits. */
  readonly phoneNumberId: string;
  /** Origin only. */
  readonly baseUrl: string;
  /** Such as `v24.0`. */
  readonly graphVersion: string;
}

/** The account, or a ConfigError that says how to give what is missing: some commands work without one. */
export function requireAccount({ account }: Config): Account {
  if ("missing" in account)
    throw new ConfigError(account.missing, {
      hint: "wa-cli init asks for what is missing; wa-poller --sandbox tries it without an account",
    });
  return account;
}

/** What wa-poller needs besides the account, or a ConfigError with every key that is missing. */
export function requireInbound({ provider, delivery, webhook }: Config): void {
  if (provider !== "meta") return;
  const problems: string[] = [];
  if (delivery.mode === "polling")
    problems.push(
      'delivery.mode (KAPSO_MODE): Meta has no list of messages that could be polled; use "tailscale" or "domain"',
    );
  if (webhook.secret === undefined)
    problems.push(
      "meta.app_secret is missing: set WHATSAPP_APP_SECRET (Meta's app dashboard, App settings, Basic); without it anybody could forge messages",
    );
  if (webhook.verifyTokens.length === 0)
    problems.push(
      "meta.verify_token is missing: set WHATSAPP_VERIFY_TOKEN to a word of your own, and give Meta's dashboard the same",
    );
  if (problems.length > 0) throw new ConfigError(problems, { hint: "wa-cli init asks for what is missing" });
}

/** What is said, else who has credentials. */
export function chooseProvider({ "": top, kapso, meta }: Values): Provider {
  return top.provider ?? (meta.access_token !== undefined && kapso.api_key === undefined ? "meta" : "kapso");
}

export function readAccount(provider: Provider, { kapso, meta }: Values): Config["account"] {
  const isMeta = provider === "meta";
  const { phone_number_id: phoneNumberId, base_url: baseUrl } = isMeta ? meta : kapso;
  const apiKey = isMeta ? meta.access_token : kapso.api_key;
  // The version that Kapso documents.
  const graphVersion = isMeta ? meta.graph_version : "v24.0";
  if (apiKey !== undefined && phoneNumberId !== undefined)
    return { provider, apiKey, phoneNumberId, baseUrl, graphVersion };
  const missing: string[] = [];
  if (apiKey === undefined)
    missing.push(
      isMeta
        ? "meta.access_token is missing: set it, or meta.access_token_file (WHATSAPP_ACCESS_TOKEN, WHATSAPP_ACCESS_TOKEN_FILE)"
        : "kapso.api_key is missing: set it, or kapso.api_key_file (KAPSO_API_KEY, KAPSO_API_KEY_FILE)",
    );
  if (phoneNumberId === undefined)
    missing.push(
      `${provider}.phone_number_id is missing: set it (${isMeta ? "WHATSAPP" : "KAPSO"}_PHONE_NUMBER_ID)`,
    );
  return { missing };
}
