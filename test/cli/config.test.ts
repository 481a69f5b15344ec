import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { read, World } from "./world.ts";

const FILE = `provider = "kapso"
# a comment
[delivery]
poll_interval = "45s"

[security.roles]
admin = ["+15559876543", "US.13491208655302741918"]
[gateway]
url = "ws://user:the-password@127.0.0.1:1234"
token = "gateway-token-4711"
`;

async function withFile(text = FILE) {
  const world = await World.start();
  const folder = join(world.home, ".config", "wa-relay");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "config.toml");
  writeFileSync(file, text);
  return { world, file, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

describe("wa-cli config", () => {
  test("tells each value with its origin: variable, line of the file, default", async () => {
    await using set = await withFile();

    const ran = await set.world.run(["config", "--json"], { env: { KAPSO_RATE_LIMIT: "5" } });

    const { file, settings } = read(ran) as { file: string; settings: { key: string; secret: boolean }[] };
    const of = (name: string) => settings.find(({ key }) => key === name);
    expect(file).toBe(set.file);
    expect(of("provider")).toMatchObject({ value: "kapso", origin: `${set.file}:1` });
    expect(of("delivery.poll_interval")).toMatchObject({ value: "45s", origin: `${set.file}:4` });
    expect(of("delivery.max_age")).toMatchObject({ value: "24h", origin: "default" });
    expect(of("security.rate_limit")).toMatchObject({ value: 5, origin: "environment KAPSO_RATE_LIMIT" });
    expect(of("security.roles")).toMatchObject({
      value: { admin: ["+155…6543", "US.1349…"] },
      origin: `${set.file}:6`,
    });
    expect(of("kapso.api_key")).toMatchObject({ value: "•••", origin: "environment KAPSO_API_KEY" });
    expect(of("gateway.token")).toMatchObject({ value: "•••", origin: `${set.file}:10` });
    expect(of("gateway.url")).toMatchObject({ value: "ws://127.0.0.1:1234" });
    expect(of("state.dir")).toMatchObject({ value: set.world.state });
  });

  test("shows no secret, with --reveal either; numbers only with it", async () => {
    await using set = await withFile();

    const plain = await set.world.run(["config", "--all"]);
    const revealed = await set.world.run(["config", "--all", "--reveal"]);

    expect(plain.out).not.toContain("15559876543");
    expect(revealed.out).toContain("15559876543");
    for (const secret of ["gateway-token-4711", "the-password"])
      expect(plain.out + revealed.out).not.toContain(secret);
  });

  test("path names the file also when it can not be used, or that there is none", async () => {
    await using set = await withFile('[delivery]\nmode = "sometimes"\n');
    await using world = await World.start();

    expect(await set.world.run(["config", "path"])).toMatchObject({ code: 0, out: `${set.file}\n` });
    expect((await set.world.run(["config"])).code).toBe(3);
    expect(read(await world.run(["config", "path", "--json"]))).toEqual({ file: null });
  });
});
