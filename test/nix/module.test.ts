import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { requireAccount, requireInbound } from "../../src/config/account.ts";
import { loadConfig } from "../../src/config/config.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { problemsOf } from "../config/home.ts";
import { type Evaluated, isThere, nix, NixHome, PLACES, type System } from "./home.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const hasNix = isThere("nix-instantiate");
const hasSystemd = isThere("systemd-analyze");

/** Two secret files and a Funnel. */
const USUAL = `
  settings.delivery.mode = "tailscale";
  settings.security.roles.admin = [ "+15551234567" ];
  secrets.apiKeyFile = "/run/secrets/kapso";
  secrets.phoneNumberIdFile = "$XDG_RUNTIME_DIR/agenix/number";
`;
const ACCOUNT = `secrets.apiKeyFile = "/run/secrets/kapso"; settings.kapso.phone_number_id = "1234";`;
const relay = (options: string) => `{ services.wa-relay = { enable = true; ${options} }; }`;
const secretFolder = mkdtempSync(join(tmpdir(), "wa-relay-nix-secrets-"));
afterAll(() => rmSync(secretFolder, { recursive: true, force: true }));

function secretFile(name: string, content: string): string {
  const path = join(secretFolder, name);
  writeFileSync(path, content);
  return path;
}

describe.skipIf(!hasNix)("nix/secrets.nix", () => {
  test("every secret of the program can come from a file, with its variables", async () => {
    const text = await nix("nix-instantiate", [
      "--eval",
      "--strict",
      "--json",
      join(ROOT, "nix/secrets.nix"),
    ]);
    const known: Record<string, { key: string; variables: string[] }> = JSON.parse(text);

    const ours = Object.entries(SETTINGS).flatMap(([section, keys]) =>
      Object.entries(keys).flatMap(([key, { secret, env }]) =>
        secret ? [{ key: `${section}.${key}`, variables: env }] : [],
      ),
    );

    const byKey = (a: { readonly key: string }, b: typeof a) => (a.key < b.key ? -1 : 1);
    expect(
      Object.values(known)
        .map(({ key, variables }) => ({ key, variables }))
        .sort(byKey),
    ).toEqual(ours.sort(byKey));
  });
});

describe.skipIf(!hasNix).each(PLACES)("the module in $where", ({ real }) => {
  const home = new NixHome(real);
  afterAll(() => home[Symbol.dispose]());

  test("makes nothing while it is off", async () => {
    const off = await home.evaluate("{ }");

    expect(off).toMatchObject({ unit: null, agent: null, toml: null, failed: [], packages: [], checks: [] });
  });

  test("makes unit, configuration and programs from two secret files", async () => {
    const on = await home.evaluate(relay(USUAL));

    expect(on).toMatchObject({ failed: [], warnings: [], packages: ["wa-relay"] });
    expect(on.toml).toEqual({
      delivery: { mode: "tailscale" },
      kapso: { api_key_file: "/run/secrets/kapso", phone_number_id_file: "$XDG_RUNTIME_DIR/agenix/number" },
      security: { roles: { admin: ["+15551234567"] } },
      state: { dir: "/home/ana/.local/state/wa-relay" },
    });
    expect(on.unit?.Service).toMatchObject({
      LoadCredential: ["KAPSO_API_KEY:/run/secrets/kapso", "KAPSO_PHONE_NUMBER_ID:%t/agenix/number"],
      Environment: expect.arrayContaining([
        expect.stringMatching(/^PATH=.*\/tailscale\/bin$/),
        "KAPSO_API_KEY_FILE=%d/KAPSO_API_KEY",
        "KAPSO_PHONE_NUMBER_ID_FILE=%d/KAPSO_PHONE_NUMBER_ID",
      ]),
    });
  });

  test("the unit never gives up, except for a configuration that can not be used", async () => {
    const { unit } = await home.evaluate(relay(USUAL));

    expect(unit?.Unit).toMatchObject({ StartLimitIntervalSec: 0 });
    expect(unit?.Service).toMatchObject({
      Restart: "always",
      RestartSec: 2,
      RestartPreventExitStatus: 78,
    });
  });

  test
    .skipIf(!hasSystemd)
    .each([
      "",
      "hardening.strict = true;",
      'environment.TZ = "100 % \\"odd\\"";',
      'secrets.webhookSecretFile = "~/a b\\"c%; ü";',
      'hardening.strict = true; settings.state.dir = "~/a b%; ü";',
    ])("systemd finds nothing to say about the unit (%s)", async (more) => {
    const evaluated = await home.evaluate(relay(USUAL + more));
    home.writeToml(evaluated);
    const unit = home.writeUnit(evaluated);

    const env = { PATH: process.env["PATH"], HOME: home.store, XDG_RUNTIME_DIR: home.store };
    const { stdout, stderr } = await run("systemd-analyze", ["verify", "--user", unit], { env });

    expect(stdout + stderr).toBe("");
  });

  test("what the unit starts accepts its configuration, with the secrets that systemd hands over", async () => {
    const evaluated = await home.evaluate(relay(`${USUAL} settings.state.dir = "${home.store}/state";`));
    home.writeToml(evaluated);
    const credentials = join(home.store, "credentials");
    mkdirSync(credentials);
    writeFileSync(join(credentials, "KAPSO_API_KEY"), "a-key");
    writeFileSync(join(credentials, "KAPSO_PHONE_NUMBER_ID"), "1234");

    const { ExecStart = "", Environment = [] } = evaluated.unit?.Service ?? {};
    const variables = [Environment]
      .flat()
      .map((line) => /^"?([^=]+)=(.*?)"?$/.exec(String(line).replace("%d", credentials)) ?? []);
    const [program = "", ...args] = String(ExecStart).split(" ");
    const env = Object.fromEntries(variables.map(([, name = "", value = ""]) => [name, value]));
    const { stdout } = await run(program, [...args, "--check"], { env });

    expect(stdout).toContain("Configuration and state are usable");
  });

  test("what the agent of macOS starts accepts its configuration", async () => {
    const key = secretFile("key", "a-key\n");
    const number = secretFile("number", "1234\n");
    const evaluated = await home.evaluate(
      relay(`
        settings.state.dir = "${home.store}/state";
        secrets.apiKeyFile = "${key}";
        secrets.phoneNumberIdFile = "${number}";
      `),
      "aarch64-darwin",
    );
    home.writeToml(evaluated);

    const { ProgramArguments: [program = "", ...args] = [], EnvironmentVariables: env } =
      evaluated.agent ?? {};
    const { stdout } = await run(program, [...args, "--check"], { env });

    expect(stdout).toContain("Configuration and state are usable");
    expect(env).toMatchObject({
      KAPSO_API_KEY_FILE: key,
      PATH: expect.stringContaining("/opt/homebrew/bin"),
    });
  });

  test.each<System>(["x86_64-linux", "aarch64-linux", "aarch64-darwin"])(
    "no secret's content is in what it makes (%s)",
    async (system) => {
      const file = secretFile("content", "the-content-of-the-secret");

      const evaluated = await home.evaluate(
        relay(`${ACCOUNT} secrets.metaAppSecretFile = "${file}"; secrets.gatewayTokenFile = "${file}";`),
        system,
      );

      expect(JSON.stringify(evaluated)).toContain(file);
      expect(JSON.stringify(evaluated)).not.toContain("the-content-of-the-secret");
    },
  );

  test("a file in the home folder is found from everywhere", async () => {
    const { unit, toml, failed } = await home.evaluate(
      relay('secrets.apiKeyFile = "~/keys/100%"; settings.kapso.phone_number_id = "1";'),
    );

    expect(failed).toEqual([]);
    expect(unit?.Service["LoadCredential"]).toEqual(["KAPSO_API_KEY:/home/ana/keys/100%%"]);
    expect(toml).toMatchObject({ kapso: { api_key_file: "/home/ana/keys/100%" } });
  });

  test("hardening.strict leaves the state folder alone open", async () => {
    const { unit } = await home.evaluate(relay(`${USUAL} hardening.strict = true;`));

    expect(unit?.Service).toMatchObject({
      PrivateUsers: true,
      ProtectSystem: "strict",
      ProtectHome: "read-only",
      ReadWritePaths: "-/home/ana/.local/state/wa-relay",
    });
  });

  describe("what can not work fails an assertion, and the program refuses it too", () => {
    const meta =
      'secrets.metaAccessTokenFile = "/x"; settings.meta.phone_number_id = "1"; settings.provider = "meta";';
    test.each([
      [
        "Meta and polling",
        `${meta} secrets.metaAppSecretFile = "/x"; secrets.metaVerifyTokenFile = "/x";`,
        "settings.delivery.mode",
      ],
      [
        "Meta without what signs",
        `${meta} settings.delivery.mode = "domain"; secrets.metaVerifyTokenFile = "/x";`,
        "secrets.metaAppSecretFile",
      ],
      [
        "Meta without its word",
        `${meta} settings.delivery.mode = "domain"; secrets.metaAppSecretFile = "/x";`,
        "secrets.metaVerifyTokenFile",
      ],
      [
        "a Funnel with a domain",
        `${USUAL} settings.webhook.url = "https://x.example";`,
        "settings.webhook.url",
      ],
      ["a Funnel to elsewhere", `${USUAL} settings.webhook.addr = "10.0.0.1:1";`, "settings.webhook.addr"],
      [
        "Meta without a token",
        'settings.provider = "meta"; settings.meta.phone_number_id = "1"; settings.delivery.mode = "domain"; secrets.metaAppSecretFile = "/x"; secrets.metaVerifyTokenFile = "/x";',
        "secrets.metaAccessTokenFile",
      ],
      [
        "no number at Meta",
        'settings.delivery.mode = "domain"; secrets.metaAccessTokenFile = "/x"; secrets.metaAppSecretFile = "/x"; secrets.metaVerifyTokenFile = "/x";',
        "settings.meta.phone_number_id",
      ],
      ["an HTTP agent without address", `${ACCOUNT} settings.gateway.type = "http";`, "settings.gateway.url"],
      ["ZeroClaw", `${ACCOUNT} settings.gateway.type = "zeroclaw";`, "not supported yet"],
      [
        "an owner of the agent",
        `${ACCOUNT} settings.gateway.scopes = [ "operator.read" "operator.write" "operator.admin" ];`,
        "operator.admin",
      ],
      [
        "a bridge that is open to all",
        `${ACCOUNT} settings.bridge.addr = ":18791";`,
        "secrets.bridgeTokenFile",
      ],
      [
        "whisper.cpp without a model",
        `${ACCOUNT} settings.transcribe.provider = "local";`,
        "settings.transcribe.model_path",
      ],
      [
        "a transcriber without a key",
        `${ACCOUNT} settings.transcribe.provider = "groq";`,
        "secrets.transcribeApiKeyFile",
      ],
    ])("%s", async (_, options, name) => {
      const evaluated = await home.evaluate(relay(`${options} settings.state.dir = "${home.store}/state";`));
      const file = home.writeToml(evaluated);

      expect(evaluated.failed).toEqual([expect.stringContaining(name)]);
      const refusal = problemsOf(() => {
        const config = loadConfig({ env: { ...standIns(evaluated) }, file });
        requireAccount(config);
        requireInbound(config);
      });
      expect(refusal).toHaveLength(1);
    });
  });

  test.each([
    ["a mode that there is not", 'settings.delivery.mode = "tailscael";'],
    ["a port that there is not", 'settings.webhook.addr = "127.0.0.1:99999";'],
    ["a port that no Funnel has", "settings.tailscale.port = 99999;"],
    ["text for a number", 'settings.security.rate_limit = "ten";'],
    ["no duration", 'settings.delivery.poll_interval = "soon";'],
    ["an option that there is not", "hardening.strickt = true;"],
    ["a secret that there is not", 'secrets.apikeyFile = "/x";'],
    ["a path, which would be copied to the store", "secrets.apiKeyFile = ./secret;"],
  ])("%s does not evaluate", async (_, option) => {
    await expect(home.evaluate(relay(option))).rejects.toThrow(/is not of type|does not exist/);
  });

  test.each([
    ["no key", 'settings.kapso.phone_number_id = "1";', ["secrets.apiKeyFile"]],
    ["no number at Kapso", 'secrets.apiKeyFile = "/x";', ["settings.kapso.phone_number_id"]],
    ["neither", "", ["secrets.apiKeyFile", "settings.kapso.phone_number_id"]],
  ])("%s is warned of, for it may come another way", async (_, options, names) => {
    const { failed, warnings, unit } = await home.evaluate(relay(options));

    expect({ failed, warnings }).toEqual({
      failed: [],
      warnings: names.map((name) => expect.stringContaining(name)),
    });
    expect(unit).toBeDefined();
  });

  test("keys without an option go into the configuration", async () => {
    const { toml } = await home.evaluate(
      relay(`${USUAL} settings.media.max_size = "5MB"; settings.kapso.base_url = "http://x";`),
    );

    expect(toml).toMatchObject({ media: { max_size: "5MB" }, kapso: { base_url: "http://x" } });
  });
});

describe.skipIf(!hasNix)("the options", () => {
  const home = new NixHome(undefined);
  afterAll(() => home[Symbol.dispose]());
  const options = async () => (await home.evaluate("{ }")).options ?? [];

  test("those of a few values take what the program takes", async () => {
    const sections: Record<
      string,
      Record<string, { schema: { safeParse(value: unknown): { success: boolean } } }>
    > = SETTINGS;

    for (const { name, values } of (await options()).filter((option) => option.values !== null)) {
      const [key = "", section = ""] = name.split(".").reverse();
      const schema = sections[section === "settings" ? "" : section]?.[key]?.schema;
      for (const value of values ?? [])
        expect(schema?.safeParse(value), `${name} = ${String(value)}`).toMatchObject({ success: true });
      expect(schema?.safeParse("none of them"), name).toMatchObject({ success: false });
    }
  });

  test("each is a key of the program, or in docs/nix.md", async () => {
    const docs = readFileSync(join(ROOT, "docs/nix.md"), "utf8");
    const sections: Record<string, Record<string, unknown>> = SETTINGS;

    for (const { name } of await options()) {
      const [, section = "", key] = /^settings\.(\w+)(?:\.(\w+))?$/.exec(name) ?? [];
      if (section === "") expect(docs).toContain(`\`${name}\``);
      else expect(key === undefined ? sections[""] : sections[section]).toHaveProperty(key ?? section);
    }
  });
});

/** A value for every variable of a secret file that is named. */
function standIns({ agent }: Evaluated): Readonly<Record<string, string>> {
  const names = Object.keys(agent?.EnvironmentVariables ?? {}).filter((name) => name.endsWith("_FILE"));
  return Object.fromEntries(names.map((name) => [name.replace(/_FILE$/, ""), "1"]));
}
