import { z } from "zod";
import { BRIDGE } from "./bridge-settings.ts";
import { duration, secret, secretLine, setting, size, type Setting, type ValueOf } from "./setting.ts";
import { SEND } from "./send-settings.ts";
import { TRANSCRIBE } from "./transcribe-settings.ts";

const origin = (fallback: string) =>
  z
    .url({ protocol: /^https?$/, error: 'must be an origin such as "https://api.kapso.ai"' })
    .transform((url) => new URL(url).origin)
    .default(fallback);

const ERROR_MESSAGE = "Sorry, I ran into an issue processing your message. Please try again in a moment.";
const LIMIT_MESSAGE =
  "You are sending messages faster than I can take them. Please wait a minute and try again.";

/** Every key there is. The keys of the Go bridge `kapso-whatsapp` keep their names and meaning. */
export const SETTINGS = {
  "": {
    provider: setting(
      z.enum(["kapso", "meta"]).optional(),
      "WA_PROVIDER",
      "who carries the messages; without it, who has credentials",
    ),
  },
  kapso: {
    api_key: secret("KAPSO_API_KEY", "project API key (Kapso dashboard, Integrations, API keys)"),
    phone_number_id: {
      ...setting(
        z
          .string()
          .regex(/^\d+$/, "must be the digits of the phone number id, not the phone number")
          .optional(),
        "KAPSO_PHONE_NUMBER_ID",
        "phone number id (Kapso dashboard, WhatsApp, your number)",
      ),
      secret: true,
    },
    base_url: setting(origin("https://api.kapso.ai"), "KAPSO_BASE_URL", "origin of Kapso's API"),
  },
  meta: {
    access_token: secret("WHATSAPP_ACCESS_TOKEN", "access token of a system user at Meta"),
    phone_number_id: setting(
      z.string().regex(/^\d+$/, "must be the digits of the phone number id, not the phone number").optional(),
      "WHATSAPP_PHONE_NUMBER_ID",
      "phone number id (Meta's app dashboard, WhatsApp, API setup)",
    ),
    app_secret: secret("WHATSAPP_APP_SECRET", "signs Meta's webhooks (app dashboard, App settings, Basic)"),
    verify_token: secret("WHATSAPP_VERIFY_TOKEN", "a word of your own that Meta's dashboard gets too"),
    base_url: setting(origin("https://graph.facebook.com"), "META_BASE_URL", "origin of Meta's Graph API"),
    graph_version: setting(
      z
        .string()
        .regex(/^v\d+\.\d+$/, 'must be a version such as "v24.0"')
        .default("v24.0"),
      "META_GRAPH_VERSION",
      "version of the Graph API",
    ),
  },
  delivery: {
    mode: setting(
      z.enum(["polling", "tailscale", "domain"]).default("polling"),
      ["KAPSO_MODE", "KAPSO_WEBHOOK_MODE"],
      "how messages come in: by polling alone, or by webhooks too, through a Funnel or a domain",
    ),
    poll_interval: setting(
      duration("30s", { min: "1s", max: "1h" }),
      "KAPSO_POLL_INTERVAL",
      "longest wait between two polls; shorter while people are writing",
    ),
    poll_fallback: setting(
      z.boolean().default(true),
      "KAPSO_POLL_FALLBACK",
      "poll next to webhooks, and so find what they miss (webhook modes); without a secret each webhook starts a poll all the same",
    ),
    register: setting(
      z.boolean().default(true),
      "WA_REGISTER",
      "register the webhook with Kapso and keep it so (webhook modes); false only says the address",
    ),
    max_parallel: setting(
      z.int().min(1).max(1000).default(16),
      "WA_MAX_PARALLEL",
      "conversations answered at the same time",
    ),
    max_age: setting(
      duration("24h", { min: "1m", max: "7d" }),
      "WA_MAX_AGE",
      "an older message is stored but not answered (WhatsApp closes the reply window after 24 h)",
    ),
    backfill: setting(
      duration("1h", { min: "0s", max: "24h" }),
      "WA_BACKFILL",
      "on the very first start: how far back messages are still answered",
    ),
    quote: setting(
      z.enum(["auto", "always", "never"]).default("auto"),
      "WA_QUOTE",
      "whether an answer quotes its question; auto: when the person wrote again in between",
    ),
    receipts: setting(
      z.enum(["typing", "read", "none"]).default("typing"),
      "WA_RECEIPTS",
      "while the agent works: blue ticks and typing, blue ticks only, or neither",
    ),
  },
  webhook: {
    addr: setting(
      z.string().optional(),
      "KAPSO_WEBHOOK_ADDR",
      'where webhooks and GET /health arrive; without it 127.0.0.1:18790 in webhook modes, nowhere while polling alone; ":18790" is every interface',
    ),
    url: setting(
      z
        .url({ protocol: /^https$/, error: 'must be an https URL such as "https://bot.example.com/webhook"' })
        .optional(),
      "WA_WEBHOOK_URL",
      "public address of the webhook (domain mode), to register it with Kapso and to check it; a bare domain gets /webhook",
    ),
    secret: secret("KAPSO_WEBHOOK_SECRET", "signs webhooks; one is made when we register our own"),
    old_secrets: {
      ...setting(
        z.array(secretLine).default([]),
        "KAPSO_WEBHOOK_OLD_SECRETS",
        "secrets that are still accepted, while a new one is taking over",
      ),
      secret: true,
    },
    verify_token: secret(
      "KAPSO_WEBHOOK_VERIFY_TOKEN",
      "as meta.verify_token, under the name that it had in the Go bridge",
    ),
  },
  tailscale: {
    bin: setting(
      z.string().min(1).optional(),
      "TAILSCALE_BIN",
      "the tailscale command, when it is not found by itself",
    ),
    port: setting(z.literal([443, 8443, 10000]).default(443), "WA_FUNNEL_PORT", "public port of the Funnel"),
  },
  gateway: {
    type: setting(
      z.enum(["openclaw", "http", "zeroclaw"]).default("openclaw"),
      "GATEWAY_TYPE",
      'kind of agent: an OpenClaw gateway, or any program that takes messages by HTTP; "zeroclaw" is not supported yet',
    ),
    url: setting(
      z
        .url({
          protocol: /^(wss?|https?)$/,
          error: 'must be a URL such as "ws://127.0.0.1:18789", or for gateway.type = "http" an http URL',
        })
        .optional(),
      ["OPENCLAW_GATEWAY_URL", "GATEWAY_URL"],
      "WebSocket URL of the gateway, without it the one on this machine; for http, where messages are posted to",
    ),
    token: secret(
      ["OPENCLAW_TOKEN", "GATEWAY_TOKEN"],
      "shared token of the gateway, without it that of openclaw.json on this machine; for http, the X-Webhook-Secret",
    ),
    session_key: setting(
      z.string().min(1).max(200).default("main"),
      "OPENCLAW_SESSION_KEY",
      "base of the session keys: main gives main-wa-NUMBER, or main-wa-BSUID",
    ),
    sessions_json: setting(
      z.string().optional(),
      "OPENCLAW_SESSIONS_JSON",
      "of the Go bridge: accepted and unused",
    ),
    error_message: setting(
      z.string().default(ERROR_MESSAGE),
      "GATEWAY_ERROR_MESSAGE",
      'sent once when the agent fails; "" sends nothing',
    ),
    role: setting(z.literal("operator").default("operator"), "GATEWAY_ROLE", "role at the gateway"),
    scopes: setting(
      z.array(z.string().min(1)).default(["operator.read", "operator.write"]),
      "GATEWAY_SCOPES",
      "scopes asked of the gateway; both of these are needed, operator.admin is refused",
    ),
    turn_timeout: setting(
      duration("10m", { min: "1s", max: "24h" }),
      "WA_TURN_TIMEOUT",
      "the agent may work this long on one message",
    ),
  },
  bridge: BRIDGE,
  security: {
    mode: setting(
      z.enum(["allowlist", "open"]).default("allowlist"),
      "KAPSO_SECURITY_MODE",
      "who may write: the people below, or everybody",
    ),
    roles: setting(
      z.record(z.string().min(1), z.array(z.string())).default({}),
      [],
      "the people of each role, who may write: numbers in any international spelling, or BSUIDs",
    ),
    allowed_numbers: setting(
      z.array(z.string()).default([]),
      "KAPSO_ALLOWED_NUMBERS",
      "more people, with the default role",
    ),
    default_role: setting(
      z.string().min(1).default("member"),
      "KAPSO_DEFAULT_ROLE",
      "role of people without one",
    ),
    deny_message: setting(
      z.string().default(""),
      "KAPSO_DENY_MESSAGE",
      'sent to a refused person at most once a day; "" stays silent',
    ),
    rate_limit: setting(z.int().min(1).default(10), "KAPSO_RATE_LIMIT", "messages of one person in a window"),
    rate_window: setting(
      duration("60s", { min: "1s", max: "24h" }),
      "KAPSO_RATE_WINDOW",
      "length of that window",
    ),
    limit_message: setting(
      z.string().default(LIMIT_MESSAGE),
      "WA_LIMIT_MESSAGE",
      'sent once a window to a person over the limit; "" stays silent',
    ),
    session_isolation: setting(
      z.boolean().default(true),
      "KAPSO_SESSION_ISOLATION",
      "a session for each person instead of one for all",
    ),
  },
  send: SEND,
  transcribe: TRANSCRIBE,
  media: {
    max_size: setting(
      size("25MB", { min: "1KB", max: "100MB" }),
      "WA_MEDIA_MAX_SIZE",
      "a larger file of a message is not fetched, and the agent is told",
    ),
    keep: setting(
      duration("7d", { min: "1h", max: "365d" }),
      "WA_MEDIA_KEEP",
      "how long files stay in the media folder of the state",
    ),
    quota: setting(
      size("2GB", { min: "1MB", max: "1000GB" }),
      "WA_MEDIA_QUOTA",
      "all files together; the oldest go first",
    ),
    hosts: setting(
      z
        .array(
          z.string().regex(/^[a-z\d.-]+$/, 'must be the whole name of a server such as "files.example.com"'),
        )
        .default([]),
      "WA_MEDIA_HOSTS",
      "more servers that may be asked for files, besides Kapso's and Meta's",
    ),
    send_from: setting(
      z.array(z.string().min(1)).default(["~/.openclaw/workspace"]),
      "WA_MEDIA_SEND_FROM",
      "folders from which an agent may send files; relative names begin in the first",
    ),
  },
  state: {
    dir: setting(
      z.string().min(1).optional(),
      "KAPSO_STATE_DIR",
      "folder of the database and the device key, closed to others; without it ~/.local/state/wa-relay",
    ),
    keep_text: setting(
      duration("8d", { min: "0s", max: "8d" }),
      "WA_KEEP_TEXT",
      "how long the text of settled messages stays in the database",
    ),
  },
  log: {
    level: setting(
      z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
      "WA_LOG_LEVEL",
      "least important lines that are logged",
    ),
    format: setting(
      z.enum(["pretty", "json"]).optional(),
      "WA_LOG_FORMAT",
      "without it pretty on a terminal, else json",
    ),
    file: setting(
      z.boolean().default(true),
      "WA_LOG_FILE",
      "keep the newest lines in the state folder too, for wa-cli logs (10 MB at most)",
    ),
  },
} as const satisfies Record<string, Record<string, Setting>>;

export type Section = keyof typeof SETTINGS;

/** The checked values, by section and key. */
export type Values = {
  readonly [S in Section]: { readonly [K in keyof (typeof SETTINGS)[S]]: ValueOf<(typeof SETTINGS)[S][K]> };
};

/** Keys that an older configuration may have and that this version can not honour yet: stopping beats ignoring. */
export const NOT_YET: Record<string, string> = {
  commands: "chat commands are not supported yet; remove them to go on without",
};
