import { afterAll, describe, expect, test } from "vitest";
import { isThere, NixHome, PLACES } from "./home.ts";

describe.skipIf(!isThere("nix-instantiate")).each(PLACES)("services.kapso-whatsapp in $where", ({ real }) => {
  const home = new NixHome(real);
  afterAll(() => home[Symbol.dispose]());

  test("a configuration goes on working, with a warning for each option", async () => {
    const old: Record<string, string> = {
      enable: "true",
      package: '"/old"',
      cliPackage: '"/old"',
      "delivery.mode": '"domain"',
      "delivery.pollInterval": "15",
      "delivery.pollFallback": "true",
      "webhook.addr": '":18790"',
      "gateway.type": '"openclaw"',
      "gateway.url": '"ws://127.0.0.1:18789"',
      "gateway.sessionKey": '"main"',
      "gateway.sessionsJson": '"/s.json"',
      "gateway.errorMessage": '"Sorry"',
      "state.dir": '"/home/ana/.config/kapso-whatsapp"',
      "security.mode": '"allowlist"',
      "security.roles": '{ admin = [ "+15551234567" ]; }',
      "security.denyMessage": '"No"',
      "security.rateLimit": "5",
      "security.rateWindow": "30",
      "security.sessionIsolation": "false",
      "security.defaultRole": '"guest"',
      "transcribe.provider": '"local"',
      "transcribe.model": '"base"',
      "transcribe.language": '"en"',
      "transcribe.maxAudioSize": "1000000",
      "transcribe.binaryPath": '"/bin/whisper-cli"',
      "transcribe.modelPath": '"/m.bin"',
      "transcribe.timeout": "60",
      "transcribe.noSpeechThreshold": "0.5",
      "transcribe.cacheTTL": "0",
      "transcribe.debug": "true",
      commands: '{ prefix = "!"; timeout = 30; definitions.up = { type = "shell"; shell = "uptime"; }; }',
      "secrets.apiKeyFile": '"/run/k"',
      "secrets.phoneNumberIdFile": '"/run/p"',
      "secrets.webhookVerifyTokenFile": '"/run/v"',
      "secrets.webhookSecretFile": '"/run/s"',
      "secrets.gatewayTokenFile": '"/run/g"',
      "secrets.transcribeApiKeyFile": '"/run/t"',
    };
    const text = Object.entries(old).map(([name, value]) => `${name} = ${value};`);

    const { failed, warnings, toml, unit } = await home.evaluate(
      `{ services.kapso-whatsapp = { ${text.join(" ")} }; }`,
    );

    expect(failed).toEqual([]);
    for (const name of Object.keys(old))
      expect(warnings).toContainEqual(
        expect.stringMatching(
          new RegExp(`services\\.kapso-whatsapp\\.${name.replace(".", "\\.")}'.*services\\.wa-relay`),
        ),
      );
    expect(warnings).toHaveLength(Object.keys(old).length);
    expect(unit?.Service["LoadCredential"]).toHaveLength(6);
    expect(toml).toEqual({
      delivery: { mode: "domain", poll_interval: 15, poll_fallback: true },
      gateway: {
        type: "openclaw",
        url: "ws://127.0.0.1:18789",
        session_key: "main",
        sessions_json: "/s.json",
        error_message: "Sorry",
        token_file: "/run/g",
      },
      kapso: { api_key_file: "/run/k", phone_number_id_file: "/run/p" },
      security: {
        mode: "allowlist",
        roles: { admin: ["+15551234567"] },
        deny_message: "No",
        rate_limit: 5,
        rate_window: 30,
        session_isolation: false,
        default_role: "guest",
      },
      state: { dir: "/home/ana/.config/kapso-whatsapp" },
      transcribe: {
        provider: "local",
        model: "base",
        language: "en",
        max_audio_size: 1_000_000,
        binary_path: "/bin/whisper-cli",
        model_path: "/m.bin",
        timeout: 60,
        no_speech_threshold: 0.5,
        cache_ttl: 0,
        debug: true,
        api_key_file: "/run/t",
      },
      webhook: { addr: ":18790", verify_token_file: "/run/v", secret_file: "/run/s" },
    });
  });

  test.each(["nonsense = 1;", "delivery.nonsense = 1;", "secrets.nonsense = 1;"])(
    "%s, which it never had, does not evaluate",
    async (option) => {
      await expect(
        home.evaluate(`{ services.kapso-whatsapp = { enable = true; ${option} }; }`),
      ).rejects.toThrow(/services\.kapso-whatsapp\.\S*nonsense' does not exist/);
    },
  );

  test("a value that is wrong now is refused under the old name too", async () => {
    await expect(
      home.evaluate('{ services.kapso-whatsapp = { enable = true; delivery.mode = "tailscael"; }; }'),
    ).rejects.toThrow("is not of type");
  });
});
