import { expect, test } from "vitest";
import { secretsOf } from "../../src/config/secrets.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import type { Setting } from "../../src/config/setting.ts";
import { Home } from "./home.ts";

test("P9: secretsOf() has every secret that the programs may use, of either provider", () => {
  using home = new Home();
  const secrets = Object.values<Record<string, Setting>>(SETTINGS)
    .flatMap((section) => Object.values(section))
    .filter(({ secret }) => secret)
    .flatMap(({ env: [variable = ""] }) => variable)
    // It is shown to nobody either, but an id of digits stands in the addresses of the API.
    .filter((variable) => variable !== "KAPSO_PHONE_NUMBER_ID");
  const env = Object.fromEntries(secrets.map((variable) => [variable, `secret-of-${variable}`]));
  const account = {
    KAPSO_PHONE_NUMBER_ID: "1",
    WHATSAPP_PHONE_NUMBER_ID: "2",
    KAPSO_TRANSCRIBE_PROVIDER: "groq",
  };

  const configs = ["kapso", "meta"].map((provider) =>
    home.load({ ...env, ...account, WA_PROVIDER: provider }),
  );
  const known = new Set(configs.flatMap(secretsOf));

  expect(secrets.filter((variable) => !known.has(`secret-of-${variable}`))).toEqual([]);
});
