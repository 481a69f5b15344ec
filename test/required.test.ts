import { expect, test } from "vitest";
import { checkouts, isThere } from "./nix/home.ts";
import { UserManager } from "./poller/user-manager.ts";

const { WA_REQUIRE: required = "" } = process.env;
const IS_HERE: Readonly<Record<string, () => Promise<boolean>>> = {
  nix: async () => isThere("nix-instantiate") && isThere("nix-hash"),
  "home-manager": async () => checkouts !== undefined,
  systemd: async () => {
    await using manager = await UserManager.start();
    return manager !== undefined && isThere("systemd-analyze");
  },
};

test.skipIf(required === "").each(required.split(","))(
  "%s, which WA_REQUIRE names, is here: no test that needs it is skipped",
  async (name) => {
    expect(await IS_HERE[name]?.()).toBe(true);
  },
);
