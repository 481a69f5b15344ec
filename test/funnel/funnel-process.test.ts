import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { StandInTailscale } from "./tailscale.ts";
import {
  ARGS,
  CONSENT,
  FIRST_BACKOFF,
  MINUTE,
  NOT_AGREED,
  only,
  record,
  serveConfig,
  setUp,
  SOON,
  TARGET,
  until,
  URL_443,
  type Setup,
  type World,
} from "./world.ts";

const isFunnel = (tailscale: StandInTailscale, pid: number) =>
  tailscale.funnels().some((call) => call.pid === pid);

/** Waits until the moment at which it is told to end. */
type Moment = (world: World) => Promise<unknown>;

const isRunning =
  (...words: readonly string[]): Moment =>
  async ({ tailscale }) =>
    until(() =>
      expect(tailscale.calls().some(({ args }) => words.every((word, at) => args[at] === word))).toBe(true),
    );

const MOMENTS: readonly (readonly [string, Setup, Moment])[] = [
  ["at once", {}, async () => {}],
  ["while the status is asked", { state: { hangs: ["status"] } }, isRunning("status")],
  ["while the serves are asked", { state: { hangs: ["serves"] } }, isRunning("funnel", "status")],
  ["while the command starts", { state: { hangs: ["funnel"] } }, isRunning("funnel", "--https=443")],
  [
    "while somebody has to agree",
    { state: { ...NOT_AGREED, consent: "wait" } },
    async (world) => world.reaches(CONSENT),
  ],
  ["while it serves nothing", { state: { isDeaf: true } }, isRunning("funnel", "--https=443")],
  ["while it is up", {}, async (world) => world.reaches({ kind: "up" })],
  [
    "while it uses what is published",
    { state: { background: serveConfig() } },
    async (world) => world.reaches({ kind: "up" }),
  ],
  [
    "while somebody has to do something",
    { state: { backendState: "Stopped" } },
    async (world) => world.reaches({ kind: "stuck" }),
  ],
  [
    "between two lives",
    { state: { diesAfterMs: 150 } },
    async (world) => until(() => expect(world.tailscale.funnels().length).toBeGreaterThan(2)),
  ],
];

/** It comes up, and its process ends, so often. */
async function diesOften({ tailscale, reaches }: World, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await reaches({ kind: "up" });
    tailscale.restartDaemon();
    await reaches({
      kind: "starting",
      message: "Funnel ended, it is started again. Tailscale says: unexpected EOF",
    });
  }
}

describe.concurrent("Funnel's process", () => {
  describe("slow, so first", () => {
    test("run() kills a process that does not end when asked, after five seconds", async () => {
      await using world = setUp({ state: { ignoresTerm: true } });
      await world.reaches({ kind: "up" });

      const tookMs = await world.end();

      expect(tookMs).toBeGreaterThan(4500);
      expect(tookMs).toBeLessThan(8000);
      expect(world.tailscale.processes()).toEqual([]);
    });
  });

  describe("life and death of the process", () => {
    test("a process that dies again and again is started with growing pauses, and said", async () => {
      await using world = setUp({ speed: 50 });

      await diesOften(world, 3);
      await world.reaches({ kind: "up" });
      const [first, , third] = world.clock.pauses.filter((ms) => ms !== MINUTE);
      const dead = world.tailscale.funnels().slice(0, 3);

      expect(first).toBeLessThanOrEqual(FIRST_BACKOFF);
      expect(third).toBeGreaterThanOrEqual(2 * FIRST_BACKOFF);
      expect(world.states.map(({ kind }) => kind)).toEqual([
        "up",
        "starting",
        "up",
        "starting",
        "up",
        "starting",
        "up",
      ]);
      expect(world.tailscale.processes().filter((pid) => dead.some((call) => call.pid === pid))).toEqual([]);
    });

    test("a process that was up a minute is started again at once, however often it had failed before", async () => {
      await using world = setUp({ speed: 50 });
      await diesOften(world, 3);
      await world.reaches({ kind: "up" });
      await world.waitsOften(2);

      await diesOften(world, 1);
      await world.reaches({ kind: "up" });

      const pause = world.clock.pauses.findLast((ms) => ms !== MINUTE);
      expect(pause).toBeLessThanOrEqual(FIRST_BACKOFF);
    });

    test("tailscaled restarts: the process ends with an error and is started again", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      world.tailscale.restartDaemon();
      await world.reaches({ kind: "starting" });
      await world.reaches({ kind: "up" });

      expect(world.states.map(({ kind }) => kind)).toEqual(["up", "starting", "up"]);
      expect(world.states[1]?.message).toBe(
        "Funnel ended, it is started again. Tailscale says: unexpected EOF",
      );
      expect(world.tailscale.sessions()).toHaveLength(1);
    });

    test("tailscaled stops for a while: what it waits for is said, then it is up again", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      world.tailscale.set({ isDaemonUp: false });
      await world.reaches({ kind: "stuck", message: "The Tailscale daemon does not run" });
      world.tailscale.set({ isDaemonUp: true });
      await world.reaches({ kind: "up" });

      expect(world.states.map(({ kind }) => kind)).toEqual(["up", "starting", "stuck", "up"]);
    });

    test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
      "a process that somebody ends with %s is started again",
      async (signal) => {
        await using world = setUp();
        await world.reaches({ kind: "up" });
        const { pid } = only(world.tailscale.sessions());

        process.kill(pid, signal);
        await world.reaches({ kind: "starting" });
        await world.reaches({ kind: "up" });

        expect(only(world.tailscale.sessions()).pid).not.toBe(pid);
        expect(world.tailscale.processes()).not.toContain(pid);
      },
    );

    test("somebody's funnel reset ends the process well: that is an end too", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      world.tailscale.resetServes();
      await world.reaches({ kind: "starting" });

      await world.reaches({ kind: "up" });
    });

    test("an end without a word is not explained by what was said while all was well", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      world.tailscale.resetServes();
      const ended = await world.says(/Funnel ended/);

      expect(ended).toEqual({ kind: "starting", message: "Funnel ended, it is started again" });
    });

    test("an end is explained by its reason, not by a warning about versions before it", async () => {
      const warning = 'Warning: client version "1.98.0" != tailscaled server version "1.102.3"';
      await using world = setUp({ state: { warning } });
      await world.reaches({ kind: "up" });

      world.tailscale.restartDaemon();
      const ended = await world.says(/Funnel ended/);

      expect(ended?.message).toBe("Funnel ended, it is started again. Tailscale says: unexpected EOF");
    });

    test("logged out: the process lives and serves nothing, so it is ended; logged in, it is up again", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });
      const { pid } = only(world.tailscale.sessions());

      world.tailscale.set({ backendState: "NeedsLogin" });
      world.tailscale.dropSessions();
      await world.reaches({ kind: "stuck", message: "Tailscale is logged out" });
      expect(world.tailscale.processes()).not.toContain(pid);
      world.tailscale.set({ backendState: "Running" });
      await world.reaches({ kind: "up" });

      expect(only(world.tailscale.sessions()).pid).not.toBe(pid);
    });

    test("logged out and in between two looks: the process is started again", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });
      const { pid } = only(world.tailscale.sessions());

      world.tailscale.dropSessions();
      await world.says(/^Funnel runs but publishes nothing, it is started again$/);
      await world.reaches({ kind: "up" });

      expect(only(world.tailscale.sessions()).pid).not.toBe(pid);
    });

    test.each([
      ["tailscale down, then up", "Stopped", "Tailscale is stopped"],
      ["the key expires and is renewed", "NeedsLogin", "Tailscale is logged out"],
    ])("%s: it is said, and the same process goes on", async (_what, backendState, message) => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      world.tailscale.set({ backendState });
      await world.reaches({ kind: "stuck", message });
      await world.waitsOften(2);
      world.tailscale.set({ backendState: "Running" });
      await world.reaches({ kind: "up" });

      expect(world.states.map(({ kind }) => kind)).toEqual(["up", "stuck", "up"]);
      expect(world.tailscale.funnels()).toHaveLength(1);
    });

    test("the node gets another name: the new address is told", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      world.tailscale.set({ dnsName: "other.tail1234.ts.net" });
      await world.reaches({ url: "https://other.tail1234.ts.net/webhook" });

      expect(world.urls).toEqual([URL_443, "https://other.tail1234.ts.net/webhook"]);
    });

    test("the tailnet takes Funnel away: it is no longer said to be up", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      world.tailscale.set({ hasFunnel: false, ports: null });
      await world.waitsOften(3);

      expect(world.states.at(-1)?.kind).not.toBe("up");
    });

    test.each([
      [null, /tailnet's policy/],
      ["8443", /tailnet's policy/],
      ["443", undefined],
    ])(
      "the tailnet allows only the ports %j: said when ours is none, until it is one again",
      async (ports, hint) => {
        await using world = setUp();
        await world.reaches({ kind: "up" });

        world.tailscale.set({ ports });
        if (hint) await world.reaches({ kind: "stuck", hint: expect.stringMatching(hint) });
        await world.waitsOften(2);
        world.tailscale.set({ ports: "443,8443" });
        await world.reaches({ kind: "up" });

        expect(world.states.map(({ kind }) => kind)).toEqual(hint ? ["up", "stuck", "up"] : ["up"]);
        expect(world.urls).toEqual([URL_443]);
        expect(world.tailscale.funnels()).toHaveLength(1);
      },
    );

    test("a process that says that it serves, and does not, is ended and tried again", async () => {
      await using world = setUp({ state: { isDeaf: true } });

      await world.reaches({ kind: "stuck", message: "Tailscale published nothing within 10 s" });
      const pids = new Set(world.tailscale.funnels().map(({ pid }) => pid));
      await until(() => expect(world.tailscale.processes().filter((pid) => pids.has(pid))).toEqual([]));
      expect(world.urls).toEqual([]);
      world.tailscale.set({ isDeaf: false });

      await world.reaches({ kind: "up" });
    });

    test("facts that can not be written: said, no process is left, and it is tried again", async () => {
      const faults = [new Error("disk is full")];
      await using world = setUp({
        onSetFact: () => {
          const fault = faults.shift();
          if (fault) throw fault;
        },
      });

      await world.says(/disk is full/);
      await world.reaches({ kind: "up" });

      expect(world.tailscale.processes().filter((pid) => isFunnel(world.tailscale, pid))).toHaveLength(1);
    });
  });

  describe("left behind by a killed bridge", () => {
    test("its command is ended, and published anew", async () => {
      await using tailscale = new StandInTailscale();
      const orphan = await tailscale.runFunnel(ARGS);

      await using world = setUp({ tailscale, remembered: record(orphan.pid) });
      await world.reaches({ kind: "up" });

      expect(world.killed).toEqual([{ pid: orphan.pid, how: "SIGTERM" }]);
      expect(orphan.child.signalCode).toBe("SIGTERM");
      expect(world.states).toHaveLength(1);
      expect(world.logged[0]).toMatchObject({ pid: orphan.pid, msg: "funnel of an earlier start ended" });
      expect(world.remembered()).toBe(record(only(world.tailscale.sessions()).pid));
    });

    test("its command is ended also when our address changed since", async () => {
      const before = ["--https=443", "--set-path=/webhook", "http://127.0.0.1:9999/webhook"];
      await using tailscale = new StandInTailscale();
      const orphan = await tailscale.runFunnel(before);

      await using world = setUp({ tailscale, remembered: record(orphan.pid, before) });
      await world.reaches({ kind: "up" });

      expect(world.killed).toEqual([{ pid: orphan.pid, how: "SIGTERM" }]);
      expect(only(world.tailscale.sessions()).target).toBe(TARGET);
    });

    test("its command is not ended when nobody remembers it: it is said who has the port", async () => {
      await using tailscale = new StandInTailscale();
      const orphan = await tailscale.runFunnel(ARGS);

      await using world = setUp({ tailscale });
      await world.reaches({ kind: "stuck" });

      expect(world.states[0]?.message).toMatch(/Another "tailscale funnel" already publishes/);
      expect(orphan.child.signalCode).toBeNull();
      orphan.child.kill("SIGKILL");
      await world.reaches({ kind: "up" });
    });

    test.each([
      ["another port", ["--https=8443", "--set-path=/webhook", TARGET]],
      ["another path", ["--https=443", "--set-path=/other", TARGET]],
      ["another target", ["--https=443", "--set-path=/webhook", "http://127.0.0.1:9/webhook"]],
      ["no path", ["--https=443", TARGET]],
    ])("a tailscale funnel with %s that now has its process id is left alone", async (_what, args) => {
      await using tailscale = new StandInTailscale();
      const other = await tailscale.runFunnel(args);

      await using world = setUp({ tailscale, port: 443, remembered: record(other.pid) });
      await until(() => expect(world.states).not.toEqual([]));

      expect(world.killed).toEqual([]);
      expect(other.child.signalCode).toBeNull();
    });

    test("another program with the same words that now has its process id is left alone", async () => {
      const words = ["-e", "setInterval(() => {}, 1000)", "--", "grep", "funnel", ...ARGS];
      const other = spawn(process.execPath, words, { stdio: "ignore" });
      await once(other, "spawn");
      await using stack = new AsyncDisposableStack();
      stack.defer(() => void other.kill("SIGKILL"));

      await using world = setUp({ remembered: record(other.pid) });
      await world.reaches({ kind: "up" });

      expect(world.killed).toEqual([]);
    });

    test.each([
      record(process.pid),
      record(999_999_999),
      record(1),
      record(0),
      record(-1),
      "{}",
      "null",
      "4711",
      '{"pid":"4711"}',
    ])("a record of %s ends nothing", async (remembered) => {
      await using world = setUp({ remembered });

      await world.reaches({ kind: "up" });

      expect(world.killed).toEqual([]);
    });

    test.each(["", "abc", "{"])("a record that can not be read (%j) is no hindrance", async (remembered) => {
      await using world = setUp({ remembered });

      await until(() => expect(world.states).not.toEqual([]));

      expect(world.states[0]?.kind).toBe("up");
    });

    test("its command is killed when it does not end in five seconds", async () => {
      await using tailscale = new StandInTailscale({ ignoresTerm: true });
      const orphan = await tailscale.runFunnel(ARGS);
      tailscale.set({ ignoresTerm: false });

      await using world = setUp({ tailscale, remembered: record(orphan.pid) });
      await world.reaches({ kind: "up" });

      expect(world.killed.map(({ how }) => how)).toEqual(["SIGTERM", "SIGKILL"]);
      expect(orphan.child.signalCode).toBe("SIGKILL");
      expect(world.logged[0]).toMatchObject({ pid: orphan.pid, msg: "funnel of an earlier start ended" });
    });

    test("its command that we can not end is not said to have ended, and not forgotten", async () => {
      await using tailscale = new StandInTailscale();
      const orphan = await tailscale.runFunnel(ARGS);

      await using world = setUp({ tailscale, remembered: record(orphan.pid), canKill: false });
      await world.reaches({ kind: "stuck", message: expect.stringMatching(/^Another "tailscale funnel"/) });

      expect(world.logged).toHaveLength(1);
      expect(world.remembered()).toBe(record(orphan.pid));
    });
  });

  describe("the end", () => {
    test.each(MOMENTS)("run() ends soon and leaves no process, %s", async (_what, setup, moment) => {
      await using world = setUp(setup);
      await moment(world);

      const tookMs = await world.end();

      expect(tookMs).toBeLessThan(SOON);
      await until(() => expect(world.tailscale.processes()).toEqual([]));
      expect(world.tailscale.sessions()).toEqual([]);
    });

    test.each([5, 30, 60, 100, 160])(
      "run() leaves no process when it is told to end after %i ms",
      async (afterMs) => {
        await using world = setUp();
        await new Promise((resolve) => setTimeout(resolve, afterMs));

        const tookMs = await world.end();

        expect(tookMs).toBeLessThan(SOON);
        await until(() => expect(world.tailscale.processes()).toEqual([]));
      },
    );

    test("run() does nothing when it was told to end before", async () => {
      await using tailscale = new StandInTailscale();
      const world = setUp({ tailscale });
      await world.end();
      const before = tailscale.calls().length;

      await world.funnel.run(AbortSignal.abort());

      expect(tailscale.calls()).toHaveLength(before);
      expect(world.states).toEqual([]);
    });

    test("run() says nothing of its own end", async () => {
      await using world = setUp();
      await world.reaches({ kind: "up" });

      await world.end();

      expect(world.states).toHaveLength(1);
      expect(world.logged).toHaveLength(1);
    });

    test("kill() ends the process without waiting, and is harmless without one", async () => {
      await using world = setUp();
      world.funnel.kill();
      await world.reaches({ kind: "up" });
      const { pid } = only(world.tailscale.sessions());

      world.funnel.kill();

      await until(() => expect(world.tailscale.processes()).not.toContain(pid));
    });
  });
});
