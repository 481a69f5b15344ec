import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { freePort } from "../free-port.ts";
import { pause, until } from "./daemon.ts";
import { UserManager } from "./user-manager.ts";

const BIN = fileURLToPath(new URL("../../poller/bin.ts", import.meta.url));
const API_KEY = "sk-4711-very-secret";
const NOWHERE = { kapso: "http://127.0.0.1:9", gateway: "ws://127.0.0.1:9" };
/** Without this, a restart comes after 2 seconds. */
const AT_ONCE = "[Service]\nRestartSec=100ms\n";

const manager = await UserManager.start();

/** Runs one command line in an environment. */
async function waIn(env: NodeJS.ProcessEnv, args: readonly string[]) {
  return new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) =>
    execFile(process.execPath, [BIN, ...args], { env }, (error, out, err) =>
      resolve({ code: Number(error?.code ?? 0), out, err }),
    ),
  );
}

describe.skipIf(manager === undefined)("wa-poller service, with a real systemd", { timeout: 120_000 }, () => {
  const { home = "", env = {} } = manager ?? {};
  const units = join(home, ".config/systemd/user");
  const unit = join(units, "wa-relay.service");
  const config = join(home, ".config/wa-relay/config.toml");
  afterAll(() => manager?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await manager?.systemctl("stop", "wa-relay.service").catch(() => {});
    await manager?.systemctl("reset-failed").catch(() => {});
    for (const name of [units, join(home, ".local"), join(home, ".config")])
      rmSync(name, { recursive: true, force: true });
    await manager?.systemctl("daemon-reload");
  });

  const shows = async (property: string) => (await manager?.shows(property)) ?? "";
  const pid = async () => Number(await shows("MainPID"));

  /** Runs one command line; `more` is added to the environment. */
  async function wa(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
    return waIn({ ...env, ...more }, args);
  }

  function configure({ kapso, gateway } = NOWHERE, more = "", file = config): void {
    const folder = join(file, "..");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "key"), API_KEY, { mode: 0o600 });
    writeFileSync(
      file,
      `[kapso]
api_key_file = "${join(home, ".config/wa-relay/key")}"
phone_number_id = "123456"
base_url = "${kapso}"
[delivery]
poll_interval = "1s"
${more}
[security]
mode = "open"
[gateway]
url = "${gateway}"
`,
    );
  }

  /** As an administrator changes a unit. */
  function override(text: string): void {
    mkdirSync(`${unit}.d`, { recursive: true });
    writeFileSync(`${unit}.d/own.conf`, text);
  }

  async function becomes(property: string, value: string, timeoutMs = 60_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const shown = await shows(property);
      if (shown === value) return;
      if (Date.now() > end) throw new Error(`${property} is ${shown}, not ${value}`);
      await pause(50);
    }
  }

  /** The next process, once it said that it is ready. */
  async function replaced(old: number): Promise<number> {
    for (const end = Date.now() + 60_000; Date.now() < end; await pause(20)) {
      const now = await pid();
      if (now !== 0 && now !== old && (await shows("ActiveState")) === "active") return now;
    }
    throw new Error("It was not started again");
  }

  test("install: it runs although neither Kapso nor the gateway can be reached, and says so truthfully", async () => {
    configure();

    const ran = await wa(["service", "install"]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toContain(`It runs (process ${await pid()})`);
    expect(await shows("ActiveState")).toBe("active");
    expect(await shows("UnitFileState")).toBe("enabled");
    expect(await shows("StatusText")).toBe("Running; wa-cli status tells how well");
    expect(JSON.parse((await wa(["service", "status", "--json"])).out)).toMatchObject({
      manager: "systemd",
      file: unit,
      installed: true,
      state: "running",
      enabled: true,
      pid: await pid(),
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      restarts: 0,
    });
  });

  test("without systemd-notify it runs all the same, and one that ends early is not called running", async () => {
    const bin = mkdtempSync(join(home, "bin-"));
    symlinkSync("/usr/bin/systemctl", join(bin, "systemctl"));
    configure();

    expect(await wa(["service", "install"], { PATH: bin })).toMatchObject({ code: 0 });
    expect([await shows("Type"), await shows("ActiveState")]).toEqual(["exec", "active"]);

    override("[Service]\nExecStart=\nExecStart=/bin/false\n");
    expect(await wa(["service", "install"], { PATH: bin })).toMatchObject({
      code: 1,
      err: expect.stringMatching(/does not run: (It is restarting|Job for)/),
    });
  });

  test("install again: the file is written anew, and the service restarted", async () => {
    configure();
    await wa(["service", "install"]);
    const before = await pid();
    writeFileSync(unit, readFileSync(unit, "utf8").replace("UMask=0077", "UMask=0022"));

    const ran = await wa(["service", "install"]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(await pid()).not.toBe(before);
    expect(readFileSync(unit, "utf8")).toContain("UMask=0077");
  });

  test("no secret in the unit, the process list or the environment, and the state is closed to others", async () => {
    const fromShell = { KAPSO_API_KEY: "sk-of-the-shell", OPENCLAW_TOKEN: "token-of-the-shell" };
    configure();

    const ran = await wa(["service", "install"], fromShell);

    expect(ran).toMatchObject({ code: 0 });
    expect(ran.out).toContain("does not see KAPSO_API_KEY, OPENCLAW_TOKEN");
    const process = join("/proc", String(await pid()));
    const seen = [unit, join(process, "environ"), join(process, "cmdline")].map((path) =>
      readFileSync(path, "utf8"),
    );
    expect(seen[1]).toContain("WA_SERVICE=systemd");
    for (const secret of [API_KEY, ...Object.values(fromShell)]) {
      for (const text of seen) expect(text).not.toContain(secret);
      expect(await manager?.systemctl("show", "wa-relay.service")).not.toContain(secret);
    }
    const state = join(home, ".local/state/wa-relay");
    expect(statSync(state).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(state))
      expect([name, statSync(join(state, name)).mode & 0o077]).toEqual([name, 0]);
    expect(readFileSync(join(process, "status"), "utf8")).toMatch(/^Umask:\s+0077$/m);
  });

  test("commands that the daemon runs see neither keys nor what the service is", async () => {
    const bin = mkdtempSync(join(home, "bin-"));
    const seen = join(home, "seen");
    writeFileSync(join(bin, "tailscale"), `#!/bin/sh\nenv > ${seen}\nexit 1\n`, { mode: 0o755 });
    configure(NOWHERE, `mode = "tailscale"\n[webhook]\naddr = "127.0.0.1:0"`);

    const ran = await wa(["service", "install"], {
      PATH: `${bin}:${env.PATH}`,
      KAPSO_API_KEY: "sk-of-the-shell",
    });

    expect(ran).toMatchObject({ code: 0 });
    await until("the command ran", () => existsSync(seen) && readFileSync(seen, "utf8").includes("HOME="));
    expect(readFileSync(seen, "utf8")).not.toMatch(/sk-|NOTIFY_SOCKET|WATCHDOG|WA_SERVICE|KAPSO/);
  });

  test("killed, it comes back; and so after more quick deaths than systemd allows by itself", async () => {
    configure();
    await wa(["service", "install"]);
    override(AT_ONCE);
    await manager?.systemctl("daemon-reload");

    let current = await pid();
    for (let death = 0; death < 6; death++) {
      process.kill(current, "SIGKILL");
      current = await replaced(current);
    }

    expect(await shows("NRestarts")).toBe("6");
  });

  test("a state folder that can not be used is tried again and again; the install tells that it does not run", async () => {
    configure();
    override(AT_ONCE);
    mkdirSync(join(home, ".local/state"), { recursive: true });
    writeFileSync(join(home, ".local/state/wa-relay"), "a file where the folder belongs");

    const bin = mkdtempSync(join(home, "bin-"));
    writeFileSync(join(bin, "journalctl"), "#!/bin/sh\necho what was logged last\n", { mode: 0o755 });

    const ran = await wa(["service", "install"], { PATH: `${bin}:${env.PATH}` });

    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/is installed, but does not run.*\nwa-poller: what was logged last\n/);
    while (Number(await shows("NRestarts")) < 6) await pause(50);
    expect((await wa(["service", "status"])).code).toBe(1);
    rmSync(join(home, ".local/state/wa-relay"));
    await becomes("ActiveState", "active");
  });

  test("a configuration that can not be used ends it for good at once, with code 78", async () => {
    configure();
    await wa(["service", "install"]);
    override(AT_ONCE);
    await manager?.systemctl("daemon-reload");
    writeFileSync(config, "[kapso]\nno_such_key = 1\n");

    await manager?.systemctl("restart", "wa-relay.service").catch(() => {});
    await becomes("ActiveState", "failed");
    await pause(1000);

    expect([await shows("ActiveState"), await shows("ExecMainStatus"), await shows("NRestarts")]).toEqual([
      "failed",
      "78",
      "0",
    ]);
    const { code, out } = await wa(["service", "status", "--json"]);
    expect([code, JSON.parse(out)]).toMatchObject([
      1,
      { state: "failed", lastExitCode: 78, hint: expect.stringContaining("wa-poller service install") },
    ]);
    expect(await wa(["service", "install"])).toMatchObject({
      code: 3,
      err: expect.stringContaining("kapso.no_such_key"),
    });
  });

  test("a secret's file that comes late is waited for, any number of starts, and then it runs", async () => {
    configure();
    await wa(["service", "install"]);
    override(AT_ONCE);
    await manager?.systemctl("daemon-reload");
    const key = join(home, ".config/wa-relay/key");
    rmSync(key);
    await manager?.systemctl("restart", "wa-relay.service").catch(() => {});

    await becomes("ExecMainStatus", "1");
    await becomes("NRestarts", "2");
    writeFileSync(key, API_KEY);

    await becomes("ActiveState", "active");
  });

  test("a stuck process is ended by the watchdog and started again; one that is well is left alone", async () => {
    configure();
    await wa(["service", "install"]);
    override(`${AT_ONCE}WatchdogSec=1s\n`);
    await manager?.systemctl("daemon-reload");
    await manager?.systemctl("restart", "wa-relay.service");
    const well = await pid();
    await pause(2500);
    expect(await pid()).toBe(well);

    process.kill(well, "SIGSTOP");
    await replaced(well);

    expect(await shows("NRestarts")).toBe("1");
  });

  test("a network that comes up late: the same process goes on, and answers", async () => {
    const [port, gatewayPort] = [await freePort(), await freePort()];
    const isUp = join(home, "network-is-up");
    const hook = join(home, "late-network.mjs");
    writeFileSync(
      hook,
      `import dns from "node:dns";
import { existsSync } from "node:fs";
const { lookup } = dns;
dns.lookup = (name, options, done) =>
  existsSync("${isUp}")
    ? lookup("127.0.0.1", options, done)
    : done(Object.assign(new Error("getaddrinfo ENOTFOUND " + name), { code: "ENOTFOUND" }));
`,
    );
    configure({ kapso: `http://kapso.late:${port}`, gateway: `ws://gateway.late:${gatewayPort}` });
    override(`[Service]\nEnvironment=NODE_OPTIONS=--import=${hook}\n`);

    expect(await wa(["service", "install"])).toMatchObject({ code: 0 });
    const first = await pid();
    await pause(2000);
    await using kapso = await StandInKapso.start({ port, apiKey: API_KEY, phoneNumberId: "123456" });
    await using _gateway = await EchoGateway.start({ port: gatewayPort });
    kapso.receive({ from: "15550100001", text: "are you there?" });
    writeFileSync(isUp, "");

    await until("answered", () => kapso.sent.some(({ text }) => text === "You said: are you there?"));
    expect([await pid(), await shows("NRestarts")]).toEqual([first, "0"]);
  });

  test("a configuration file with all that systemd takes for something else in its name", async () => {
    const folder = join(home, `a b%h $HOME \${HOME} "c" 'd' \\e`);
    configure();
    configure(NOWHERE, "", join(folder, "relay.toml"));

    const ran = await wa(["service", "install", "--config", join(folder, "relay.toml")]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(readFileSync(join("/proc", String(await pid()), "cmdline"), "utf8").split("\0")).toEqual([
      expect.stringMatching(/node$/),
      BIN,
      "--config",
      join(folder, "relay.toml"),
      "",
    ]);
    expect((await wa(["service", "uninstall"])).out).toContain(
      `Configuration stays in ${join(folder, "relay.toml")}\n`,
    );
  });

  test("settings that only the shell has: nothing is installed, and the next step is told", async () => {
    const ran = await wa(["service", "install"], { KAPSO_API_KEY: API_KEY, KAPSO_PHONE_NUMBER_ID: "123456" });

    expect(ran).toMatchObject({ code: 3, out: "" });
    expect(ran.err).toContain("KAPSO_API_KEY, KAPSO_PHONE_NUMBER_ID");
    expect(ran.err).toContain("→ wa-cli init");
    expect(ran.err).not.toContain(API_KEY);
    expect(existsSync(unit)).toBe(false);
  });

  test("--dry-run prints the file, in which systemd finds nothing to complain of, and changes nothing", async () => {
    configure();

    const { code, out } = await wa(["service", "install", "--dry-run"]);

    expect([code, existsSync(unit), await shows("LoadState")]).toEqual([0, false, "not-found"]);
    mkdirSync(units, { recursive: true });
    writeFileSync(unit, out);
    const complaints = await new Promise((resolve) =>
      execFile("systemd-analyze", ["verify", "--user", unit], { env }, (_, ...said) =>
        resolve(said.join("")),
      ),
    );
    expect(complaints).toBe("");
  });

  test("a unit of somebody else is neither overwritten nor removed without --force", async () => {
    configure();
    mkdirSync(units, { recursive: true });
    writeFileSync(unit, "[Service]\nExecStart=/bin/true\n");

    for (const command of ["install", "uninstall"])
      expect(await wa(["service", command])).toMatchObject({
        code: 1,
        err: expect.stringContaining("--force"),
      });
    expect(readFileSync(unit, "utf8")).toBe("[Service]\nExecStart=/bin/true\n");

    expect(await wa(["service", "install", "--force"])).toMatchObject({ code: 0 });
    expect(await shows("ActiveState")).toBe("active");
  });

  test("uninstall: stopped and gone; state and configuration stay, and it says where", async () => {
    configure();
    await wa(["service", "install"]);
    const last = await pid();

    const ran = await wa(["service", "uninstall"]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toContain(`State stays in ${join(home, ".local/state/wa-relay")}`);
    expect(ran.out).toContain(`Configuration stays in ${config}`);
    expect([existsSync(unit), await shows("LoadState"), existsSync(`/proc/${last}`)]).toEqual([
      false,
      "not-found",
      false,
    ]);
    expect(existsSync(config)).toBe(true);
    expect(await wa(["service", "status"])).toMatchObject({
      code: 1,
      out: expect.stringContaining("→ wa-poller service install"),
    });
    expect(await wa(["service", "uninstall"])).toMatchObject({ code: 0 });
  });

  test.each([
    ["nothing was installed before", false],
    ["an older unit of ours is there", true],
  ])("XDG_CONFIG_HOME of the shell alone: systemd gets the unit where it looks (%s)", async (_, isOlder) => {
    const xdg = join(home, ".config/own");
    configure();
    if (isOlder) await wa(["service", "install"]);
    configure(NOWHERE, "", join(xdg, "wa-relay/config.toml"));

    const ran = await wa(["service", "install"], { XDG_CONFIG_HOME: xdg });

    expect(ran).toMatchObject({ code: 0, err: "", out: expect.stringContaining(`✓ ${unit}\n`) });
    expect([await shows("FragmentPath"), await shows("UnitFileState")]).toEqual([unit, "enabled"]);
    const environ = readFileSync(join("/proc", String(await pid()), "environ"), "utf8");
    expect(environ.split("\0")).toContain(`XDG_CONFIG_HOME=${xdg}`);
    expect(readdirSync(xdg)).toEqual(["wa-relay"]);
    expect((await wa(["service", "uninstall"])).out).toContain(`stays in ${xdg}/wa-relay/config.toml\n`);
    expect([existsSync(unit), await shows("LoadState")]).toEqual([false, "not-found"]);
  });

  test("a unit of somebody else that comes before ours is not called ours, nor stopped", async () => {
    const other = join(home, ".config/systemd/user.control/wa-relay.service");
    mkdirSync(join(other, ".."), { recursive: true });
    writeFileSync(other, "[Service]\nExecStart=/bin/sleep 99\n[Install]\nWantedBy=default.target\n");
    configure();

    const ran = await wa(["service", "install"]);

    expect(ran).toMatchObject({
      code: 1,
      err: expect.stringContaining(`is run from ${other}, not from ${unit}`),
    });
    rmSync(unit);
    expect(await wa(["service", "uninstall"])).toMatchObject({
      code: 1,
      err: expect.stringContaining(other),
    });
    expect(await shows("ActiveState")).toBe("active");
  });

  test.each([
    ["systemd has not noticed", false],
    ["systemd has noticed", true],
  ])("uninstall stops what runs although its unit was removed by hand (%s)", async (_, isNoticed) => {
    configure();
    await wa(["service", "install"]);
    const last = await pid();
    rmSync(unit);
    if (isNoticed) await manager?.systemctl("daemon-reload");

    const ran = await wa(["service", "uninstall"]);

    expect(ran).toMatchObject({
      code: 0,
      err: "",
      out: expect.stringContaining("State and configuration stay"),
    });
    expect([await shows("LoadState"), existsSync(`/proc/${last}`)]).toEqual(["not-found", false]);
    expect(await wa(["service", "uninstall"])).toMatchObject({ code: 0, out: "No service is installed\n" });
  });

  test("a folder where the unit belongs is told as that", async () => {
    configure();
    mkdirSync(unit, { recursive: true });

    for (const command of ["install", "uninstall"])
      expect(await wa(["service", command, "--force"])).toMatchObject({
        code: 1,
        err: `wa-poller: ${unit} is a folder\nwa-poller: → look at it, and move it away\n`,
      });
  });

  test("uninstall tells where the service had its state, not where this shell would", async () => {
    configure();
    const own = join(home, ".local/own $HOME 100%");
    await wa(["service", "install"], { XDG_STATE_HOME: own });

    const ran = await wa(["service", "uninstall"], { XDG_STATE_HOME: join(home, ".local/other") });

    expect(ran.out).toContain(`State stays in ${join(own, "wa-relay")}\n`);
  });

  test("linger: off, it is the next step; --linger asks for it", async () => {
    const bin = mkdtempSync(join(home, "bin-"));
    const asked = join(home, "linger");
    writeFileSync(
      join(bin, "loginctl"),
      `#!/bin/sh\nif [ "$1" = enable-linger ]; then touch ${asked}; elif [ -e ${asked} ]; then echo yes; else echo no; fi\n`,
      { mode: 0o755 },
    );
    const path = { PATH: `${bin}:${env.PATH}` };
    configure();

    const off = await wa(["service", "install"], path);
    expect(off).toMatchObject({ code: 0, out: expect.stringContaining("loginctl enable-linger") });
    expect(existsSync(asked)).toBe(false);
    expect(JSON.parse((await wa(["service", "status", "--json"], path)).out)).toMatchObject({
      lingers: false,
    });

    const on = await wa(["service", "install", "--linger"], path);
    expect(on.out).not.toContain("enable-linger");
    expect(JSON.parse((await wa(["service", "status", "--json"], path)).out)).toMatchObject({
      lingers: true,
    });
  });
});

describe.runIf(process.platform === "linux")("wa-poller service, where systemd can not be asked", () => {
  function setUp() {
    const home = mkdtempSync(join(tmpdir(), "wa-service-"));
    const folder = join(home, ".config/wa-relay");
    mkdirSync(folder, { recursive: true });
    const unit = join(home, ".config/systemd/user/wa-relay.service");
    return {
      unit,
      configure: () =>
        writeFileSync(join(folder, "config.toml"), `[kapso]\napi_key = "sk"\nphone_number_id = "1"\n`),
      wa: async (...args: readonly string[]) =>
        waIn({ HOME: home, XDG_RUNTIME_DIR: home, PATH: process.env["PATH"] }, args),
      [Symbol.dispose]: () => rmSync(home, { recursive: true }),
    };
  }

  test("install: nothing is written", async () => {
    using all = setUp();
    all.configure();

    const ran = await all.wa("service", "install");

    expect(ran).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringContaining("systemctl --user show failed"),
    });
    expect(existsSync(all.unit)).toBe(false);
  });

  test("uninstall: the file is gone all the same, and that it may still run is said", async () => {
    using all = setUp();
    all.configure();
    mkdirSync(join(all.unit, ".."), { recursive: true });
    writeFileSync(all.unit, (await all.wa("service", "install", "--dry-run")).out);

    const ran = await all.wa("service", "uninstall");

    expect(ran).toMatchObject({
      code: 1,
      out: expect.stringContaining(`✓ ${all.unit} is removed\n  State stays in`),
      err: expect.stringContaining("Whether it still runs is unknown: systemctl --user show failed"),
    });
    expect(existsSync(all.unit)).toBe(false);
    expect(await all.wa("service", "uninstall")).toMatchObject({ code: 0, out: "No service is installed\n" });
  });

  test("Ctrl-C ends it while systemd does not answer", async () => {
    using all = setUp();
    all.configure();
    const home = join(all.unit, "../../../..");
    const asked = join(home, "asked");
    writeFileSync(join(home, "systemctl"), `#!/bin/sh\ntouch ${asked}\nexec sleep 60\n`, { mode: 0o755 });

    const child = spawn(process.execPath, [BIN, "service", "status"], {
      env: { HOME: home, PATH: `${home}:/usr/bin:/bin` },
    });
    const said = text(child.stderr);
    await until("systemd is asked", () => existsSync(asked));
    child.kill("SIGINT");

    expect(await once(child, "exit")).toEqual([1, null]);
    expect(await said).toBe("wa-poller: Interrupted by SIGINT\n");
  });

  test("install without any settings: wa-cli init is the next step, not a variable", async () => {
    using all = setUp();

    const ran = await all.wa("service", "install");

    expect(ran).toMatchObject({ code: 3, out: "" });
    expect(ran.err).toMatch(/a service does not see the variables of this shell:\n(.*\n)*.*→ wa-cli init/);
  });
});
