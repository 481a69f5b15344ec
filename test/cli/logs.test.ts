import { mkdirSync, readFileSync, statSync } from "node:fs";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { runCli } from "../../cli/main.ts";
import { LogFile, logPaths } from "../../src/log-file.ts";
import { until } from "../poller/daemon.ts";
import { World } from "./world.ts";

const SECRET = "gateway-token-4711";
const line = (msg: string, fields: object = {}) =>
  `${JSON.stringify({ level: 30, time: 1_800_000_000_000, component: "bridge", msg, ...fields })}\n`;

async function withLog(maxBytes?: number) {
  const world = await World.start();
  mkdirSync(world.state, { mode: 0o700 });
  const log = new LogFile(world.state, { secrets: [SECRET], ...(maxBytes !== undefined && { maxBytes }) });
  return {
    world,
    log,
    async [Symbol.asyncDispose]() {
      log[Symbol.dispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

describe("LogFile", () => {
  test("is closed to others, holds no secret and no whole number, and stays below its limit", async () => {
    await using set = await withLog(2000);

    for (let index = 0; index < 100; index++)
      set.log.write(line(`failed for +15551234567 with ${SECRET}`, { index }));

    const { now, before } = logPaths(set.world.state);
    expect(statSync(before).mode & 0o777).toBe(0o600);
    expect(statSync(before).size).toBeLessThan(2500);
    set.log.write(line("the last"));
    expect(readFileSync(now, "utf8")).toContain("the last");
    expect(readFileSync(before, "utf8")).toContain("failed for +155…4567 with •••");
  });

  test("a folder that can not be written to stops nobody", () => {
    using log = new LogFile("/dev/null/nowhere", { secrets: [] });

    expect(() => log.write(line("hello"))).not.toThrow();
  });
});

describe("wa-cli logs", () => {
  test("shows the newest lines, of the file before too, from a level on", async () => {
    await using set = await withLog(300);
    for (const index of [1, 2, 3, 4, 5, 6])
      set.log.write(line(`line ${index}`, { level: index > 4 ? 50 : 30 }));

    const two = await set.world.run(["logs", "--lines", "2"]);
    const errors = await set.world.run(["logs", "--level", "error", "--json"]);

    expect(two.out).toBe(
      "2027-01-15T08:00:00.000Z error bridge: line 5\n2027-01-15T08:00:00.000Z error bridge: line 6\n",
    );
    expect(
      errors.out
        .trim()
        .split("\n")
        .map((each) => JSON.parse(each) as object),
    ).toMatchObject([{ msg: "line 5" }, { msg: "line 6" }]);
  });

  test("-f goes on with what is logged, also in the next file, and ends well when it is interrupted", async () => {
    await using set = await withLog(400);
    set.log.write(line("before"));
    const stop = new AbortController();
    const stdout = new PassThrough();
    let out = "";
    stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
    const io = {
      env: { HOME: set.world.home, KAPSO_STATE_DIR: set.world.state },
      stdin: new PassThrough(),
      stdout,
      stderr: new PassThrough(),
      signal: stop.signal,
      pid: process.pid,
    };

    const running = runCli(io, ["logs", "-f"]);
    await until("the first line", () => out.includes("before"));
    for (let index = 0; index < 12; index++) {
      set.log.write(line(`live ${index}.`));
      await until(`line ${index}`, () => out.includes(`live ${index}.`));
    }
    stop.abort();

    expect(await running).toBe(0);
    expect(out.match(/live \d+\./g)).toHaveLength(12);
  });

  test("without a log says where it is", async () => {
    await using world = await World.start();

    const ran = await world.run(["logs"]);

    expect(ran).toMatchObject({ code: 1, out: "" });
    expect(ran.err).toContain("journalctl -u wa-poller");
  });
});
