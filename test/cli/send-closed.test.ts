import { linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { PNG } from "../media/stand-in.ts";
import { TO, World } from "./world.ts";

/** A home folder with keys in all their places. */
async function setUp() {
  const world = await World.start();
  const write = (name: string, content: string | Buffer = "sk-4712") => {
    const path = join(world.home, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  };
  write(".config/wa-relay/config.toml", `[gateway]\ntoken_file = "~/token"\n`);
  write("token");
  write("webhook-secret");
  write("openclaw-elsewhere.json", "{}");
  write("dotfiles/relay.toml", "");
  for (const name of [
    ".config/wa-relay/kapso-api-key",
    ".config/wa-relay/config.toml.2026-11-21",
    ".config/kapso-whatsapp/config.toml",
    "session/app-secret",
    "state/device.json",
    "state/sub/relay.db",
    ".openclaw/openclaw.json",
    ".openclaw/credentials/whatsapp/creds.json",
    ".openclaw/state/openclaw.sqlite",
    ".openclaw/agents/main/sessions/1.jsonl",
  ])
    write(name);
  const env = {
    KAPSO_WEBHOOK_SECRET_FILE: "~/webhook-secret",
    // As the Nix module names what a secret manager brings.
    WHATSAPP_APP_SECRET_FILE: "$XDG_RUNTIME_DIR/app-secret",
    XDG_RUNTIME_DIR: join(world.home, "session"),
    OPENCLAW_CONFIG_PATH: join(world.home, "openclaw-elsewhere.json"),
  };
  const send = async (path: string, args: readonly string[] = []) =>
    world.run(["send", "--to", TO, "--media", path, ...args], { env });
  return { world, write, send, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

const CLOSED = [
  ".config/wa-relay/config.toml",
  ".config/wa-relay/config.toml.2026-11-21",
  ".config/wa-relay/kapso-api-key",
  ".config/kapso-whatsapp/config.toml",
  "token",
  "webhook-secret",
  "session/app-secret",
  "openclaw-elsewhere.json",
  "state/device.json",
  "state/sub/relay.db",
  ".openclaw/openclaw.json",
  ".openclaw/credentials/whatsapp/creds.json",
  ".openclaw/state/openclaw.sqlite",
  ".openclaw/agents/main/sessions/1.jsonl",
];

describe("P9: wa-cli send --media never sends", () => {
  test.each(CLOSED)("%s: by name, as an address, by symbolic link or by hard link", async (name) => {
    await using set = await setUp();
    const { world, send } = set;
    const path = join(world.home, name);
    const [link, folder, hard, inMedia] = ["link", "folder", "hard", "state/media/x.txt"].map((each) =>
      join(world.home, each),
    ) as [string, string, string, string];
    mkdirSync(dirname(inMedia));
    symlinkSync(path, link);
    symlinkSync(dirname(path), folder);
    symlinkSync(path, inMedia);
    linkSync(path, hard);

    const codes = [];
    for (const each of [
      path,
      `file://${path}`,
      link,
      join(folder, name.split("/").at(-1) ?? ""),
      inMedia,
      hard,
    ])
      codes.push((await send(each)).code);

    expect(codes).toEqual([2, 2, 2, 2, 2, 2]);
    expect([world.kapso.sent, world.kapso.media.uploads]).toEqual([[], []]);
  });

  test("the file that --config names, and the one that a link of that name leads to", async () => {
    await using set = await setUp();
    const { world, send } = set;
    const file = join(world.home, "dotfiles/relay.toml");
    const link = join(world.home, "mine.toml");
    symlinkSync(file, link);

    for (const path of [file, link]) expect((await send(path, ["--config", link])).code).toBe(2);
    expect([world.kapso.sent, world.kapso.media.uploads]).toEqual([[], []]);
  });

  test("what the kernel says of this process, its environment above all", async () => {
    await using set = await setUp();
    const { world, send } = set;

    for (const path of [
      "/proc/self/environ",
      "/proc/self/cmdline",
      `/proc/self/root${world.state}/device.json`,
    ])
      expect((await send(path)).code).toBe(2);
    expect([world.kapso.sent, world.kapso.media.uploads]).toEqual([[], []]);
  });

  test("but what people sent, what agents make, and what only lies near is sent", async () => {
    await using set = await setUp();
    const { world, write, send } = set;
    const paths = [
      "state/media/cat.png",
      ".openclaw/workspace/chart.png",
      ".openclaw/workspace-second/chart.png",
      ".openclaw/media/outbound/chart.png",
      ".config/other/cat.png",
      "token.png",
    ].map((name) => write(name, PNG));
    linkSync(join(world.home, "token.png"), join(world.home, "twice.png"));
    renameSync(join(world.home, "state/media"), join(world.home, "disk"));
    symlinkSync(join(world.home, "disk"), join(world.home, "state/media"));

    for (const path of [...paths, join(world.home, "twice.png")])
      expect(await send(path)).toMatchObject({ code: 0, err: "" });
    expect(world.kapso.sent).toHaveLength(7);
  });
});
