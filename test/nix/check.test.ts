import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { isThere, NixHome, PLACES } from "./home.ts";

const ACCOUNT = `secrets.apiKeyFile = "/run/secrets/kapso"; settings.kapso.phone_number_id = "1234";`;
const META = `
  settings = { provider = "meta"; delivery.mode = "domain"; meta.phone_number_id = "1"; };
  secrets.metaAccessTokenFile = "/a";
  secrets.metaVerifyTokenFile = "/b";
`;
const relay = (options: string) => `{ services.wa-relay = { enable = true; ${options} }; }`;

/** The modules that docs/nix.md shows. */
const EXAMPLES = [
  ...readFileSync(new URL("../../docs/nix.md", import.meta.url), "utf8").matchAll(/```nix\n(.*?)```/gs),
].map(([, text = ""]) => text);
/** What brings secrets, as far as the examples look at it. */
const SECRET_MANAGERS = `({ lib, ... }: let set = lib.mkOption { type = lib.types.attrsOf lib.types.anything; }; in {
  options = { sops.secrets = set; age.secrets = set; };
  config.sops.secrets = { kapso-api-key.path = "/run/a"; kapso-phone-number-id.path = "/run/b"; };
  config.age.secrets.kapso-api-key.path = "/run/c";
})`;

describe.skipIf(!isThere("nix-instantiate")).each(PLACES)("the build in $where", ({ real }) => {
  const home = new NixHome(real);
  afterAll(() => home[Symbol.dispose]());

  test.each([
    ["Kapso by polling", ACCOUNT],
    ["Meta", `${META} secrets.metaAppSecretFile = "/c";`],
    [
      "Meta, with a secret's file that a variable names",
      `${META} environment.WHATSAPP_APP_SECRET_FILE = "/c";`,
    ],
    ["a file that another variable names", `${ACCOUNT} environment.GATEWAY_TOKEN_FILE = "/c";`],
    ["a number in a variable", 'secrets.apiKeyFile = "/a"; environment.KAPSO_PHONE_NUMBER_ID = "1";'],
    ["a state folder that is not there", `${ACCOUNT} environment.KAPSO_STATE_DIR = "/nowhere";`],
    [
      "durations as the program takes them",
      `${ACCOUNT} settings.delivery.poll_interval = 1.5; settings.security.rate_window = " 30s ";`,
    ],
    ["no address of the gateway", `${ACCOUNT} settings.gateway.url = "";`],
  ])("accepts %s", async (_, options) => {
    expect(await home.failed(relay(options))).toEqual([]);
    await home.check(relay(options));
  });

  test.each([
    [
      "a mistyped key",
      `${ACCOUNT} settings.delivery.pol_interval = 5;`,
      "did you mean delivery.poll_interval?",
    ],
    [
      "a state that agents could send from",
      `${ACCOUNT} settings.state.dir = "/home/ana/.openclaw";`,
      "media.send_from",
    ],
    [
      "what only the service would say",
      `${META} secrets.metaAppSecretFile = "/c"; environment.KAPSO_MODE = "polling";`,
      "Meta has no list of messages",
    ],
  ])("refuses %s", async (_, options, message) => {
    await expect(home.check(relay(options))).rejects.toThrow(message);
  });

  test("runs nothing without checkConfig", async () => {
    expect((await home.evaluate(relay(`${ACCOUNT} checkConfig = false;`))).checks).toEqual([]);
  });

  test.each(EXAMPLES.map((text) => [/sops|agenix/.exec(text)?.[0] ?? "the whole", text] as const))(
    "accepts the example of the documentation: %s",
    async (_, text) => {
      const example = text.trimStart().startsWith("{ config")
        ? `(${text})`
        : `{ inherit (builtins.elemAt ((${text}).outputs {
            nixpkgs.legacyPackages.x86_64-linux = { };
            home-manager.lib.homeManagerConfiguration = configuration: configuration;
            wa-relay.homeModules.default = { };
          }).homeConfigurations.ana.modules 1) services; }`;
      const config = `{ imports = [ ${example} ${SECRET_MANAGERS} ]; services.wa-relay.enable = true; }`;

      expect(await home.failed(config)).toEqual([]);
      await home.check(config);
    },
  );
});
