import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Notifier } from "../../poller/notifier.ts";
import { systemClock } from "../../src/clock.ts";
import { silentLog } from "../../src/log.ts";
import { pause, until } from "./daemon.ts";

const PID = 4711;

interface Given {
  readonly isWell?: () => Promise<boolean>;
  /** Words of the shell before anything is written down. */
  readonly first?: string;
}

/** A `systemd-notify` that writes down what it is told, and all that it sees. */
function setUp(
  env: Readonly<Record<string, string>>,
  { isWell = async () => true, first = ":" }: Given = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "wa-poller-test-"));
  const said = join(folder, "said");
  writeFileSync(
    join(folder, "systemd-notify"),
    `#!/bin/sh\n${first}\necho "$*" >> ${said}\nenv > ${folder}/env\n`,
    {
      mode: 0o755,
    },
  );
  const process = { pid: PID, env: { PATH: `${folder}:/usr/bin:/bin`, KAPSO_API_KEY: "sk-4711", ...env } };
  const notifier = new Notifier({ process, isWell, clock: systemClock, log: silentLog });
  const stop = new AbortController();
  return {
    stop,
    running: notifier.run(stop.signal),
    said: () => (existsSync(said) ? readFileSync(said, "utf8").trim().split("\n") : []),
    env: () => readFileSync(join(folder, "env"), "utf8"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

const fed = (said: readonly string[]) => said.filter((line) => line.endsWith(" WATCHDOG=1")).length;

test("ready, then stopping; no watchdog where none is asked for, and no key for the command", async () => {
  using all = setUp({ NOTIFY_SOCKET: "/run/notify" });
  await until("ready", () => all.said().length === 1);
  await pause(100);
  all.stop.abort();
  await all.running;

  expect(all.said()).toEqual([
    expect.stringMatching(/^READY=1 STATUS=/),
    expect.stringMatching(/^STOPPING=1/),
  ]);
  expect(all.env()).toContain("NOTIFY_SOCKET=/run/notify");
  expect(all.env()).not.toContain("sk-4711");
});

test.each([[{}], [{ WATCHDOG_USEC: "300000000" }]])("READY that is lost is told again: %j", async (env) => {
  const first = '[ -e "$0.once" ] || { touch "$0.once"; kill -9 $$; }';
  using all = setUp({ NOTIFY_SOCKET: "/run/notify", ...env }, { first });
  await until("ready", () => all.said().length === 1, 5000);
  all.stop.abort();
  await all.running;

  expect(all.said()).toEqual([expect.stringMatching(/^READY=1/), expect.stringMatching(/^STOPPING=1/)]);
});

test("without NOTIFY_SOCKET nothing is run", async () => {
  using all = setUp({});
  await all.running;

  expect(all.said()).toEqual([]);
});

test("the watchdog of another process is not fed", async () => {
  using all = setUp({ NOTIFY_SOCKET: "/run/notify", WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" });
  await pause(500);
  all.stop.abort();
  await all.running;

  expect(fed(all.said())).toBe(0);
});

test.each([
  ["fails", async () => false],
  ["hangs", async () => new Promise<boolean>(() => {})],
])("the watchdog is fed while the store answers, and not when it %s", async (_, unwell) => {
  let isWell: () => Promise<boolean> = async () => true;
  using all = setUp(
    { NOTIFY_SOCKET: "/run/notify", WATCHDOG_USEC: "200000", WATCHDOG_PID: String(PID) },
    { isWell: () => isWell() },
  );
  await until("fed", () => fed(all.said()) >= 2);

  isWell = unwell;
  await pause(300);
  const before = fed(all.said());
  await pause(700);

  expect(fed(all.said())).toBe(before);
  all.stop.abort();
  await all.running;
});
