import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { StandInKapso, type Fault } from "../../src/sandbox/kapso.ts";
import { Store } from "../../src/store/store.ts";
import { accountEnv } from "../account.ts";
import { until } from "../poller/daemon.ts";
import { OPEN } from "./world.ts";

const BIN = fileURLToPath(new URL("../../cli/bin.ts", import.meta.url));

function environment(kapso: StandInKapso, folder: string) {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    ...accountEnv(kapso),
    ...OPEN,
    KAPSO_STATE_DIR: join(folder, "state"),
  };
}

/** A real `wa-cli send` that meets `fault`, and is sent `signal` at its first request. */
async function interrupt(fault: Fault, signal: "SIGTERM" | "SIGINT" | "SIGHUP") {
  await using kapso = await StandInKapso.start();
  const folder = mkdtempSync(join(tmpdir(), "wa-cli-process-"));
  kapso.fault = ({ kind }) => (kind === "send" ? fault : undefined);
  const env = environment(kapso, folder);
  const child = spawn(process.execPath, [BIN, "send", "--to", "+15550100001", "--text", "hello"], { env });
  const exited = once(child, "exit");
  await until("a request", () => kapso.requests.some(({ kind }) => kind === "send"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill(signal);
  const [code] = await exited;
  using store = Store.open(env.KAPSO_STATE_DIR);
  const states = store.outbox.list({ all: true, limit: 10 }).map(({ state }) => state);
  rmSync(folder, { recursive: true, force: true });
  return { code, states, sent: kapso.sent.length };
}

describe("wa-cli send, interrupted", () => {
  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "P7: by %s while it waits: nothing leaves later",
    async (signal) => {
      const outcome = await interrupt({ status: 429, headers: { "Retry-After": "5" } }, signal);

      expect(outcome).toEqual({ code: 7, states: [], sent: 0 });
    },
  );

  test("P7: by SIGTERM in the middle of the request: the outcome is unknown, and said so", async () => {
    const outcome = await interrupt({ delayMs: 5000, afterEffect: true }, "SIGTERM");

    expect(outcome).toMatchObject({ code: 6, states: ["doubt"] });
  });
});

test("many wa-cli at once on a state folder that is not there yet: each sends its message", async () => {
  await using kapso = await StandInKapso.start();
  const folder = mkdtempSync(join(tmpdir(), "wa-cli-process-"));
  const env = environment(kapso, folder);

  const codes = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const child = spawn(
        process.execPath,
        [BIN, "send", "--to", `+1555010${1000 + index}`, "--text", "hello"],
        { env },
      );
      const [code] = await once(child, "exit");
      return code;
    }),
  );
  rmSync(folder, { recursive: true, force: true });

  expect(codes).toEqual(Array.from({ length: 10 }, () => 0));
  expect(new Set(kapso.sent.map(({ to }) => to)).size).toBe(10);
});
