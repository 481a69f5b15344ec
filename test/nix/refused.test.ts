import { afterAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { secretsOf } from "../../src/config/secrets.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { isThere, nix, NixHome, PLACES, type System } from "./home.ts";

const SECRETS = new URL("../../nix/secrets.nix", import.meta.url).pathname;
const ACCOUNT = `secrets.apiKeyFile = "/run/secrets/kapso"; settings.kapso.phone_number_id = "1234";`;
const relay = (options: string) => `{ services.wa-relay = { enable = true; ${ACCOUNT} ${options} }; }`;

/** The secrets of the program; a number may come from a file too, but is none. */
const KEYS = Object.entries(SETTINGS).flatMap(([section, keys]) =>
  Object.entries(keys).flatMap(([key, { secret }]) =>
    secret && key !== "phone_number_id" ? [`${section}.${key}`] : [],
  ),
);

/** Every variable that the program takes a secret from, found by giving it one. */
function secretVariables(): readonly string[] {
  const asked = new Set<string>();
  const env = new Proxy(
    {},
    { get: (_, name) => (asked.add(String(name)), name === "HOME" ? "/nonexistent" : undefined) },
  );
  loadConfig({ env });
  const worlds = ["kapso", "meta"].map((provider) => ({
    HOME: "/nonexistent",
    WA_PROVIDER: provider,
    KAPSO_API_KEY: "k",
    KAPSO_PHONE_NUMBER_ID: "1",
    WHATSAPP_PHONE_NUMBER_ID: "1",
    KAPSO_TRANSCRIBE_PROVIDER: "groq",
    KAPSO_TRANSCRIBE_API_KEY: "t",
  }));
  const isTaken = (name: string) =>
    worlds.some((world) => {
      try {
        return secretsOf(loadConfig({ env: { ...world, [name]: "probe" } })).includes("probe");
      } catch {
        // It is read as something else.
        return false;
      }
    });
  return [...asked].filter(isTaken).sort();
}

describe.skipIf(!isThere("nix-instantiate"))("nix/secrets.nix", () => {
  test("knows every variable that the program takes a secret from", async () => {
    const text = await nix("nix-instantiate", ["--eval", "--strict", "--json", SECRETS]);
    const known: Record<string, { variables: string[]; alsoIn?: string[]; isPublic?: true }> =
      JSON.parse(text);

    const names = Object.values(known).flatMap(({ variables, alsoIn = [], isPublic }) =>
      isPublic ? [] : [...variables, ...alsoIn],
    );

    expect(secretVariables()).toEqual(names.sort());
  });
});

describe.skipIf(!isThere("nix-instantiate")).each(PLACES)("the module in $where", ({ real }) => {
  const home = new NixHome(real);
  afterAll(() => home[Symbol.dispose]());

  test.each(KEYS)("%s is refused in settings", async (name) => {
    const value = name.endsWith("old_secrets") ? '[ "s" ]' : '"s"';

    expect(await home.failed(relay(`settings.${name} = ${value};`))).toEqual([
      expect.stringContaining(`settings.${name} would be`),
    ]);
  });

  test("each variable of a secret is refused in environment, by its name", async () => {
    const names = secretVariables();
    const failed = await home.failed(relay(names.map((name) => `environment.${name} = "s";`).join(" ")));

    expect(failed).toHaveLength(names.length);
    for (const name of names)
      expect(failed).toContainEqual(expect.stringContaining(`environment.${name} would be`));
  });

  test.each(['gateway.url = "ws://ana:S3CRET@x:1"', 'kapso.base_url = "https://S3CRET@x"'])(
    "settings.%s is refused, and not shown",
    async (setting) => {
      const failed = await home.failed(relay(`settings.${setting};`));

      expect(failed).toEqual([expect.stringContaining(`settings.${setting.split(" ")[0]} has a`)]);
      expect(failed.join()).not.toContain("S3CRET");
    },
  );

  test.each([
    ["kapso.api_key_file", "secrets.apiKeyFile = null;"],
    ["webhook.secret_file", ""],
    ["transcribe.binary_path", ""],
    ["media.send_from", ""],
  ])("a path in settings.%s is refused, and nothing copied to the store", async (name, more) => {
    const value = name === "media.send_from" ? "[ ./service.nix ]" : "./service.nix";
    const account = 'settings.kapso.phone_number_id = "1";';
    const config = `{ services.wa-relay = { enable = true; ${more || 'secrets.apiKeyFile = "/k";'} ${account} settings.${name} = ${value}; }; }`;

    expect(await home.failed(config)).toEqual([expect.stringContaining(`settings.${name} is a path`)]);
  });

  test.each(["1", '[ "/x" ]'])("%s is no name of a secret's file", async (value) => {
    expect(await home.failed(relay(`settings.webhook.secret_file = ${value};`))).toEqual([
      expect.stringContaining("settings.webhook.secret_file must be the name of a file"),
    ]);
  });

  test.each<readonly [string, System, string]>([
    ["/nix/store/abc-key", "x86_64-linux", "in the Nix store"],
    ["key", "x86_64-linux", "must begin with"],
    ["$(getconf DARWIN_USER_TEMP_DIR)/agenix/key", "aarch64-darwin", "must begin with"],
    ["$XDG_RUNTIME_DIR/agenix/key", "aarch64-darwin", "must begin with"],
    [String.raw`/run/a\nExecStartPre=/bin/false`, "x86_64-linux", "line break"],
    [String.raw`/run/a\\`, "x86_64-linux", "backslash"],
    ["/run/a ", "x86_64-linux", "must begin with"],
    ["/run/secrets/../a", "x86_64-linux", ".. in it"],
    ["~/./a", "aarch64-darwin", ".. in it"],
  ])("a secret in %s is refused on %s, wherever it is named", async (file, system, message) => {
    for (const place of [
      "secrets.webhookSecretFile",
      "settings.webhook.secret_file",
      "environment.KAPSO_WEBHOOK_SECRET_FILE",
    ])
      expect(await home.failed(relay(`${place} = "${file}";`), system)).toEqual([
        expect.stringMatching(new RegExp(`${place.replaceAll(".", "\\.")} .*${message}`)),
      ]);
  });

  test.each([
    "~",
    "~foo",
    "~/",
    "/",
    "/a/../b",
    "~/..",
    String.raw`/a\nb`,
    String.raw`/\${HOME}/x`,
    '/a\\"b',
  ])("a state folder %s does not evaluate", async (folder) => {
    await expect(home.failed(relay(`settings.state.dir = "${folder}";`))).rejects.toThrow("is not of type");
  });

  test.each(["A B", "ü", "1A", String.raw`A\nB`])("environment.%s is refused", async (name) => {
    expect(await home.failed(relay(`environment."${name}" = "1";`))).toEqual([
      expect.stringContaining("is no name of a variable"),
    ]);
  });
});
