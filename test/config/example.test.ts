import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readValues } from "../../src/config/read.ts";
import type { Setting } from "../../src/config/setting.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { Home } from "./home.ts";

const EXAMPLE = fileURLToPath(new URL("../../config.example.toml", import.meta.url));
const text = readFileSync(EXAMPLE, "utf8");
const COMMENTED = /^# ([a-z_]+) = /;

/** The example with every commented `key = value` line in force. */
function uncommented(): string {
  return text.replace(/^# (?=[a-z_]+ = )/gm, "");
}

/** Section and key of every commented line. */
function commentedKeys(): string[] {
  let section = "";
  return text.split("\n").flatMap((line) => {
    section = /^\[(.+)\]$/.exec(line)?.[1] ?? section;
    const key = COMMENTED.exec(line)?.[1];
    return key === undefined ? [] : [`${section}.${key}`];
  });
}

test("config.example.toml loads as it is and changes nothing", () => {
  using home = new Home();

  const { file, ...config } = home.load({}, EXAMPLE);
  const { file: none, ...defaults } = home.load();

  expect(file).toBe(EXAMPLE);
  expect(none).toBeUndefined();
  // But for itself, which nobody is sent.
  const closed = config.media.closed.filter((place) => place !== EXAMPLE);
  expect({ ...config, media: { ...config.media, closed } }).toEqual(defaults);
});

test("config.example.toml loads with every line in force", () => {
  using home = new Home();

  const config = home.loadText(uncommented());

  expect(config.account).toEqual({
    provider: "kapso",
    graphVersion: "v24.0",
    apiKey: "your-api-key",
    phoneNumberId: "123456789012345",
    baseUrl: "https://api.kapso.ai",
  });
  expect(config.gateway).toMatchObject({ token: "your-gateway-token", url: "ws://127.0.0.1:18789" });
  expect(config.state.dir).toBe(join(home.path, ".local/state/wa-relay"));
  expect(Object.fromEntries(config.security.roles)).toEqual({
    "15551234567": "member",
    "15551234568": "admin",
    "4915123456789": "member",
    "US.13491208655302741918": "member",
  });
});

test("config.example.toml shows the defaults, except where it says so", () => {
  using home = new Home();
  const shown: Record<string, Record<string, unknown>> = readValues(
    {},
    home.write("test.toml", uncommented()),
    home.path,
    [],
  );
  const defaults: Record<string, Record<string, unknown>> = readValues({}, undefined, home.path, []);

  const different = Object.entries(shown).flatMap(([section, values]) =>
    Object.keys(values)
      .filter((key) => JSON.stringify(values[key]) !== JSON.stringify(defaults[section]?.[key]))
      .map((key) => `${section}.${key}`),
  );

  expect(different).toEqual([
    // Without it, who has credentials.
    ".provider",
    "kapso.api_key",
    "kapso.phone_number_id",
    "meta.access_token",
    "meta.phone_number_id",
    "meta.app_secret",
    "meta.verify_token",
    // Nothing listens while polling alone.
    "webhook.addr",
    "webhook.url",
    "webhook.secret",
    "webhook.verify_token",
    "tailscale.bin",
    // These two have a default that depends on the machine.
    "gateway.url",
    "gateway.token",
    "bridge.addr",
    "bridge.token",
    "bridge.url",
    "security.roles",
    "security.allowed_numbers",
    "send.own_number",
    "transcribe.provider",
    "transcribe.api_key",
    "transcribe.base_url",
    "transcribe.model",
    "transcribe.language",
    // Its default is not in the settings, but where the command is looked for.
    "transcribe.binary_path",
    "transcribe.model_path",
    "state.dir",
    "log.format",
  ]);
});

/** All but what was for the older bridge. */
function shownSettings() {
  const unused = new Set(["sessions_json"]);
  return Object.entries<Record<string, Setting>>(SETTINGS)
    .flatMap(([section, keys]) => Object.entries(keys).map(([key, setting]) => ({ section, key, setting })))
    .filter(({ key }) => !unused.has(key));
}

test("config.example.toml has every key", () => {
  const written = new Set(commentedKeys());

  for (const { section, key } of shownSettings())
    if (key === "roles") expect(text).toContain("[security.roles]");
    else expect(written).toContain(`${section}.${key}`);
});

test("config.example.toml names every variable, save second names", () => {
  const named = new Set(text.match(/[A-Z][A-Z_]+[A-Z]/g));

  const unnamed = shownSettings()
    .flatMap(({ setting }) => setting.env)
    .filter((variable) => !named.has(variable));

  expect(unnamed).toEqual(["KAPSO_WEBHOOK_MODE", "GATEWAY_URL", "GATEWAY_TOKEN"]);
});

test("config.example.toml holds no secret and names nothing twice", () => {
  const keys = commentedKeys();

  expect(keys).toEqual([...new Set(keys)]);
  for (const line of text.split("\n")) expect(line).toMatch(/^(|#.*|\[[a-z.]+\])$/);
});
