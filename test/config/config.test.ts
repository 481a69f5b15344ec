import { execFileSync, spawn } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { requireAccount, requireInbound } from "../../src/config/account.ts";
import { type Config } from "../../src/config/config.ts";
import { readValues } from "../../src/config/read.ts";
import type { Setting } from "../../src/config/setting.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { Home, problemsOf } from "./home.ts";

const MINUTE = 60_000;

const NUMBER = { KAPSO_PHONE_NUMBER_ID: "1" };

function keyOf({ account }: Config): string | undefined {
  return "missing" in account ? undefined : account.apiKey;
}

describe("loadConfig() without any setting", () => {
  test("has the documented defaults", () => {
    using home = new Home();

    const config = home.load();

    expect(config).toMatchObject({
      file: undefined,
      provider: "kapso",
      account: {
        missing: [expect.stringContaining("kapso.api_key"), expect.stringContaining("phone_number_id")],
      },
      delivery: { pollIntervalMs: 30_000 },
      gateway: {
        isNamed: false,
        url: "ws://127.0.0.1:18789",
        token: undefined,
        sessionKey: "main",
        scopes: ["operator.read", "operator.write"],
        errorMessage: "Sorry, I ran into an issue processing your message. Please try again in a moment.",
        turnTimeoutMs: 10 * MINUTE,
      },
      security: {
        open: false,
        defaultRole: "member",
        denyMessage: "",
        rateLimit: 10,
        rateWindowMs: MINUTE,
        sessionIsolation: true,
      },
      transcribe: undefined,
      log: { level: "info", format: undefined },
    });
    expect([...config.security.roles]).toEqual([]);
  });

  test("keeps state in ~/.local/state/wa-relay", () => {
    using home = new Home();

    expect(home.load().state.dir).toBe(join(home.path, ".local/state/wa-relay"));
  });

  test("keeps state in XDG_STATE_HOME when that is absolute", () => {
    using home = new Home();

    expect(home.load({ XDG_STATE_HOME: "/var/x" }).state.dir).toBe("/var/x/wa-relay");
    expect(home.load({ XDG_STATE_HOME: "relative" }).state.dir).toBe(
      join(home.path, ".local/state/wa-relay"),
    );
  });

  test("is frozen", () => {
    using home = new Home();

    const config = home.load();

    expect(Object.isFrozen(config)).toBe(true);
    for (const part of [config.account, config.delivery, config.gateway, config.security, config.state])
      expect(Object.isFrozen(part)).toBe(true);
  });

  test("is frozen down to the list of scopes", () => {
    using home = new Home();

    expect(Object.isFrozen(home.load().gateway.scopes)).toBe(true);
  });
});

describe("the order of settings", () => {
  test("environment over file over default", () => {
    using home = new Home();
    const toml = '[gateway]\nsession_key = "file"\n[log]\nlevel = "debug"\n';

    const config = home.loadText(toml, { OPENCLAW_SESSION_KEY: "env" });

    expect(config.gateway.sessionKey).toBe("env");
    expect(config.log.level).toBe("debug");
    expect(config.security.rateLimit).toBe(10);
  });

  test("an empty variable counts as unset", () => {
    using home = new Home();
    const env = { OPENCLAW_SESSION_KEY: "", KAPSO_API_KEY: "", KAPSO_API_KEY_FILE: "", KAPSO_RATE_LIMIT: "" };

    const config = home.loadText('[gateway]\nsession_key = "file"\n', env);

    expect(config.gateway.sessionKey).toBe("file");
    expect(keyOf(config)).toBeUndefined();
    expect(config.security.rateLimit).toBe(10);
  });

  test("false and 0 in the environment win over the file", () => {
    using home = new Home();
    const toml = '[security]\nsession_isolation = true\n[delivery]\nbackfill = "2h"\n';

    const config = home.loadText(toml, { KAPSO_SESSION_ISOLATION: "false", WA_BACKFILL: "0" });

    expect(config.security.sessionIsolation).toBe(false);
    expect(config.delivery.backfillMs).toBe(0);
  });

  test.each([
    [{ OPENCLAW_GATEWAY_URL: "ws://a:1", GATEWAY_URL: "ws://b:1" }, "ws://a:1"],
    [{ OPENCLAW_GATEWAY_URL: "", GATEWAY_URL: "ws://b:1" }, "ws://b:1"],
  ])("the older of two variables for one key wins: %j", (env, url) => {
    using home = new Home();

    expect(home.load(env).gateway.url).toBe(url);
  });
});

describe("the file that is read", () => {
  const named = (name: string) => `[gateway]\nsession_key = "${name}"\n`;
  function populated(): Home {
    const home = new Home();
    home.write("flag.toml", named("flag"));
    home.write("wa.toml", named("wa"));
    home.write("kapso.toml", named("kapso"));
    home.write(".config/wa-relay/config.toml", named("own"));
    home.write(".config/kapso-whatsapp/config.toml", named("older"));
    home.write("xdg/wa-relay/config.toml", named("xdg"));
    return home;
  }

  test.each([
    ["--config", { WA_CONFIG: "~/wa.toml", KAPSO_CONFIG: "~/kapso.toml" }, "~/flag.toml", "flag"],
    ["WA_CONFIG", { WA_CONFIG: "~/wa.toml", KAPSO_CONFIG: "~/kapso.toml" }, undefined, "wa"],
    ["KAPSO_CONFIG", { KAPSO_CONFIG: "~/kapso.toml" }, undefined, "kapso"],
    [
      "KAPSO_CONFIG beside an empty WA_CONFIG",
      { WA_CONFIG: "", KAPSO_CONFIG: "~/kapso.toml" },
      undefined,
      "kapso",
    ],
    ["~/.config/wa-relay", {}, undefined, "own"],
  ])("%s comes first", (_, env, file, expected) => {
    using home = populated();

    expect(home.load(env, file).gateway.sessionKey).toBe(expected);
  });

  test("XDG_CONFIG_HOME moves ~/.config", () => {
    using home = populated();

    const config = home.load({ XDG_CONFIG_HOME: join(home.path, "xdg") });

    expect(config.gateway.sessionKey).toBe("xdg");
    expect(config.file).toBe(join(home.path, "xdg/wa-relay/config.toml"));
  });

  test("a relative XDG_CONFIG_HOME is ignored, as its specification asks", () => {
    using home = populated();

    expect(home.load({ XDG_CONFIG_HOME: "xdg" }).gateway.sessionKey).toBe("own");
  });

  test("the older bridge's file is found", () => {
    using home = new Home();
    home.write(".config/kapso-whatsapp/config.toml", named("older"));

    expect(home.load().gateway.sessionKey).toBe("older");
  });

  // The older bridge looked only below ~/.config, whatever XDG_CONFIG_HOME says.
  test("the older bridge's file is found in ~/.config although XDG_CONFIG_HOME is set", () => {
    using home = new Home();
    home.write(".config/kapso-whatsapp/config.toml", named("older"));

    expect(home.load({ XDG_CONFIG_HOME: join(home.path, "xdg") }).gateway.sessionKey).toBe("older");
  });

  test.each([
    ["--config", {}, "/nowhere/typo.toml"],
    ["WA_CONFIG", { WA_CONFIG: "/nowhere/typo.toml" }, undefined],
    ["KAPSO_CONFIG", { KAPSO_CONFIG: "/nowhere/typo.toml" }, undefined],
  ])("%s must exist, although there is another", (origin, env, file) => {
    using home = populated();

    const problems = problemsOf(() => home.load(env, file));

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(origin);
    expect(problems[0]).toContain("/nowhere/typo.toml");
  });

  test("a folder in its place is a fault of the configuration", () => {
    using home = new Home();

    expect(problemsOf(() => home.load({}, home.path))).toEqual([expect.stringContaining(home.path)]);
  });

  test("what is no TOML is a fault that names the file and the line", () => {
    using home = new Home();

    const [problem] = home.problems("[kapso]\napi_key = \n");

    expect(problem).toContain("test.toml");
    expect(problem).toMatch(/2/);
  });

  test("the older bridge's whole file is taken as it is", () => {
    using home = new Home();

    const config = home.loadText(`
      [kapso]
      api_key = "key"
      phone_number_id = "123"
      [delivery]
      mode = "polling"
      poll_interval = 10
      poll_fallback = false
      [webhook]
      addr = ":18790"
      verify_token = "v"
      secret = "s"
      [gateway]
      type = "openclaw"
      url = "ws://127.0.0.1:18789"
      token = "t"
      session_key = "main"
      sessions_json = "~/.openclaw/agents/main/sessions/sessions.json"
      error_message = "Oops"
      role = "operator"
      scopes = ["operator.read", "operator.write"]
      [state]
      dir = "~/.config/kapso-whatsapp"
      [security]
      mode = "allowlist"
      deny_message = "No"
      rate_limit = 10
      rate_window = 60
      session_isolation = true
      default_role = "member"
      [security.roles]
      admin = ["+15551234567"]
      member = ["+15559876543"]
    `);

    expect(config.delivery.pollIntervalMs).toBe(10_000);
    expect(config.state.dir).toBe(join(home.path, ".config/kapso-whatsapp"));
    expect([...config.security.roles]).toEqual([
      ["15551234567", "admin"],
      ["15559876543", "member"],
    ]);
  });
});

describe("names that there are not", () => {
  test.each([
    ["[securty]\n", "securty", "security"],
    ["[security]\nrate_limt = 1\n", "security.rate_limt", "security.rate_limit"],
    ["[kapso]\napi_kye = 'x'\n", "kapso.api_kye", "kapso.api_key"],
    ["[kapso]\napi_key_flie = 'x'\n", "kapso.api_key_flie", "kapso.api_key_file"],
    ["[gateway]\nsession-key = 'x'\n", "gateway.session-key", "gateway.session_key"],
    ["providr = 'kapso'\n", "providr", "provider"],
  ])("%j: the nearest name is suggested", (toml, name, suggestion) => {
    using home = new Home();

    const problems = home.problems(toml);

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(name);
    expect(problems[0]).toContain(`did you mean ${suggestion}?`);
  });

  test.each([
    ["[xyzxyzxyzxyz]\n", "xyzxyzxyzxyz"],
    ["[kapso]\nnothing_like_any_known_name = 1\n", "kapso.nothing_like_any_known_name"],
    ["[security]\nrate_limit_file = 'x'\n", "security.rate_limit_file"],
  ])("%j is refused, whatever is near", (toml, name) => {
    using home = new Home();

    expect(home.problems(toml)).toEqual([expect.stringContaining(name)]);
  });

  test("nothing is suggested that is not near", () => {
    using home = new Home();

    expect(home.problems("[xyzxyzxyzxyz]\n")[0]).not.toContain("did you mean");
  });

  test.each(["toString", "constructor", "__proto__"])(
    "[%s] is refused like any other unknown name",
    (name) => {
      using home = new Home();

      expect(home.problems(`[${name}]\n`)).toEqual([`${name}: there is no such key`]);
    },
  );
});

describe("values of the wrong type", () => {
  test.each([
    ["[kapso]\napi_key = 5\n", "kapso.api_key"],
    ["[kapso]\nphone_number_id = 5\n", "kapso.phone_number_id"],
    ["[kapso]\nphone_number_id = '+1 555'\n", "kapso.phone_number_id"],
    ["[kapso]\nbase_url = 'api.kapso.ai'\n", "kapso.base_url"],
    ["[kapso]\nbase_url = 'ftp://api.kapso.ai'\n", "kapso.base_url"],
    ["kapso = 'key'\n", "kapso"],
    ["[[kapso]]\napi_key = 'key'\n", "kapso"],
    ["provider = 'twilio'\n", "provider"],
    ["[delivery]\nmode = 'tailscael'\n", "delivery.mode"],
    ["[delivery]\npoll_interval = true\n", "delivery.poll_interval"],
    ["[delivery]\npoll_interval = -5\n", "delivery.poll_interval"],
    ["[delivery]\npoll_interval = 'often'\n", "delivery.poll_interval"],
    ["[delivery]\npoll_interval = '5 weeks'\n", "delivery.poll_interval"],
    ["[delivery]\npoll_interval = 0\n", "delivery.poll_interval"],
    ["[delivery]\npoll_fallback = 'true'\n", "delivery.poll_fallback"],
    ["[delivery]\nmax_parallel = 0\n", "delivery.max_parallel"],
    ["[delivery]\nmax_parallel = 1.5\n", "delivery.max_parallel"],
    ["[gateway]\nurl = 'http://127.0.0.1:18789'\n", "gateway.url"],
    ["[gateway]\nscopes = 'operator.read'\n", "gateway.scopes"],
    ["[gateway]\nscopes = ['operator.read']\n", "gateway.scopes"],
    ["[gateway]\nrole = 'node'\n", "gateway.role"],
    ["[security]\nmode = 'closed'\n", "security.mode"],
    ["[security]\nrate_limit = '10'\n", "security.rate_limit"],
    ["[security]\nrate_limit = 0\n", "security.rate_limit"],
    ["[security]\nsession_isolation = 1\n", "security.session_isolation"],
    ["[security]\nroles = ['+15551234567']\n", "security.roles"],
    ["[security.roles]\nadmin = '+15551234567'\n", "security.roles"],
    ["[security.roles]\nadmin = [15551234567]\n", "security.roles"],
    ["[state]\ndir = 5\n", "state.dir"],
    ["[log]\nlevel = 'loud'\n", "log.level"],
  ])("%j is refused in one line that names the key", (toml, key) => {
    using home = new Home();

    const problems = home.problems(toml);

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(key);
    expect(problems[0]).not.toContain("\n");
  });

  test("the name of a secret's file must be text", () => {
    using home = new Home();

    expect(home.problems("[kapso]\napi_key_file = 5\n")).toEqual([
      expect.stringContaining("kapso.api_key_file"),
    ]);
  });

  // Resolved first and checked afterwards, it becomes the working folder, which is then closed to others.
  test("an empty state folder is refused", () => {
    using home = new Home();

    expect(home.problems("[state]\ndir = ''\n")).toEqual([expect.stringContaining("state.dir")]);
  });

  test("a wrong entry of a role is named, and the other people are not shown", () => {
    using home = new Home();

    const problems = home.problems("[security.roles]\nadmin = ['+15551234567', 15559876543]\n").join("\n");

    expect(problems).toContain("security.roles.admin");
    expect(problems).not.toContain("15551234567");
  });

  test("a wrong word is answered with the right ones", () => {
    using home = new Home();

    expect(home.problems("[security]\nmode = 'closed'\n")[0]).toMatch(/allowlist.*open.*closed/);
  });
});

test("all faults are reported at once", () => {
  using home = new Home();
  const toml = "[securty]\n[security]\nrate_limt = 1\nmode = 'closed'\n[kapso]\napi_key_file = '/nowhere'\n";

  const problems = home.problems(toml, { KAPSO_RATE_LIMIT: "ten", KAPSO_TRANSCRIBE_PROVIDER: "groq" });

  const all = [
    "securty",
    "security.rate_limt",
    "security.mode",
    "api_key_file",
    "KAPSO_RATE_LIMIT",
    "KAPSO_TRANSCRIBE_PROVIDER",
  ];
  for (const name of all) expect(problems.filter((problem) => problem.includes(name))).toHaveLength(1);
  expect(problems).toHaveLength(all.length);
});

test("faults that only several values together make are reported along with the others", () => {
  using home = new Home();
  const toml = "[security]\nrate_limt = 1\n[gateway]\ntype = 'zeroclaw'\n[security.roles]\nadmin = ['me']\n";

  const problems = home.problems(toml).join("\n");

  expect(problems).toContain("rate_limt");
  expect(problems).toContain("gateway.type");
  expect(problems).toContain('"me"');
});

/** The environment as a table of the older bridge's variables and of ours: variable, text, section, key, value. */
const VARIABLES: readonly (readonly [string, string, string, string, unknown])[] = [
  ["WA_PROVIDER", "kapso", "", "provider", "kapso"],
  ["KAPSO_API_KEY", "k", "kapso", "api_key", "k"],
  ["KAPSO_PHONE_NUMBER_ID", "123456789012345", "kapso", "phone_number_id", "123456789012345"],
  ["KAPSO_BASE_URL", "http://127.0.0.1:8080", "kapso", "base_url", "http://127.0.0.1:8080"],
  ["WHATSAPP_ACCESS_TOKEN", "t", "meta", "access_token", "t"],
  ["WHATSAPP_PHONE_NUMBER_ID", "99", "meta", "phone_number_id", "99"],
  ["WHATSAPP_APP_SECRET", "s", "meta", "app_secret", "s"],
  ["WHATSAPP_VERIFY_TOKEN", "v", "meta", "verify_token", "v"],
  ["META_BASE_URL", "http://127.0.0.1:1", "meta", "base_url", "http://127.0.0.1:1"],
  ["META_GRAPH_VERSION", "v24.0", "meta", "graph_version", "v24.0"],
  ["KAPSO_MODE", "tailscale", "delivery", "mode", "tailscale"],
  ["KAPSO_WEBHOOK_MODE", "webhook", "delivery", "mode", "domain"],
  ["KAPSO_WEBHOOK_MODE", "both", "delivery", "mode", "domain"],
  ["KAPSO_POLL_INTERVAL", "45", "delivery", "poll_interval", 45_000],
  ["KAPSO_POLL_FALLBACK", "true", "delivery", "poll_fallback", true],
  ["WA_MAX_PARALLEL", "7", "delivery", "max_parallel", 7],
  ["WA_MAX_AGE", "2h", "delivery", "max_age", 120 * MINUTE],
  ["WA_BACKFILL", "0", "delivery", "backfill", 0],
  ["WA_RECEIPTS", "none", "delivery", "receipts", "none"],
  ["KAPSO_WEBHOOK_ADDR", ":18790", "webhook", "addr", ":18790"],
  ["KAPSO_WEBHOOK_VERIFY_TOKEN", "v", "webhook", "verify_token", "v"],
  ["KAPSO_WEBHOOK_SECRET", "s", "webhook", "secret", "s"],
  ["KAPSO_WEBHOOK_OLD_SECRETS", "a,b", "webhook", "old_secrets", ["a", "b"]],
  ["WA_WEBHOOK_URL", "https://bot.example.com/webhook", "webhook", "url", "https://bot.example.com/webhook"],
  ["WA_REGISTER", "false", "delivery", "register", false],
  ["WA_FUNNEL_PORT", "8443", "tailscale", "port", 8443],
  ["TAILSCALE_BIN", "/opt/ts", "tailscale", "bin", "/opt/ts"],
  ["GATEWAY_TYPE", "zeroclaw", "gateway", "type", "zeroclaw"],
  ["OPENCLAW_GATEWAY_URL", "wss://a.example", "gateway", "url", "wss://a.example"],
  ["GATEWAY_URL", "ws://b.example:1", "gateway", "url", "ws://b.example:1"],
  ["OPENCLAW_TOKEN", "12345", "gateway", "token", "12345"],
  ["GATEWAY_TOKEN", "true", "gateway", "token", "true"],
  ["OPENCLAW_SESSION_KEY", "42", "gateway", "session_key", "42"],
  ["OPENCLAW_SESSIONS_JSON", "/x/sessions.json", "gateway", "sessions_json", "/x/sessions.json"],
  ["GATEWAY_ERROR_MESSAGE", "Oops, 1", "gateway", "error_message", "Oops, 1"],
  ["GATEWAY_ROLE", "operator", "gateway", "role", "operator"],
  [
    "GATEWAY_SCOPES",
    "operator.read, operator.write,x",
    "gateway",
    "scopes",
    ["operator.read", "operator.write", "x"],
  ],
  ["WA_TURN_TIMEOUT", "5m", "gateway", "turn_timeout", 5 * MINUTE],
  ["WA_BRIDGE_ADDR", ":18791", "bridge", "addr", ":18791"],
  ["WA_BRIDGE_TOKEN", "t-1", "bridge", "token", "t-1"],
  ["WA_BRIDGE_URL", "http://bridge.local:1", "bridge", "url", "http://bridge.local:1"],
  ["WA_BRIDGE_RATE_LIMIT", "60", "bridge", "rate_limit", 60],
  ["KAPSO_SECURITY_MODE", "open", "security", "mode", "open"],
  ["KAPSO_ALLOWED_NUMBERS", "+1 555, US.1,", "security", "allowed_numbers", ["+1 555", "US.1"]],
  ["KAPSO_DEFAULT_ROLE", "guest", "security", "default_role", "guest"],
  ["KAPSO_DENY_MESSAGE", "No, sorry", "security", "deny_message", "No, sorry"],
  ["KAPSO_RATE_LIMIT", "3", "security", "rate_limit", 3],
  ["KAPSO_RATE_WINDOW", "90", "security", "rate_window", 90_000],
  ["WA_LIMIT_MESSAGE", "Slow down", "security", "limit_message", "Slow down"],
  ["KAPSO_SESSION_ISOLATION", "false", "security", "session_isolation", false],
  ["WA_SETTLE", "10s", "send", "settle", 10_000],
  ["WA_SEND_ALLOW_TO", "roles,+15551234567", "send", "allow_to", ["roles", "+15551234567"]],
  ["WA_SEND_PER_RECIPIENT", "5", "send", "per_recipient", 5],
  ["WA_SEND_PER_RECIPIENT_WINDOW", "2h", "send", "per_recipient_window", 7_200_000],
  ["WA_SEND_PER_DAY", "0", "send", "per_day", 0],
  ["WA_SEND_ON_CLOSED", "template:hello:de", "send", "on_closed", "template:hello:de"],
  ["WA_SEND_CHECK_WINDOW", "false", "send", "check_window", false],
  ["WA_SEND_OWN_NUMBER", "+15550100000", "send", "own_number", "+15550100000"],
  ["KAPSO_TRANSCRIBE_PROVIDER", "Groq", "transcribe", "provider", "groq"],
  ["KAPSO_TRANSCRIBE_API_KEY", "k", "transcribe", "api_key", "k"],
  ["WA_TRANSCRIBE_BASE_URL", "http://127.0.0.1:1/v1", "transcribe", "base_url", "http://127.0.0.1:1/v1"],
  ["KAPSO_TRANSCRIBE_MODEL", "whisper-1", "transcribe", "model", "whisper-1"],
  ["KAPSO_TRANSCRIBE_LANGUAGE", "en", "transcribe", "language", "en"],
  ["KAPSO_TRANSCRIBE_MAX_AUDIO_SIZE", "1000000", "transcribe", "max_audio_size", 1_000_000],
  ["WA_TRANSCRIBE_TIMEOUT", "45", "transcribe", "timeout", 45_000],
  ["KAPSO_TRANSCRIBE_BINARY_PATH", "/opt/whisper", "transcribe", "binary_path", "/opt/whisper"],
  ["KAPSO_TRANSCRIBE_MODEL_PATH", "/m.bin", "transcribe", "model_path", "/m.bin"],
  ["KAPSO_TRANSCRIBE_NO_SPEECH_THRESHOLD", "0.5", "transcribe", "no_speech_threshold", 0.5],
  ["KAPSO_TRANSCRIBE_CACHE_TTL", "0", "transcribe", "cache_ttl", 0],
  ["KAPSO_TRANSCRIBE_DEBUG", "true", "transcribe", "debug", true],
  ["WA_QUOTE", "always", "delivery", "quote", "always"],
  ["WA_MEDIA_MAX_SIZE", "5MB", "media", "max_size", 5 * 1024 ** 2],
  ["WA_MEDIA_KEEP", "1d", "media", "keep", 1440 * MINUTE],
  ["WA_MEDIA_QUOTA", "1.5GB", "media", "quota", 1.5 * 1024 ** 3],
  ["WA_MEDIA_HOSTS", "files.example.com", "media", "hosts", ["files.example.com"]],
  ["WA_MEDIA_SEND_FROM", "/srv/out,~/more", "media", "send_from", ["/srv/out", "~/more"]],
  ["KAPSO_STATE_DIR", "/var/lib/relay", "state", "dir", "/var/lib/relay"],
  ["WA_KEEP_TEXT", "1d", "state", "keep_text", 1440 * MINUTE],
  ["WA_LOG_LEVEL", "debug", "log", "level", "debug"],
  ["WA_LOG_FORMAT", "json", "log", "format", "json"],
  ["WA_LOG_FILE", "false", "log", "file", false],
];

describe("the environment", () => {
  test.each(VARIABLES)("%s=%s sets [%s] %s", (variable, text, section, key, expected) => {
    const values: Record<string, Record<string, unknown>> = readValues(
      { [variable]: text },
      undefined,
      "/nowhere",
      [],
    );

    expect(values[section]?.[key]).toEqual(expected);
  });

  test("the table above has every variable", () => {
    const settings: Record<string, Record<string, Setting>> = SETTINGS;
    const known = Object.values(settings).flatMap((section) =>
      Object.values(section).flatMap(({ env }) => env),
    );

    expect([...new Set(VARIABLES.map(([variable]) => variable))].toSorted()).toEqual(known.toSorted());
  });

  test("reaches the configuration", () => {
    using home = new Home();

    const config = home.load({
      KAPSO_API_KEY: "k",
      KAPSO_PHONE_NUMBER_ID: "1",
      KAPSO_BASE_URL: "http://127.0.0.1:8080/",
      KAPSO_POLL_INTERVAL: "5m",
      KAPSO_SECURITY_MODE: "open",
      KAPSO_RATE_WINDOW: "30s",
      OPENCLAW_TOKEN: "t",
      GATEWAY_URL: "ws://10.0.0.1:1",
      KAPSO_STATE_DIR: "/var/lib/relay",
      WA_SETTLE: "2s",
      WA_LOG_FORMAT: "json",
    });

    expect(config).toMatchObject({
      account: { apiKey: "k", phoneNumberId: "1", baseUrl: "http://127.0.0.1:8080" },
      delivery: { pollIntervalMs: 5 * MINUTE },
      security: { open: true, rateWindowMs: 30_000 },
      gateway: { isNamed: true, token: "t", url: "ws://10.0.0.1:1" },
      state: { dir: "/var/lib/relay" },
      send: { settleMs: 2000 },
      log: { format: "json" },
    });
  });

  test.each([
    ...["1", "true", "TRUE", "True", "yes", "on"].map((text) => [text, true] as const),
    ...["0", "false", "FALSE", "no", "No", "off"].map((text) => [text, false] as const),
  ])("%j is a truth value", (text, expected) => {
    const env = { KAPSO_POLL_FALLBACK: text, KAPSO_SESSION_ISOLATION: text };

    const values = readValues(env, undefined, "/nowhere", []);

    expect(values.delivery.poll_fallback).toBe(expected);
    expect(values.security.session_isolation).toBe(expected);
  });

  test.each([
    ["KAPSO_SESSION_ISOLATION", "maybe", "security.session_isolation"],
    ["KAPSO_POLL_FALLBACK", "2", "delivery.poll_fallback"],
    ["KAPSO_RATE_LIMIT", "ten", "security.rate_limit"],
    ["KAPSO_RATE_LIMIT", "1e3", "security.rate_limit"],
    ["KAPSO_RATE_LIMIT", "-1", "security.rate_limit"],
    ["KAPSO_RATE_LIMIT", "0", "security.rate_limit"],
    ["KAPSO_RATE_LIMIT", "1.5", "security.rate_limit"],
    ["KAPSO_RATE_WINDOW", "ten", "security.rate_window"],
    ["KAPSO_POLL_INTERVAL", "-5", "delivery.poll_interval"],
    ["KAPSO_POLL_INTERVAL", "5 minutes", "delivery.poll_interval"],
    ["KAPSO_MODE", "tailscael", "delivery.mode"],
    ["KAPSO_WEBHOOK_MODE", "everything", "delivery.mode"],
    ["KAPSO_SECURITY_MODE", "allow", "security.mode"],
    ["KAPSO_PHONE_NUMBER_ID", "+1 555", "kapso.phone_number_id"],
    ["KAPSO_BASE_URL", "api.kapso.ai", "kapso.base_url"],
    ["GATEWAY_URL", "127.0.0.1:18789", "gateway.url"],
    ["GATEWAY_ROLE", "node", "gateway.role"],
    ["WA_LOG_LEVEL", "loud", "log.level"],
  ])("%s=%s is refused in one line that names variable and key", (variable, text, key) => {
    using home = new Home();

    const problems = home.problems("", { [variable]: text });

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(variable);
    expect(problems[0]).toContain(key);
  });

  test.each([
    ["30s", 30_000],
    ["5m", 5 * MINUTE],
    ["1h", 60 * MINUTE],
    ["0.5h", 30 * MINUTE],
    ["1500ms", 1500],
    ["90", 90_000],
    ["2.5", 2500],
    [" 30 s ", 30_000],
  ])("%j is a duration, in a variable and in the file", (text, ms) => {
    using home = new Home();

    expect(home.load({ KAPSO_RATE_WINDOW: text }).security.rateWindowMs).toBe(ms);
    expect(home.loadText(`[security]\nrate_window = "${text}"\n`).security.rateWindowMs).toBe(ms);
  });

  test("a bare number in the file counts seconds", () => {
    using home = new Home();

    expect(home.loadText("[security]\nrate_window = 90\n").security.rateWindowMs).toBe(90_000);
  });

  test("the state folder may begin with ~ in the file", () => {
    using home = new Home();

    expect(home.loadText('[state]\ndir = "~/relay"\n').state.dir).toBe(join(home.path, "relay"));
  });

  // A service manager or a container passes the ~ on as it is.
  test("the state folder may begin with ~ in the variable too", () => {
    using home = new Home();

    expect(home.load({ KAPSO_STATE_DIR: "~/relay" }).state.dir).toBe(join(home.path, "relay"));
  });

  test("a relative state folder is made absolute from the variable as it is from the file", () => {
    using home = new Home();

    const fromFile = home.loadText('[state]\ndir = "relay"\n').state.dir;
    expect(home.load({ KAPSO_STATE_DIR: "relay" }).state.dir).toBe(fromFile);
  });
});

describe("secrets", () => {
  const inFile = ["key\n", "key\r\n", "key"];

  test("P10: come from a pipe, and neither a pipe nor a device keeps the program", () => {
    using home = new Home();
    const fifo = join(home.path, "fifo");
    execFileSync("/usr/bin/env", ["mkfifo", fifo]);
    const faults = (file: string) =>
      problemsOf(() => home.load({ ...NUMBER, KAPSO_API_KEY_FILE: file })).join("\n");

    expect(faults(fifo)).toContain("is empty");
    expect(faults("/dev/zero")).toContain("longer than 1 MiB");
    expect(problemsOf(() => home.load({}, "/dev/zero")).join()).toContain("longer than 1 MiB");

    const writer = spawn("sh", ["-c", `echo key >'${fifo}'`]);
    execFileSync("sleep", ["0.2"]);
    expect(keyOf(home.load({ ...NUMBER, KAPSO_API_KEY_FILE: fifo }))).toBe("key");
    writer.kill();
  });

  test.each(inFile)("come from KAPSO_API_KEY_FILE (%j)", (text) => {
    using home = new Home();
    const file = home.write("secret", text);

    expect(keyOf(home.load({ ...NUMBER, KAPSO_API_KEY_FILE: file }))).toBe("key");
    expect(keyOf(home.load({ ...NUMBER, KAPSO_API_KEY_FILE: "~/secret" }))).toBe("key");
  });

  test.each(inFile)("come from api_key_file (%j)", (text) => {
    using home = new Home();
    home.write("secret", text);

    expect(keyOf(home.loadText('[kapso]\napi_key_file = "~/secret"\n', NUMBER))).toBe("key");
  });

  test("may be in the folder of the session, where secret managers put them", () => {
    using home = new Home();
    home.write("session/agenix/key", "key");
    const toml = '[kapso]\napi_key_file = "$XDG_RUNTIME_DIR/agenix/key"\n';

    expect(keyOf(home.loadText(toml, { ...NUMBER, XDG_RUNTIME_DIR: join(home.path, "session") }))).toBe(
      "key",
    );
    expect(home.problems(toml, NUMBER)).toEqual([expect.stringContaining("$XDG_RUNTIME_DIR/agenix/key")]);
  });

  test.each([
    ["KAPSO_API_KEY_FILE", "kapso", "api_key"],
    ["KAPSO_PHONE_NUMBER_ID_FILE", "kapso", "phone_number_id"],
    ["KAPSO_WEBHOOK_VERIFY_TOKEN_FILE", "webhook", "verify_token"],
    ["KAPSO_WEBHOOK_SECRET_FILE", "webhook", "secret"],
    ["OPENCLAW_TOKEN_FILE", "gateway", "token"],
    ["GATEWAY_TOKEN_FILE", "gateway", "token"],
    ["WHATSAPP_ACCESS_TOKEN_FILE", "meta", "access_token"],
    ["WHATSAPP_APP_SECRET_FILE", "meta", "app_secret"],
    ["WHATSAPP_VERIFY_TOKEN_FILE", "meta", "verify_token"],
  ])("each has its file: %s", (variable, section, key) => {
    using home = new Home();
    const file = home.write("secret", "4711\n");

    const fromVariable: Record<string, Record<string, unknown>> = readValues(
      { [variable]: file },
      undefined,
      home.path,
      [],
    );
    const toml = home.write("test.toml", `[${section}]\n${key}_file = "${file}"\n`);
    const fromToml: Record<string, Record<string, unknown>> = readValues({}, toml, home.path, []);

    expect(fromVariable[section]?.[key]).toBe("4711");
    expect(fromToml[section]?.[key]).toBe("4711");
  });

  test("of the environment win over those of the file, however they are given", () => {
    using home = new Home();
    const fromEnv = home.write("env", "env");
    const fromToml = home.write("toml", "toml");

    expect(
      keyOf(home.loadText("[kapso]\napi_key = 'toml'\n", { ...NUMBER, KAPSO_API_KEY_FILE: fromEnv })),
    ).toBe("env");
    expect(
      keyOf(home.loadText(`[kapso]\napi_key_file = "${fromToml}"\n`, { ...NUMBER, KAPSO_API_KEY: "env" })),
    ).toBe("env");
  });

  test.each([
    ["missing", () => "/nowhere/secret"],
    ["empty", (home: Home) => home.write("secret", "")],
    ["blank", (home: Home) => home.write("secret", "\n \n")],
    ["a folder", (home: Home) => home.path],
  ])("a file that is %s is a fault that names it", (_, make) => {
    using home = new Home();
    const file = make(home);

    const fromVariable = home.problems("", { KAPSO_API_KEY_FILE: file });
    const fromToml = home.problems(`[kapso]\napi_key_file = "${file}"\n`);

    for (const problems of [fromVariable, fromToml]) expect(problems).toHaveLength(1);
    expect(fromVariable[0]).toContain("KAPSO_API_KEY_FILE");
    expect(fromToml[0]).toContain("kapso.api_key_file");
  });

  test.skipIf(process.getuid?.() === 0)("a file that can not be read is a fault that names it", () => {
    using home = new Home();
    const file = home.write("secret", "key");
    chmodSync(file, 0);

    expect(home.problems("", { KAPSO_API_KEY_FILE: file })).toEqual([
      expect.stringContaining("KAPSO_API_KEY_FILE"),
    ]);
  });

  test.each([
    ['[gateway]\nurl = "ftp://u:LEAK@h"', "gateway.url: must be", '(it is "ftp://…@h")'],
    ['[gateway]\nurl = ["ws://u:LE/AK@h"]', "gateway.url: must be", '(it is ["ws://…@h"])'],
    ['[gateway]\nurl = "u:LEAK@h"', "gateway.url: must be", '(it is "…@h")'],
    ['[kapso]\nbase_url = "ftp://h/x?key=LEAK"', "kapso.base_url: must be", '(it is "ftp://h/x?…")'],
    ['[transcribe]\nbase_url = "http://u:LEAK@h/v1"', "transcribe.base_url: must", '(it is "http://…@h/v1")'],
  ])("P9: %s is refused without the password in it", (toml, fault, shown) => {
    using home = new Home();

    const [problem, ...others] = home.problems(toml);

    expect(problem).toContain(fault);
    expect(problem).toContain(shown);
    expect(others.join()).not.toContain("LEAK");
  });

  test("given twice in one place are refused", () => {
    using home = new Home();
    const file = home.write("secret", "key");

    const fromEnv = home.problems("", { KAPSO_API_KEY: "key", KAPSO_API_KEY_FILE: file });
    const fromToml = home.problems(`[kapso]\napi_key = "key"\napi_key_file = "${file}"\n`);

    expect(fromEnv).toEqual([expect.stringContaining("KAPSO_API_KEY_FILE")]);
    expect(fromToml).toEqual([expect.stringContaining("kapso.api_key_file")]);
  });

  const SECRET = "sk-4711-very-secret";
  test.each([
    ["a phone number id that is none", "", { KAPSO_PHONE_NUMBER_ID: SECRET }],
    ["a list", `[kapso]\napi_key = ["${SECRET}"]\n`, {}],
    ["a table", `[gateway.token]\nx = "${SECRET}"\n`, {}],
    ["a misspelled key", `[kapso]\napi_kye = "${SECRET}"\n`, {}],
    ["a misspelled section", `[kapsi]\napi_key = "${SECRET}"\n`, {}],
    ["one given twice", "", { KAPSO_API_KEY: SECRET, KAPSO_API_KEY_FILE: "/nowhere" }],
    ["one beside another fault", "", { KAPSO_API_KEY: SECRET, KAPSO_RATE_LIMIT: "ten" }],
    ["a section that is none", `kapso = "${SECRET}"\n`, {}],
  ])("are not shown in a fault: %s", (_, toml, env) => {
    using home = new Home();

    const problems = home.problems(toml, env);

    expect(problems).not.toEqual([]);
    expect(problems.join("\n")).not.toContain(SECRET);
  });

  test.each([
    ["without its closing quote", `[kapso]\napi_key = "${SECRET}\n`],
    ["without quotes", `[kapso]\napi_key = ${SECRET}\n`],
    ["followed by rubbish", `[kapso]\napi_key = "${SECRET}" x\n`],
    ["on the line before", `[kapso]\napi_key = "${SECRET}"\nphone_number_id =\n`],
  ])("are not shown when the file is no TOML: %s", (_, toml) => {
    using home = new Home();

    const problems = home.problems(toml);

    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toContain(SECRET);
    expect(problems[0]).not.toContain("\n");
  });
});

describe("who may write", () => {
  const roles = (toml: string, env = {}) => {
    using home = new Home();
    return Object.fromEntries(home.loadText(toml, env).security.roles);
  };
  const problems = (toml: string, env = {}) => {
    using home = new Home();
    return home.problems(toml, env);
  };

  test("is found however a number is spelled", () => {
    const toml = "[security.roles]\nadmin = ['+1 (555) 123-4567', '004915123456789', 'US.ENT.5068']\n";

    expect(roles(toml)).toEqual({ "15551234567": "admin", "4915123456789": "admin", "US.ENT.5068": "admin" });
  });

  test.each([
    ["+1 555 123 4567", "0015551234567"],
    ["+55 11 98765 4321", "+55 11 8765 4321"],
  ])("one number in two roles is refused, in different spellings too: %s, %s", (one, other) => {
    const found = problems(`[security.roles]\nadmin = ['${one}']\nmember = ['${other}']\n`);

    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/security\.roles.*admin.*member/);
  });

  test("one number twice in one role is harmless", () => {
    expect(roles("[security.roles]\nadmin = ['+15551234567', '15551234567']\n")).toEqual({
      "15551234567": "admin",
    });
  });

  test("KAPSO_ALLOWED_NUMBERS have the default role, and a role in the file wins", () => {
    const toml = "[security]\ndefault_role = 'guest'\n[security.roles]\nadmin = ['15551234567']\n";

    const found = roles(toml, {
      KAPSO_ALLOWED_NUMBERS: "+1 555-123-4567, +15559876543,US.1349;\n+4915123456789",
    });

    expect(found).toEqual({
      "15551234567": "admin",
      "15559876543": "guest",
      "US.1349": "guest",
      "4915123456789": "guest",
    });
  });

  test.each([
    ["[security.roles]\nadmin = ['me']\n", {}, "security.roles.admin", "me"],
    ["[security.roles]\nadmin = ['']\n", {}, "security.roles.admin", '""'],
    ["[security.roles]\nadmin = ['05551234567']\n", {}, "security.roles.admin", '"•••••••4567"'],
    ["[security.roles]\nadmin = ['us.1349']\n", {}, "security.roles.admin", "us.1349"],
    [
      "",
      { KAPSO_ALLOWED_NUMBERS: "+15551234567 +15559876543" },
      "KAPSO_ALLOWED_NUMBERS",
      '"+••••••••••• +•••••••6543"',
    ],
    ["", { KAPSO_ALLOWED_NUMBERS: "+15551234567,all" }, "KAPSO_ALLOWED_NUMBERS", "all"],
  ])("an entry that is nobody is named: %j %j", (toml, env, key, entry) => {
    const found = problems(toml, env);

    expect(found).toHaveLength(1);
    expect(found[0]).toContain(key);
    expect(found[0]).toContain(entry);
  });
});

describe("what can not work together", () => {
  test.each(["~", "~/.local", "~/.local/state/wa-relay", "/"])(
    "P5: an agent may not send from %s, where everybody's files are",
    (folder) => {
      using home = new Home();

      expect(home.problems("", { WA_MEDIA_SEND_FROM: folder })).toEqual([
        expect.stringContaining("media.send_from"),
      ]);
    },
  );

  test.each([
    ["the Funnel's address is its own", { WA_WEBHOOK_URL: "https://bot.example.com" }, "webhook.url"],
    ["a Funnel reaches 127.0.0.1 only", { KAPSO_WEBHOOK_ADDR: "10.0.0.5:18790" }, "webhook.addr"],
    ["a Funnel reaches 127.0.0.1 only", { KAPSO_WEBHOOK_ADDR: "[::1]:18790" }, "webhook.addr"],
  ])("%s: %j", (_, env, key) => {
    using home = new Home();

    const problems = home.problems("", { KAPSO_MODE: "tailscale", ...env });

    expect(problems).toEqual([expect.stringContaining(key)]);
  });

  test.each([
    { KAPSO_WEBHOOK_ADDR: ":18790" },
    { KAPSO_WEBHOOK_ADDR: "0.0.0.0:18790" },
    { KAPSO_WEBHOOK_ADDR: "127.0.0.1:1" },
  ])("a Funnel can reach %j", (env) => {
    using home = new Home();

    expect(home.load({ KAPSO_MODE: "tailscale", ...env }).webhook.register).toBe(true);
  });
});

describe("the provider", () => {
  const META = {
    WHATSAPP_ACCESS_TOKEN: "token",
    WHATSAPP_PHONE_NUMBER_ID: "1",
    WHATSAPP_APP_SECRET: "secret",
    WHATSAPP_VERIFY_TOKEN: "word",
  };

  test.each([
    [META, "meta"],
    [{ ...META, KAPSO_API_KEY: "k", KAPSO_PHONE_NUMBER_ID: "2" }, "kapso"],
    [{ ...META, KAPSO_API_KEY: "k", KAPSO_PHONE_NUMBER_ID: "2", WA_PROVIDER: "meta" }, "meta"],
    [{}, "kapso"],
  ])("is who has credentials, or who is named: %j → %s", (env, provider) => {
    using home = new Home();

    expect(home.load(env).provider).toBe(provider);
  });

  test("Meta's four variables are enough behind a domain", () => {
    using home = new Home();

    const config = home.load({ ...META, KAPSO_MODE: "domain" });

    expect(() => requireInbound(config)).not.toThrow();
    expect(requireAccount(config)).toEqual({
      provider: "meta",
      apiKey: "token",
      phoneNumberId: "1",
      baseUrl: "https://graph.facebook.com",
      graphVersion: "v24.0",
    });
    expect(config.webhook).toMatchObject({ secret: "secret", verifyTokens: ["word"], register: false });
  });

  test.each([
    [META, ["delivery.mode"]],
    [{ ...META, KAPSO_MODE: "tailscale", WHATSAPP_APP_SECRET: "" }, ["meta.app_secret"]],
    [{ ...META, KAPSO_MODE: "tailscale", WHATSAPP_VERIFY_TOKEN: "" }, ["meta.verify_token"]],
    [
      { WHATSAPP_ACCESS_TOKEN: "t", WHATSAPP_PHONE_NUMBER_ID: "1" },
      ["delivery.mode", "meta.app_secret", "meta.verify_token"],
    ],
  ])("P4: wa-poller refuses what would not be safe or not work at Meta: %j", (env, keys) => {
    using home = new Home();
    const config = home.load(env);

    const problems = problemsOf(() => requireInbound(config));

    expect(problems).toEqual(keys.map((key) => expect.stringContaining(key)));
  });

  test("a token without a number is missing the number", () => {
    using home = new Home();

    const problems = problemsOf(() => requireAccount(home.load({ WHATSAPP_ACCESS_TOKEN: "t" })));

    expect(problems).toEqual([expect.stringContaining("WHATSAPP_PHONE_NUMBER_ID")]);
  });
});

describe("what is not supported yet", () => {
  test.each([
    ["[commands]\nprefix = '!'\n", {}, "commands"],
    ["[commands.definitions.x]\ntype = 'agent'\n", {}, "commands"],
    ["[gateway]\ntype = 'zeroclaw'\n", {}, "gateway.type"],
    ["", { GATEWAY_TYPE: "zeroclaw" }, "gateway.type"],
  ])("%j %j stops the program and says so", (toml, env, name) => {
    using home = new Home();

    const problems = home.problems(toml, env);

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(name);
    expect(problems[0]).toContain("not supported yet");
  });

  test.each([
    [{ KAPSO_WEBHOOK_MODE: "polling" }],
    [{ OPENCLAW_SESSIONS_JSON: "/x.json" }],
    [{ KAPSO_API_KEY: "k", WHATSAPP_ACCESS_TOKEN: "t" }],
  ])("%j is no reason to stop", (env) => {
    using home = new Home();

    expect(home.problems("", env)).toEqual([]);
  });

  test("sessions_json of the older bridge is accepted", () => {
    using home = new Home();

    expect(home.problems("[gateway]\nsessions_json = '~/x.json'\n")).toEqual([]);
  });
});

describe("transcription", () => {
  const KEY = { KAPSO_TRANSCRIBE_API_KEY: "sk-secret" };

  test.each([
    ["", {}],
    ["", KEY],
    ["[transcribe]\nprovider = ''\nlanguage = ''\nmodel = ''\n", {}],
    ["", { KAPSO_TRANSCRIBE_PROVIDER: "", KAPSO_TRANSCRIBE_MODEL_PATH: "/m" }],
  ])("%j %j leaves it off", (toml, env) => {
    using home = new Home();

    expect(home.loadText(toml, env).transcribe).toBeUndefined();
  });

  test("has the older bridge's defaults", () => {
    using home = new Home();

    const { transcribe } = home.loadText("[transcribe]\nprovider = 'openai'\n", KEY);

    expect(transcribe).toEqual({
      provider: "openai",
      apiKey: "sk-secret",
      baseUrl: undefined,
      model: undefined,
      language: undefined,
      maxBytes: 26_214_400,
      timeoutMs: 30_000,
      binaryPath: "whisper-cli",
      modelPath: undefined,
      noSpeechThreshold: 0.85,
      cacheTtlMs: 3_600_000,
      debug: false,
    });
    expect(Object.isFrozen(transcribe)).toBe(true);
  });

  test("the older bridge's whole table is taken as it is", () => {
    using home = new Home();

    const { transcribe } = home.loadText(`
      [transcribe]
      provider = "local"
      api_key = "unused"
      model = ""
      language = "auto"
      max_audio_size = 1048576
      timeout = 30
      binary_path = "~/bin/whisper-cli"
      model_path = "~/ggml-base.bin"
      no_speech_threshold = 0.85
      cache_ttl = 0
      debug = true
    `);

    expect(transcribe).toMatchObject({
      provider: "local",
      language: undefined,
      maxBytes: 1_048_576,
      timeoutMs: 30_000,
      binaryPath: join(home.path, "bin/whisper-cli"),
      modelPath: join(home.path, "ggml-base.bin"),
      cacheTtlMs: 0,
      debug: true,
    });
  });

  test("the key can come from a file", () => {
    using home = new Home();
    const file = home.write("key", "sk-of-the-file\n");

    const { transcribe } = home.load({
      KAPSO_TRANSCRIBE_PROVIDER: "groq",
      KAPSO_TRANSCRIBE_API_KEY_FILE: file,
    });

    expect(transcribe?.apiKey).toBe("sk-of-the-file");
  });

  test.each([
    ["http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"],
    ["http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"],
    ["https://stt.example/v1/", "https://stt.example/v1"],
    ["https://stt.example/openai/v1", "https://stt.example/openai/v1"],
  ])("the server %s has its API at %s, and needs no key", (url, base) => {
    using home = new Home();

    const { transcribe } = home.load({ KAPSO_TRANSCRIBE_PROVIDER: "openai", WA_TRANSCRIBE_BASE_URL: url });

    expect(transcribe).toMatchObject({ baseUrl: base, apiKey: undefined });
  });

  test.each([
    ["provider = 'openai'", "transcribe.api_key"],
    ["provider = 'groq'", "transcribe.api_key"],
    ["provider = 'deepgram'", "transcribe.api_key"],
    ["provider = 'local'", "transcribe.model_path"],
    ["provider = 'local'\nmodel_path = ''", "transcribe.model_path"],
    ["provider = 'local'\nmodel_path = 'm'\nbase_url = 'http://a'", "transcribe.base_url"],
    ["base_url = 'http://a'", "transcribe.base_url"],
    ["provider = 'whisper'", "transcribe.provider"],
    ["base_url = 'stt.example/v1'\nprovider = 'openai'\napi_key = 'k'", "transcribe.base_url"],
    ["base_url = 'http://u:p@a/v1'\nprovider = 'openai'", "transcribe.base_url"],
    ["language = 'en\\r\\nX'".replaceAll("'", '"'), "transcribe.language"],
    ["model = 5", "transcribe.model"],
    ["api_key = 'two words'", "transcribe.api_key"],
    ["max_audio_size = 0", "transcribe.max_audio_size"],
    ["timeout = 0", "transcribe.timeout"],
    ["no_speech_threshold = 1.5", "transcribe.no_speech_threshold"],
    ["cache_ttl = -1", "transcribe.cache_ttl"],
    ["debug = 'yes'", "transcribe.debug"],
  ])("%j stops with the key's name", (lines, key) => {
    using home = new Home();

    const problems = home.problems(`[transcribe]\n${lines}\n`);

    expect(problems.filter((problem) => problem.startsWith(key))).toHaveLength(1);
  });
});

describe("the gateway", () => {
  const SECRET = "token-of-the-machine";
  function machine(gateway: unknown = { port: 4711, auth: { mode: "token", token: SECRET } }): Home {
    const home = new Home();
    home.write(".openclaw/openclaw.json", JSON.stringify({ gateway }));
    return home;
  }

  test.each(["operator.read,operator.write,operator.admin", "operator.admin"])(
    "scopes %s are refused",
    (scopes) => {
      using home = new Home();

      expect(home.problems("", { GATEWAY_SCOPES: scopes }).join("\n")).toContain("operator.admin");
    },
  );

  test("of this machine is found with its port and token", () => {
    using home = machine();

    expect(home.load().gateway).toMatchObject({
      isNamed: false,
      url: "ws://127.0.0.1:4711",
      token: SECRET,
    });
  });

  test.each(["ws://127.0.0.1:18789", "ws://localhost:18789", "ws://[::1]:18789", "ws://127.8.0.1:18789"])(
    "at %s takes the token of openclaw.json",
    (url) => {
      using home = machine();

      expect(home.load({ OPENCLAW_GATEWAY_URL: url }).gateway).toMatchObject({
        isNamed: true,
        url,
        token: SECRET,
      });
    },
  );

  test.each([
    "wss://gateway.example",
    "ws://192.168.1.5:18789",
    "ws://127.0.0.1.evil.example:18789",
    "ws://localhost.evil.example:18789",
    "ws://127.0.0.1@evil.example:18789",
  ])("at %s does not get the token of this machine", (url) => {
    using home = machine();

    expect(home.load({ OPENCLAW_GATEWAY_URL: url }).gateway.token).toBeUndefined();
    expect(
      home.load({ OPENCLAW_GATEWAY_URL: url, OPENCLAW_GATEWAY_TOKEN: SECRET }).gateway.token,
    ).toBeUndefined();
  });

  test("takes a token that was set instead of the one in openclaw.json", () => {
    using home = machine();

    expect(home.load({ OPENCLAW_TOKEN: "mine" }).gateway).toMatchObject({ token: "mine", isNamed: true });
  });

  test.each([
    ["no JSON", "{ // comment"],
    ["another shape", '["gateway"]'],
    ["a token of another type", '{"gateway":{"auth":{"token":5}}}'],
    ["a token that only the gateway can read", '{"gateway":{"auth":{"token":"${SECRET}"}}}'],
  ])("does without openclaw.json when that is %s", (_, text) => {
    using home = new Home();
    home.write(".openclaw/openclaw.json", text);

    expect(home.load().gateway).toMatchObject({ url: "ws://127.0.0.1:18789", token: undefined });
  });
});

describe("requireAccount()", () => {
  test("names both variables when nothing is set", () => {
    using home = new Home();

    const problems = problemsOf(() => requireAccount(home.load())).join("\n");

    expect(problems).toContain("KAPSO_API_KEY");
    expect(problems).toContain("KAPSO_PHONE_NUMBER_ID");
  });

  test.each([
    [{ KAPSO_API_KEY: "k" }, "KAPSO_PHONE_NUMBER_ID", "KAPSO_API_KEY"],
    [{ KAPSO_PHONE_NUMBER_ID: "1" }, "KAPSO_API_KEY", "KAPSO_PHONE_NUMBER_ID"],
  ])("names only what is missing beside %j", (env, missing, given) => {
    using home = new Home();

    const problems = problemsOf(() => requireAccount(home.load(env)));

    expect(problems).toEqual([expect.stringContaining(missing)]);
    expect(problems[0]).not.toContain(given);
  });

  test("gives the account", () => {
    using home = new Home();

    const account = requireAccount(home.load({ KAPSO_API_KEY: "k", KAPSO_PHONE_NUMBER_ID: "1" }));

    expect(account).toEqual({
      provider: "kapso",
      apiKey: "k",
      phoneNumberId: "1",
      baseUrl: "https://api.kapso.ai",
      graphVersion: "v24.0",
    });
  });
});
