import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { launchOf } from "../../poller/launch.ts";
import { VERSION } from "../../src/version.ts";

function setUp() {
  const home = mkdtempSync(join(tmpdir(), "wa-service-"));
  mkdirSync(join(home, ".config/wa-relay"), { recursive: true });
  writeFileSync(
    join(home, ".config/wa-relay/config.toml"),
    `[kapso]\napi_key = "sk"\nphone_number_id = "1"\n`,
  );
  const bin = join(home, "bin");
  mkdirSync(bin);
  const started = { home, execPath: process.execPath, script: "/opt/wa-poller" };
  return { home, bin, started, [Symbol.dispose]: () => rmSync(home, { recursive: true }) };
}

test("the usual configuration file is not named, so that the service finds what wa-cli finds", () => {
  using all = setUp();

  const { launch } = launchOf(undefined, { ...all.started, env: { PATH: "/nowhere" } });

  expect(launch.command).toEqual([process.execPath, "/opt/wa-poller"]);
});

test("a single executable is the program itself", () => {
  using all = setUp();

  const { launch } = launchOf(undefined, {
    ...all.started,
    execPath: "/opt/wa-poller",
    script: undefined,
    env: {},
  });

  expect(launch.command).toEqual(["/opt/wa-poller"]);
});

test("Node goes by the name that outlives its upgrade", () => {
  using all = setUp();
  symlinkSync(process.execPath, join(all.bin, "node"));

  const { launch } = launchOf(undefined, { ...all.started, env: { PATH: `/nowhere:${all.bin}` } });

  expect(launch.command[0]).toBe(join(all.bin, "node"));
});

test("of the shell it keeps where things are, and nothing that is set", () => {
  using all = setUp();
  const env = {
    PATH: `${all.bin}:relative:/x/node_modules/.bin:${all.bin}`,
    XDG_STATE_HOME: "/state",
    KAPSO_MODE: "polling",
    KAPSO_API_KEY_FILE: "/key",
  };
  writeFileSync(join(all.home, "key"), "sk-other");

  const { launch, unseen } = launchOf(undefined, { ...all.started, env });

  expect(launch.env).toEqual({
    PATH: `${all.bin}:/usr/local/bin:/usr/bin:/bin`,
    XDG_STATE_HOME: "/state",
  });
  expect(unseen).toEqual(["KAPSO_API_KEY_FILE", "KAPSO_MODE"]);
});

test("a program in npx's cache is refused: it would be gone one day", () => {
  using all = setUp();
  const script = "/home/ana/.npm/_npx/4711/node_modules/.bin/wa-poller";

  expect(() => launchOf(undefined, { ...all.started, script, env: {} })).toThrow(
    expect.objectContaining({
      message: expect.stringContaining("npx keeps"),
      // A name alone would be looked up in a registry, where it is not ours.
      hint: expect.stringContaining(`npm install -g ./wa-relay-${VERSION}.tgz`),
    }),
  );
});

test("a key that does not exist is told as that, not as a variable that a service does not see", () => {
  using all = setUp();
  writeFileSync(join(all.home, ".config/wa-relay/config.toml"), "[kapso]\nno_such_key = 1\n");

  expect(() => launchOf(undefined, { ...all.started, env: {} })).toThrow(
    expect.objectContaining({ problems: [expect.stringContaining("no_such_key")], hint: undefined }),
  );
});

test("Meta's secrets are missing: wa-cli init is the next step", () => {
  using all = setUp();
  writeFileSync(
    join(all.home, ".config/wa-relay/config.toml"),
    `provider = "meta"\n[meta]\naccess_token = "t"\nphone_number_id = "1"\n`,
  );

  expect(() => launchOf(undefined, { ...all.started, env: {} })).toThrow(
    expect.objectContaining({
      problems: expect.arrayContaining([
        "a service does not see the variables of this shell:",
        expect.stringContaining("meta.app_secret"),
      ]),
      hint: expect.stringContaining("wa-cli init"),
    }),
  );
});
