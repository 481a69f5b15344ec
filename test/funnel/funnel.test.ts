import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { FunnelState } from "../../src/funnel/funnel.ts";
import { Tailscale } from "../../src/funnel/tailscale.ts";
import { StandInTailscale, type TailscaleState } from "./tailscale.ts";
import {
  AGREED,
  ARGS,
  CONSENT,
  FIRST_BACKOFF,
  MINUTE,
  NAME,
  NOT_AGREED,
  only,
  record,
  SECOND,
  serveConfig,
  setUp,
  STUCK_PAUSE,
  TARGET,
  until,
  URL_443,
  type World,
} from "./world.ts";

interface StuckRow {
  readonly state: Partial<TailscaleState>;
  readonly port?: number;
  readonly kind?: FunnelState["kind"];
  readonly message: RegExp;
  readonly hint?: RegExp;
}

const AUTH_URL = "https://login.tailscale.com/a/1234567890ab";
const OTHER = "http://127.0.0.1:3000";
const WARNING = 'Warning: client version "1.98.0" != tailscaled server version "1.102.3"';
const CONSENT_PAGE = `To enable, visit:\n\n         ${CONSENT.hint.replace("visit ", "")}\n\n`;

const NOT_STARTED: readonly (readonly [what: string, row: StuckRow])[] = [
  [
    "the daemon is down",
    { state: { isDaemonUp: false }, message: /daemon does not run/, hint: /systemctl start tailscaled/ },
  ],
  ["NoState", { state: { backendState: "NoState" }, kind: "starting", message: /^Tailscale is starting$/ }],
  ["Starting", { state: { backendState: "Starting" }, kind: "starting", message: /^Tailscale is starting$/ }],
  [
    "never logged in",
    {
      state: { backendState: "NeedsLogin", dnsName: "" },
      message: /logged out/,
      hint: /^log in: tailscale up$/,
    },
  ],
  [
    "a login is under way",
    {
      state: { backendState: "NeedsLogin", dnsName: "", authUrl: AUTH_URL },
      message: /logged out/,
      hint: /^log in at https:\/\/login\.tailscale\.com\/a\/1234567890ab$/,
    },
  ],
  [
    "the key expired, with a name",
    { state: { backendState: "NeedsLogin" }, message: /logged out/, hint: /tailscale up/ },
  ],
  [
    "it waits for approval, with a name",
    { state: { backendState: "NeedsMachineAuth" }, message: /not yet approved/, hint: /admin\/machines$/ },
  ],
  [
    "it is stopped, with a name",
    { state: { backendState: "Stopped" }, message: /is stopped/, hint: /tailscale up/ },
  ],
  [
    "another user has it",
    { state: { backendState: "InUseOtherUser" }, message: /another user/, hint: /switch to that user/ },
  ],
  [
    "a state that nobody knows",
    { state: { backendState: "Napping" }, message: /Napping/, hint: /tailscale status/ },
  ],
  [
    "an answer that is no status",
    {
      state: {
        statusOutput: { stdout: "The Tailscale GUI failed to start: no session\nmore\n", exitCode: 0 },
      },
      message: /: The Tailscale GUI failed to start: no session$/,
      hint: /tailscale status --json/,
    },
  ],
  [
    "no answer",
    { state: { statusOutput: { exitCode: 0 } }, message: /nothing/, hint: /tailscale status --json/ },
  ],
  [
    "a port outside the tailnet's list",
    { state: { ports: "443" }, port: 8443, message: /on port 8443$/, hint: /to 443$/ },
  ],
  ["an empty list of ports", { state: { ports: "" }, message: /on port 443$/, hint: /tailnet's policy/ }],
  [
    "the port taken by a background serve",
    {
      state: { background: serveConfig({ path: "/", target: OTHER }) },
      message: /^Port 443 of Tailscale is taken \(background\): \/ → http:\/\/127\.0\.0\.1:3000$/,
      hint: /8443, 10000/,
    },
  ],
  [
    "our mapping in the background, but only for the tailnet",
    { state: { background: serveConfig({ isPublic: false }) }, message: /taken \(background\): \/webhook/ },
  ],
  [
    "our path in the background, but to another address",
    {
      state: { background: serveConfig({ target: `${OTHER}/webhook` }) },
      message: /taken .*:3000\/webhook$/,
    },
  ],
  [
    "the port taken by something other than HTTP",
    {
      state: { background: { TCP: { 443: { TCPForward: "127.0.0.1:22" } } } },
      message: /taken \(background\): something other than HTTP$/,
    },
  ],
  [
    "the port taken by a foreground",
    {
      state: { foreground: { s1: serveConfig({ path: "/", target: OTHER }) } },
      message: /taken \(foreground\): \/ → http:\/\/127\.0\.0\.1:3000$/,
      hint: /8443, 10000/,
    },
  ],
  [
    "our mapping in somebody else's foreground",
    {
      state: { foreground: { s1: serveConfig() } },
      message: /Another "tailscale funnel" already publishes/,
      hint: /^end it/,
    },
  ],
];

const REFUSED: readonly (readonly [what: string, row: StuckRow])[] = [
  [
    "HTTPS is off",
    { state: { hasHttps: false, ports: null }, message: /HTTPS is not enabled/, hint: /s\/https$/ },
  ],
  [
    "there is no node attribute",
    { state: { hasFunnel: false, ports: null }, message: /Funnel is not enabled/, hint: /s\/no-funnel$/ },
  ],
  [
    "the tailnet named no ports",
    { state: { ports: null }, message: /does not allow Funnel on port 443/, hint: /policy/ },
  ],
  [
    "the tailnet allows our port, but not 443",
    { state: { ports: "8443" }, port: 8443, message: /port 443, which it asks for whatever/, hint: /policy/ },
  ],
  [
    "shields are up",
    { state: { isShieldsUp: true }, message: /Shields are up/, hint: /--shields-up=false$/ },
  ],
  [
    "we are not the operator",
    { state: { isOperator: false }, message: /may not publish/, hint: /set --operator=\$USER$/ },
  ],
  [
    "the port was just taken",
    {
      state: {
        funnelOutput: {
          stderr: "sending serve config: updating config: listener already exists for port 443\n",
          exitCode: 1,
        },
      },
      message: /port is taken/,
      hint: /8443 or 10000$/,
    },
  ],
  [
    "it was just logged out",
    {
      state: { funnelOutput: { stderr: "Logged out.\n", exitCode: 1 } },
      message: /logged out/,
      hint: /tailscale up/,
    },
  ],
  [
    "it is just starting",
    {
      state: { funnelOutput: { stderr: "unexpected state: NoState\n", exitCode: 1 } },
      kind: "starting",
      message: /^Tailscale is starting$/,
    },
  ],
  [
    "its reason comes after a lot of words",
    {
      state: {
        funnelOutput: { stderr: `${"noise\n".repeat(5000)}listener already exists\n`, exitCode: 1 },
      },
      message: /port is taken/,
    },
  ],
  [
    "it fails while somebody has to agree",
    {
      state: { funnelOutput: { stdout: CONSENT_PAGE, stderr: "unexpected EOF\n", exitCode: 1 } },
      message: /^Tailscale says: unexpected EOF$/,
      hint: /by hand/,
    },
  ],
  [
    "it only warns, and somebody has to agree",
    {
      state: { warning: WARNING, funnelOutput: { stdout: CONSENT_PAGE, exitCode: 1 } },
      message: /has to agree/,
      hint: /^visit https:\/\/login\.tailscale\.com\/f\/funnel\?node=nStandIn$/,
    },
  ],
  [
    "a reason that nobody knows",
    {
      state: { funnelOutput: { stderr: "the moon is full\nand more\n", exitCode: 1 } },
      message: /^Tailscale says: the moon is full$/,
      hint: /by hand/,
    },
  ],
  [
    "it ends well and did nothing",
    { state: { funnelOutput: { exitCode: 0 } }, message: /^Tailscale says: nothing$/, hint: /by hand/ },
  ],
  [
    "it prints an address and ends well",
    {
      state: { funnelOutput: { stdout: `Available on the internet:\n\n${URL_443}\n`, exitCode: 0 } },
      message: /^Tailscale says: /,
      hint: /by hand/,
    },
  ],
];

async function expectOnce(world: World, { kind = "stuck", message, hint }: StuckRow) {
  await until(() => expect(world.states).not.toEqual([]));
  await until(() => expect(world.clock.pauses.length).toBeGreaterThanOrEqual(2));

  const state = only(world.states);
  expect(state.kind).toBe(kind);
  expect(state.message).toMatch(message);
  if (hint) expect(state.hint).toMatch(hint);
  expect(state).not.toHaveProperty("url");
  expect(`${state.message}${state.hint}`).not.toContain("\n");
  expect(world.urls).toEqual([]);
  expect(only(world.logged)).toMatchObject({ level: kind === "stuck" ? 40 : 30, reason: state.message });
}

describe.concurrent("Funnel", () => {
  describe("slow, so first", () => {
    test("a status that never comes is given up, and said", async () => {
      await using world = setUp({ state: { hangs: ["status"] } });

      await world.reaches({ kind: "stuck", message: "Tailscale says: it does not answer" });
      world.tailscale.set({ hangs: [] });

      await world.reaches({ kind: "up" });
    });
  });

  describe("publishing", () => {
    test("run() publishes the webhook's path alone and tells its address", async () => {
      await using world = setUp();

      const state = await world.reaches({ kind: "up" });

      expect(state).toEqual({ kind: "up", message: URL_443, url: URL_443 });
      expect(world.states).toHaveLength(1);
      expect(world.urls[0]).toBe(URL_443);
      expect(only(world.tailscale.funnels()).args).toEqual(["funnel", ...ARGS]);
      expect(only(world.tailscale.sessions())).toMatchObject({ port: 443, path: "/webhook", target: TARGET });
      expect(only(world.logged)).toMatchObject({ level: 30, url: URL_443 });
    });

    test.each([
      [443, URL_443],
      [8443, `https://${NAME}:8443/webhook`],
      [10000, `https://${NAME}:10000/webhook`],
    ])("run() publishes on port %i as %s", async (port, url) => {
      await using world = setUp({ port });

      await world.reaches({ kind: "up", url });

      expect(only(world.tailscale.funnels()).args[1]).toBe(`--https=${port}`);
    });

    test("run() publishes on 8443 while something else has 443", async () => {
      const background = serveConfig({ path: "/", target: "http://127.0.0.1:3000" });
      await using world = setUp({ port: 8443, state: { background } });

      await world.reaches({ kind: "up", url: `https://${NAME}:8443/webhook` });
    });

    test("run() gives the command only the variables it was given", async () => {
      vi.stubEnv("KAPSO_API_KEY", "sk-4711-very-secret");
      vi.stubEnv("OPENCLAW_TOKEN", "t-4711");
      await using world = setUp();

      await world.reaches({ kind: "up" });
      vi.unstubAllEnvs();

      for (const { env } of world.tailscale.calls()) expect(env.toSorted()).toEqual(["HOME", "PATH"]);
    });

    test("run() goes on in spite of a warning about versions on stderr", async () => {
      await using world = setUp({ state: { warning: WARNING } });

      await world.reaches({ kind: "up" });

      expect(world.states).toHaveLength(1);
    });

    test("run() asks for the status without its peers", async () => {
      await using world = setUp();

      await world.reaches({ kind: "up" });

      const asked = world.tailscale.calls().filter(({ args }) => args[0] === "status");
      for (const { args } of asked) expect(args).toEqual(["status", "--json", "--peers=false"]);
      expect(asked).not.toEqual([]);
    });

    test("run() remembers its process while it lives", async () => {
      await using world = setUp();

      await world.reaches({ kind: "up" });

      expect(world.remembered()).toBe(record(only(world.tailscale.sessions()).pid));
    });

    test("run() says nothing more and starts nothing more while all is well", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      await world.waitsOften(3);

      expect(world.states).toHaveLength(1);
      expect(world.logged).toHaveLength(1);
      expect(world.tailscale.funnels()).toHaveLength(1);
    });

    test("onUrl tells an address once, not at each look", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      await world.waitsOften(3);

      expect(world.urls).toEqual([URL_443]);
    });

    test("run() announces no address while the node has no name", async () => {
      await using world = setUp({ state: { dnsName: "" } });

      await until(() => expect(world.states).not.toEqual([]));

      expect(world.urls).toEqual([]);
    });

    test("a second run() after a clean end is up again, without a word about the first", async () => {
      await using tailscale = new StandInTailscale();
      await using first = setUp({ tailscale });
      await first.reaches({ kind: "up" });
      await first.end();
      const remembered = first.remembered();

      await using second = setUp({ tailscale, ...(remembered !== undefined && { remembered }) });
      await second.reaches({ kind: "up" });

      expect(second.states).toHaveLength(1);
      expect(second.killed).toEqual([]);
    });
  });

  describe("what stands in its way", () => {
    test.each(NOT_STARTED)("%s: said once with the next step, and nothing is started", async (_what, row) => {
      await using world = setUp(row);

      await expectOnce(world, row);

      expect(world.tailscale.funnels()).toEqual([]);
    });

    test.each(REFUSED)("%s: said once with the next step, and tried again", async (_what, row) => {
      await using world = setUp(row);

      await expectOnce(world, row);

      expect(world.tailscale.funnels().length).toBeGreaterThan(1);
      expect(world.tailscale.sessions()).toEqual([]);
    });

    test("what a person has to do is looked for each 15 s, however long it takes", async () => {
      await using world = setUp({ state: { backendState: "Stopped" } });

      await world.waitsOften(8);

      expect(new Set(world.clock.sleeps)).toEqual(new Set([STUCK_PAUSE]));
    });

    test("a node that is starting is looked at after a second, then less often", async () => {
      await using world = setUp({ state: { backendState: "NoState" } });

      await until(() => expect(world.clock.sleeps.length).toBeGreaterThanOrEqual(5));

      const [first = 0] = world.clock.sleeps;
      expect(first).toBeGreaterThanOrEqual(FIRST_BACKOFF / 2);
      expect(first).toBeLessThanOrEqual(FIRST_BACKOFF);
      expect(world.clock.sleeps[4]).toBeGreaterThanOrEqual(8 * FIRST_BACKOFF);
    });

    test.each<readonly [string, Partial<TailscaleState>, Partial<TailscaleState>]>([
      ["the daemon is started", { isDaemonUp: false }, { isDaemonUp: true }],
      ["the network comes", { backendState: "NoState" }, { backendState: "Running" }],
      ["somebody logs in", { backendState: "NeedsLogin" }, { backendState: "Running" }],
      ["shields are lowered", { isShieldsUp: true }, { isShieldsUp: false }],
      ["the port gets free", { background: serveConfig({ target: OTHER }) }, { background: {} }],
      ["the tailnet allows it", { hasFunnel: false, ports: null }, { hasFunnel: true, ports: "443" }],
    ])("run() publishes by itself when %s", async (_what, before, after) => {
      await using world = setUp({ state: before });
      await until(() => expect(world.states).toHaveLength(1));

      world.tailscale.set(after);
      await world.reaches({ kind: "up", url: URL_443 });

      expect(world.states).toHaveLength(2);
    });

    test("a change of what stands in the way is said", async () => {
      await using world = setUp({ state: { isDaemonUp: false } });
      await world.reaches({ kind: "stuck" });

      world.tailscale.set({ isDaemonUp: true, backendState: "NeedsLogin" });
      await world.reaches({ message: "Tailscale is logged out" });
      world.tailscale.set({ authUrl: AUTH_URL });
      await world.reaches({ hint: `log in at ${AUTH_URL}` });

      expect(world.states).toHaveLength(3);
    });

    test("a daemon that is down is told so on macOS too", async () => {
      const noDaemonText = "failed to connect to local Tailscale service; is Tailscale running?";
      await using world = setUp({ state: { isDaemonUp: false, noDaemonText } });

      await world.reaches({ kind: "stuck" });

      expect(world.states[0]?.message).toBe("The Tailscale daemon does not run");
    });

    test("a status that fails with its reason on stdout shows that reason", async () => {
      const statusOutput = { stdout: "The Tailscale GUI failed to start: no session\n", exitCode: 1 };
      await using world = setUp({ state: { statusOutput } });

      await world.reaches({ kind: "stuck" });

      expect(world.states[0]?.message).toContain("The Tailscale GUI failed to start");
    });

    test("a login that is asked for is not called consent to Funnel", async () => {
      const stderr = `Logged out.\nLog in at: ${AUTH_URL}\n`;
      await using world = setUp({ state: { funnelOutput: { stderr, exitCode: 1 } } });

      await until(() => expect(world.states).not.toEqual([]));

      expect(world.states[0]).toMatchObject({
        message: "Tailscale is logged out",
        hint: `visit ${AUTH_URL}`,
      });
    });

    test("a port that Funnel could have only together with 443 is not recommended", async () => {
      await using world = setUp({ state: { ports: "8443" } });

      await world.reaches({ kind: "stuck" });

      expect(world.states[0]?.hint).not.toContain("8443");
    });
  });

  describe("the command", () => {
    test("no command: said once, nothing else goes wrong", async () => {
      await using world = setUp({ bin: "/nowhere/tailscale" });

      await expectOnce(world, {
        state: {},
        message: /no tailscale command/,
        hint: /tailscale\.com\/download.*TAILSCALE_BIN/,
      });

      expect(world.tailscale.calls()).toEqual([]);
    });

    test("a command whose interpreter is missing can not be started", async () => {
      await using tailscale = new StandInTailscale();
      const bin = join(tailscale.folder, "broken");
      writeFileSync(bin, "#!/nowhere/interpreter\n", { mode: 0o755 });
      await using world = setUp({ tailscale, bin });

      await expectOnce(world, { state: {}, message: /can not be started/, hint: /TAILSCALE_BIN/ });
    });

    test("a command that appears later is found", async () => {
      await using tailscale = new StandInTailscale();
      chmodSync(tailscale.bin, 0o644);
      await using world = setUp({ tailscale, bin: tailscale.bin });
      await world.reaches({ kind: "stuck" });

      chmodSync(tailscale.bin, 0o755);

      await world.reaches({ kind: "up" });
    });

    test("find() takes the named command, and no other instead of it", async () => {
      await using tailscale = new StandInTailscale();

      expect(Tailscale.find(tailscale.bin, "")).toBe(tailscale.bin);
      expect(Tailscale.find("/nowhere/tailscale", tailscale.path)).toBeUndefined();
    });

    test("find() looks through the PATH in order, and not in the folder we are in", async () => {
      await using first = new StandInTailscale();
      await using second = new StandInTailscale();
      chmodSync(first.bin, 0o644);

      expect(Tailscale.find(undefined, `.::relative:${first.folder}:${second.folder}`)).toBe(second.bin);
    });

    test("find() does not take a folder for the command", async () => {
      await using tailscale = new StandInTailscale();
      const sources = join(tailscale.folder, "src");
      mkdirSync(join(sources, "tailscale"), { recursive: true });

      expect(Tailscale.find(undefined, `${sources}:${tailscale.folder}`)).toBe(tailscale.bin);
    });

    test("find() looks for a bare name in the PATH", async () => {
      await using tailscale = new StandInTailscale();

      expect(Tailscale.find("tailscale", tailscale.path)).toBe(tailscale.bin);
      expect(Tailscale.find("tailscale", "/nowhere")).toBeUndefined();
    });
  });

  describe("published by somebody for good", () => {
    test("run() uses it and starts nothing", async () => {
      await using world = setUp({ state: { background: serveConfig() } });

      await world.reaches({ kind: "up", url: URL_443 });
      await world.waitsOften(2);

      expect(world.states).toHaveLength(1);
      expect(world.tailscale.funnels()).toEqual([]);
    });

    test("run() uses it beside other paths of the same port", async () => {
      const Handlers = { "/": { Proxy: OTHER }, "/webhook": { Proxy: TARGET } };
      const background = { ...serveConfig(), Web: { [`${NAME}:443`]: { Handlers } } };
      await using world = setUp({ state: { background } });

      await world.reaches({ kind: "up", url: URL_443 });
    });

    test("run() does not say that it is up while the tailnet does not allow Funnel, then uses it", async () => {
      await using world = setUp({ state: { background: serveConfig(), hasFunnel: false, ports: null } });

      await world.reaches({ kind: "stuck", hint: "allow it: https://tailscale.com/s/no-funnel" });
      expect(world.urls).toEqual([]);
      world.tailscale.set(AGREED);
      await world.reaches({ kind: "up" });

      expect(world.tailscale.funnels()).toEqual([]);
    });

    test("run() publishes it itself when it is gone", async () => {
      await using world = setUp({ state: { background: serveConfig() } });
      await world.reaches({ kind: "up" });

      world.tailscale.set({ background: {} });
      await until(() => expect(world.tailscale.sessions()).toHaveLength(1));

      await world.reaches({ kind: "up" });
    });
  });

  describe("consent", () => {
    test("a command that waits for it is left to, and goes on by itself", async () => {
      await using world = setUp({ state: { ...NOT_AGREED, consent: "wait" } });
      await world.reaches(CONSENT);
      const asked = world.clock.sleeps.length;
      // More looks than fit into the time in which it must be up otherwise.
      await until(() => expect(world.clock.sleeps.length).toBeGreaterThan(asked + 5));
      expect(world.tailscale.funnels()).toHaveLength(1);

      world.tailscale.set(AGREED);
      await world.reaches({ kind: "up", url: URL_443 });

      expect(world.states.map(({ kind }) => kind)).toEqual(["stuck", "up"]);
      expect(world.tailscale.funnels()).toHaveLength(1);
    });

    test("a command that asks and ends well has published nothing: tried again after a minute", async () => {
      await using world = setUp({ state: { ...NOT_AGREED, consent: "leave" } });

      await world.reaches(CONSENT);
      await until(() => expect(world.tailscale.funnels().length).toBeGreaterThan(2));

      expect(world.states).toEqual([CONSENT]);
      expect(Math.min(...world.clock.pauses)).toBeGreaterThanOrEqual(MINUTE);
    });

    test("a command that asked and ended is run again once somebody agreed", async () => {
      await using world = setUp({ state: { ...NOT_AGREED, consent: "leave" } });
      await world.reaches(CONSENT);

      world.tailscale.set(AGREED);

      await world.reaches({ kind: "up", url: URL_443 });
    });

    test("while somebody is waited for, Tailscale is not asked several times a second", async () => {
      await using world = setUp({ state: { ...NOT_AGREED, consent: "wait" } });
      await world.reaches(CONSENT);
      const from = world.clock.sleeps.length;

      await until(() => expect(world.clock.sleeps.length).toBeGreaterThan(from + 10));

      expect(Math.max(...world.clock.sleeps.slice(from))).toBeGreaterThanOrEqual(2 * SECOND);
    });

    test("what fails after somebody agreed is not called consent", async () => {
      await using world = setUp({ state: { ...NOT_AGREED, consent: "wait" } });
      await world.reaches(CONSENT);

      world.tailscale.set({ ...AGREED, isShieldsUp: true });
      await until(() => expect(world.tailscale.sessions()).toEqual([]));
      await until(() => expect(world.clock.longSleeps).toBeGreaterThan(0));

      expect(world.states.at(-1)?.message).toMatch(/Shields are up/);
    });
  });
});
