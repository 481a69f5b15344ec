import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Launchd } from "../../src/service/launchd.ts";
import { install, uninstall } from "../../src/service/install.ts";
import { plistText, readPlist } from "../../src/service/plist.ts";
import { createRun } from "../../src/service/run.ts";

const SCRIPT = fileURLToPath(new URL("launchctl-stand-in.sh", import.meta.url));
const UID = 501;

function setUp(...faults: readonly ("busy" | "bad" | "dies" | "no-desktop")[]) {
  const home = mkdtempSync(join(tmpdir(), "wa-service-"));
  copyFileSync(SCRIPT, join(home, "launchctl"));
  chmodSync(join(home, "launchctl"), 0o755);
  for (const fault of faults) writeFileSync(join(home, fault), "");
  const { signal } = new AbortController();
  const run = createRun({ PATH: `${home}:/usr/bin:/bin`, HOME: home }, UID, signal);
  const launch = { command: ["/opt/node", "/opt/wa-poller"], env: { PATH: "/opt:/bin" } };
  return {
    home,
    launchd: new Launchd({ home, uid: UID, run, clock: { ...systemClock, sleep: async () => {} }, signal }),
    launch,
    calls: () => readFileSync(join(home, "calls"), "utf8").trim().split("\n"),
    [Symbol.dispose]: () => rmSync(home, { recursive: true }),
  };
}

// Never run on a Mac: the stand-in answers as launchctl is described.
describe("Launchd", () => {
  test("install: the agent is written, taken in and runs; what it says is closed to others", async () => {
    using all = setUp();

    await install(all.launchd, all.launch, false);

    expect(existsSync(join(all.home, "Library/LaunchAgents/wa-relay.plist"))).toBe(true);
    expect(statSync(join(all.home, "Library/Logs/wa-relay.log")).mode & 0o777).toBe(0o600);
    expect(all.calls()).toContain(`bootstrap gui/501 ${all.launchd.file}`);
    expect(all.calls()).toContain("kickstart gui/501/wa-relay");
    expect(await all.launchd.state()).toMatchObject({
      state: "running",
      pid: 4711,
      restarts: 0,
      enabled: true,
    });
  });

  test("install again, while the old one still ends and launchd is busy: it waits", async () => {
    using all = setUp();
    await install(all.launchd, all.launch, false);
    writeFileSync(join(all.home, "busy"), "");

    await install(all.launchd, all.launch, false);

    expect(all.calls().filter((call) => call.startsWith("bootout"))).toHaveLength(1);
    expect(all.calls().filter((call) => call.startsWith("bootstrap"))).toHaveLength(3);
    expect(await all.launchd.state()).toMatchObject({ state: "running" });
  });

  test("a daemon that dies at its start is not called running, and its reason is shown", async () => {
    using all = setUp("dies");

    await expect(install(all.launchd, all.launch, false)).rejects.toMatchObject({
      message: expect.stringContaining("does not run"),
      said: ["wa-poller: the port is taken"],
    });
    expect(await all.launchd.state()).toMatchObject({ state: "restarting", restarts: 2, lastExitCode: 1 });
  });

  test("what launchd refuses for good is told at once", async () => {
    using all = setUp("bad");

    await expect(install(all.launchd, all.launch, false)).rejects.toThrow("78: Function not implemented");
  });

  test("without a desktop it is the user's domain", async () => {
    using all = setUp("no-desktop");

    await install(all.launchd, all.launch, false);

    expect(all.calls()).toContain(`bootstrap user/501 ${all.launchd.file}`);
  });

  test("uninstall: it ends, and the agent is gone", async () => {
    using all = setUp();
    await install(all.launchd, all.launch, false);

    expect(await uninstall(all.launchd, false)).toEqual({
      launch: { ...all.launch, env: { ...all.launch.env, WA_SERVICE: "launchd" } },
      unasked: undefined,
    });

    expect(existsSync(all.launchd.file)).toBe(false);
    expect(await all.launchd.state()).toMatchObject({ state: "stopped", enabled: false });
    expect(await uninstall(all.launchd, false)).toBe(undefined);
  });
});

test("plistText(): names come through whole, it is restarted unless it ended well, and is closed to others", () => {
  const launch = {
    command: ["/opt/a & b/<node>", "--config", `/Users/o'brien/"x" &lt; ]]>.toml`],
    env: { PATH: "/a&b:/bin" },
  };

  const text = plistText(launch, "/Users/o'brien");

  expect(readPlist(text)).toEqual({ ...launch, env: { ...launch.env, WA_SERVICE: "launchd" } });
  expect(text).not.toMatch(/& |<node|]]>/);
  expect(text.replaceAll(/\s+/g, "")).toContain(
    "<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>",
  );
  expect(text).toContain("<integer>63</integer>");
});
