import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { Store } from "../../src/store/store.ts";
import { accountEnv } from "../account.ts";
import { inbound } from "../inbound.ts";
import { Daemon, pause, until } from "../poller/daemon.ts";
import { cpuSeconds, median, memoryMiB, spread } from "./figures.ts";
import { floor, highest, memory, rates } from "./webhook.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const POLLER = join(ROOT, "dist/poller/bin.js");
const CLI = join(ROOT, "dist/cli/bin.js");
const RUNS = 25;
const person = (index: number) => `1555030${String(index).padStart(4, "0")}`;

interface World {
  readonly kapso: StandInKapso;
  readonly gateway: EchoGateway;
  readonly daemon: Daemon;
  /** Message text → when its answer was ready at the gateway. */
  readonly answeredAt: ReadonlyMap<string, number>;
}

async function withWorld<T>(
  env: Readonly<Record<string, string>>,
  run: (world: World) => Promise<T>,
): Promise<T> {
  const answeredAt = new Map<string, number>();
  await using kapso = await StandInKapso.start();
  await using gateway = await EchoGateway.start({
    reply: ({ message }) => {
      answeredAt.set(message, performance.now());
      return `re ${message}`;
    },
  });
  await using daemon = new Daemon({
    kapso,
    gateway,
    command: [process.execPath, POLLER],
    env: { WA_LOG_LEVEL: "warn", ...env },
  });
  daemon.start();
  await until("a poll", () => kapso.requests.length > 0);
  // Awaited here: the world ends when this function returns.
  return await run({ kapso, gateway, daemon, answeredAt });
}

/** A message listed → request at the gateway → answer → POST. */
async function latency(senders: number, rounds: number): Promise<void> {
  await withWorld({}, async ({ kapso, answeredAt }) => {
    const listedAt = new Map<string, number>();
    const sentAt = new Map<string, number>();
    kapso.onListed = (page) => {
      const now = performance.now();
      for (const row of page) {
        const text = JSON.stringify(row).match(/"body":"([^"]+)"/)?.[1] ?? "";
        if (!listedAt.has(text)) listedAt.set(text, now);
      }
    };
    kapso.onSent = ({ text }) => sentAt.set(text.slice(3), performance.now());
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < senders; index++)
        kapso.receive({ from: person(index), text: `${round} ${index}` });
      await until("answers", () => sentAt.size >= (round + 1) * senders);
    }
    const texts = [...sentAt.keys()];
    const between = (from: ReadonlyMap<string, number>, to: ReadonlyMap<string, number>) =>
      spread(texts.map((text) => (to.get(text) ?? 0) - (from.get(text) ?? 0)));
    console.log(`${senders} sender(s): listed → agent request: ${between(listedAt, answeredAt)}`);
    console.log(`${senders} sender(s): final answer → POST:    ${between(answeredAt, sentAt)}`);
  });
}

async function burst(): Promise<void> {
  await withWorld({}, async ({ kapso, daemon }) => {
    const startedAt = performance.now();
    for (let index = 0; index < 5000; index++)
      kapso.receive({ from: person(index % 500), text: `${person(index % 500)} ${index}` });
    await until("5,000 answers", () => kapso.sent.length >= 5000, 300_000);
    const seconds = (performance.now() - startedAt) / 1000;
    await pause(1000);
    const last = new Map<string, number>();
    let violations = 0;
    for (const { to, text } of kapso.sent) {
      const index = Number(text.split(" ").at(-1));
      if (index < (last.get(to) ?? -1)) violations++;
      last.set(to, index);
    }
    const different = new Set(kapso.sent.map(({ text }) => text)).size;
    const peak = memoryMiB(daemon.pid ?? 0, "VmHWM").toFixed(0);
    console.log(
      `5,000 messages of 500 senders: ${seconds.toFixed(1)} s (${(5000 / seconds).toFixed(0)}/s), ` +
        `order violations ${violations}, lost ${5000 - different}, doubled ${kapso.sent.length - different}, peak RSS ${peak} MiB`,
    );
  });
}

async function cli(): Promise<void> {
  await using kapso = await StandInKapso.start();
  const folder = mkdtempSync(join(tmpdir(), "wa-cli-bench-"));
  const state = join(folder, "state");
  const env = { ...process.env, HOME: folder, ...accountEnv(kapso), KAPSO_STATE_DIR: state };
  // Everybody wrote a moment ago, as those do whom an agent writes to.
  {
    using store = Store.open(state);
    const sentAt = Date.now() - 60_000;
    const wrote = Array.from({ length: RUNS }, (_, index) =>
      inbound({ from: { phone: person(index) }, wamid: `wamid.${index}`, text: "hello", sentAt }),
    );
    await store.inbox.accept(wrote, "poll", sentAt);
  }
  const commands = {
    "node -e 0": ["-e", "0"],
    "wa-cli --version": [CLI, "--version"],
    "wa-cli status": [CLI, "status"],
    "wa-cli send": [CLI, "send", "--to", "+PERSON", "--text", "hello"],
  };
  // In a process of its own: a synchronous wait here would keep the stand-in from answering.
  const script = `
    const { execFileSync } = require("node:child_process");
    const runs = {};
    const people = ${JSON.stringify(Array.from({ length: RUNS }, (_, index) => person(index)))};
    for (const to of people)
      for (const [name, args] of Object.entries(${JSON.stringify(commands)})) {
        const t = performance.now();
        execFileSync(process.execPath, args.map((arg) => arg.replace("PERSON", to)), { stdio: "ignore" });
        (runs[name] ??= []).push(performance.now() - t);
      }
    console.log(JSON.stringify(runs));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", script], { env });
  rmSync(folder, { recursive: true, force: true });
  const runs: Record<keyof typeof commands, number[]> = JSON.parse(stdout);
  const base = median(runs["node -e 0"]);
  for (const [name, times] of Object.entries(runs))
    console.log(
      `${name}: median ${median(times).toFixed(0)} ms of ${times.length}, over node -e 0 ${(median(times) - base).toFixed(0)} ms`,
    );
}

async function idle(): Promise<void> {
  await withWorld({ KAPSO_POLL_INTERVAL: "5s" }, async ({ daemon }) => {
    await pause(5000);
    const pid = daemon.pid ?? 0;
    const before = cpuSeconds(pid);
    await pause(60_000);
    const cpu = ((cpuSeconds(pid) - before) / 60) * 100;
    console.log(
      `idle at a 5 s interval for 60 s: RSS ${memoryMiB(pid, "VmRSS").toFixed(0)} MiB, CPU ${cpu.toFixed(2)} %`,
    );
  });
}

execFileSync("npm", ["run", "build"], { cwd: ROOT, stdio: "ignore" });
console.log(`node ${process.version}, ${new Date().toISOString()}`);
const only = process.argv.slice(2);
const parts = {
  latency1: () => latency(1, 40),
  latency200: () => latency(200, 5),
  burst,
  cli,
  idle,
  rates: () => rates(POLLER),
  highest: () => highest(POLLER),
  floor,
  memory: () => memory(POLLER),
};
for (const [name, part] of Object.entries(parts)) if (only.length === 0 || only.includes(name)) await part();
