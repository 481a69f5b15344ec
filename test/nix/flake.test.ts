import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkouts, isThere, nix } from "./home.ts";

const ROOT = join(import.meta.dirname, "../..");
const LIB = checkouts?.lib ?? join(import.meta.dirname, "lib.nix");
const FILES = ["flake.nix", ...["nix", "test/nix"].flatMap((folder) => filesOf(folder))];

function filesOf(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) =>
    name.endsWith(".nix") ? [`${folder}/${name}`] : [],
  );
}

async function evaluate(text: string): Promise<unknown> {
  const options = ["--eval", "--strict", "--json", "--expr"];
  return JSON.parse(await nix("nix-instantiate", [...options, `let lib = import ${LIB}; in ${text}`]));
}

describe.skipIf(!isThere("nix-instantiate"))("the flake", () => {
  test.each(FILES)("%s is Nix", async (name) => {
    expect(await nix("nix-instantiate", ["--parse", join(ROOT, name)])).not.toBe("");
  });

  test("its check has unit, agent and configuration, on every system", async () => {
    const checks = await evaluate(`
      let
        pkgs = system: import ${join(ROOT, "test/nix/pkgs.nix")} { inherit lib system; path = null; };
        systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];
        outputs = (import ${join(ROOT, "flake.nix")}).outputs {
          self.packages = lib.genAttrs systems (system: { default = (pkgs system).coreutils; });
          nixpkgs = { inherit lib; legacyPackages = lib.genAttrs systems pkgs; };
        };
      in
      builtins.mapAttrs (_: checks: builtins.fromJSON checks.module.text) outputs.checks`);

    const whole = {
      unit: { Service: expect.objectContaining({ Restart: "always" }) },
      agent: expect.objectContaining({ RunAtLoad: true }),
      toml: {
        delivery: { mode: "tailscale" },
        kapso: { api_key_file: "/run/secrets/kapso", phone_number_id: "1234" },
      },
    };
    expect(checks).toMatchObject({ "x86_64-linux": whole, "aarch64-linux": whole, "aarch64-darwin": whole });
  });

  test.each([
    ["a combination that can not work", 'gateway.type = "http";', "settings.gateway.url"],
    ["a value that there is not", 'delivery.mode = "tailscael";', "is not of type"],
  ])("its check fails for %s", async (_, settings, why) => {
    const check = evaluate(`import ${join(ROOT, "test/nix/check.nix")} {
      inherit lib;
      system = "x86_64-linux";
      config.services.wa-relay = { enable = true; settings.${settings} };
    }`);

    await expect(check).rejects.toThrow(why);
  });
});
