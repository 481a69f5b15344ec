import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { Daemon, pause, until } from "../poller/daemon.ts";
import { kapsoText, WebhookSender } from "../poller/webhook-sender.ts";
import { cpuSeconds, memoryMiB, spread } from "./figures.ts";

const SECRET = "bench-secret";
const PORT = 18_911;
const TICK_MS = 10;

interface Load {
  readonly perSecond: number;
  readonly seconds: number;
  readonly senders: number;
}

interface Times {
  readonly posted: Map<string, number>;
  readonly acknowledged: Map<string, number>;
  readonly asked: Map<string, number>;
  readonly replied: Map<string, number>;
}

interface World {
  readonly kapso: StandInKapso;
  readonly daemon: Daemon;
  readonly sender: WebhookSender;
  readonly times: Times;
}

const person = (index: number) => `1555${String(1_000_000 + index)}`;

export async function withWorld<T>(bin: string, run: (world: World) => Promise<T>): Promise<T> {
  const times: Times = { posted: new Map(), acknowledged: new Map(), asked: new Map(), replied: new Map() };
  await using kapso = await StandInKapso.start({ requestsPerMinute: 10_000_000 });
  await using gateway = await EchoGateway.start({
    reply: ({ message }) => {
      times.asked.set(message, performance.now());
      return `re ${message}`;
    },
  });
  kapso.onSent = ({ text }) => times.replied.set(text.slice(3), performance.now());
  await using daemon = new Daemon({
    kapso,
    gateway,
    command: [process.execPath, bin],
    env: {
      WA_LOG_LEVEL: "warn",
      KAPSO_MODE: "domain",
      // The agent answers at once here, so nobody waits for a turn of its.
      WA_MAX_PARALLEL: "64",
      KAPSO_POLL_INTERVAL: "30s",
      KAPSO_WEBHOOK_ADDR: `127.0.0.1:${PORT}`,
      KAPSO_WEBHOOK_SECRET: SECRET,
    },
  });
  daemon.start();
  await using sender = new WebhookSender({ port: PORT, secret: SECRET, connections: 64 });
  await until("listening", () => kapso.requests.length > 0);
  await pause(500);
  return await run({ kapso, daemon, sender, times });
}

/** Posts at an even rate, whether answers come or not. */
async function apply(
  { perSecond, seconds, senders }: Load,
  post: (index: number, from: string) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  const total = perSecond * seconds;
  let errors = 0;
  const running: Promise<void>[] = [];
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedAt) / 1000) * perSecond));
    for (; sent < due; sent++) running.push(post(sent, person(sent % senders)).catch(() => void errors++));
    await pause(TICK_MS);
  }
  await Promise.all(running);
  return errors;
}

interface Outcome {
  readonly errors: number;
  readonly lost: number;
  readonly doubled: number;
  /** From when the last POST was due to the last reply: it grows when anything in between falls behind. */
  readonly lagMs: number;
}

export async function measure({ kapso, sender, times }: World, load: Load): Promise<Outcome> {
  const run = Math.random().toString(36).slice(2, 8);
  const before = kapso.sent.length;
  const endsAt = performance.now() + load.seconds * 1000;
  const errors = await apply(load, async (index, from) => {
    const text = `${run} ${index}`;
    times.posted.set(text, performance.now());
    const status = await sender.post(
      kapsoText({ from, text, wamid: `wamid.${run}${index}` }, kapso.phoneNumberId),
    );
    if (status !== 200) throw new Error(`HTTP ${status}`);
    times.acknowledged.set(text, performance.now());
  });
  const total = load.perSecond * load.seconds;
  await until("every reply", () => kapso.sent.length - before >= total - errors, 60_000).catch(() => {});
  const lagMs = performance.now() - endsAt;
  await pause(500);
  const sent = kapso.sent.slice(before).map(({ text }) => text);
  const different = new Set(sent).size;
  return { errors, lost: total - errors - different, doubled: sent.length - different, lagMs };
}

/** POST → 200, → request at the gateway, → reply, at fixed rates. */
export async function rates(bin: string): Promise<void> {
  for (const perSecond of [1, 200, 1000])
    await withWorld(bin, async (world) => {
      const before = cpuSeconds(world.daemon.pid ?? 0);
      const outcome = await measure(world, {
        perSecond,
        seconds: 30,
        senders: Math.min(perSecond * 10, 5000),
      });
      const cpu = ((cpuSeconds(world.daemon.pid ?? 0) - before) / 30) * 100;
      const { posted, ...reached } = world.times;
      const name = `${perSecond}/s for 30 s`;
      for (const [hop, times] of Object.entries(reached))
        console.log(
          `${name}: POST → ${hop.padEnd(12)} ${spread([...times].map(([text, at]) => at - (posted.get(text) ?? 0)))}`,
        );
      console.log(
        `${name}: refused ${outcome.errors}, lost ${outcome.lost}, doubled ${outcome.doubled}, daemon CPU ${cpu.toFixed(0)} %`,
      );
    });
}

/** The highest rate at which nothing is refused or lost and replies keep up. */
export async function highest(bin: string): Promise<void> {
  let best = 0;
  for (let perSecond = 1000; perSecond <= 8000; perSecond = Math.round(perSecond / 80) * 100) {
    const kept = await withWorld(bin, async (world) => {
      const { errors, lost, doubled, lagMs } = await measure(world, {
        perSecond,
        seconds: 30,
        senders: 5000,
      });
      console.log(
        `${perSecond}/s for 30 s: refused ${errors}, lost ${lost}, doubled ${doubled}, last reply ${lagMs.toFixed(0)} ms after the last post was due`,
      );
      return errors === 0 && lost === 0 && doubled === 0 && lagMs < 2000;
    });
    if (!kept) break;
    best = perSecond;
  }
  console.log(`highest rate kept for 30 s: ${best}/s`);
}

/** The same load on a server that keeps nothing. */
export async function floor(): Promise<void> {
  const gateway = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  let frames = 0;
  gateway.on("connection", (socket) => socket.on("message", () => void frames++));
  await once(gateway, "listening");
  const address = gateway.address();
  const url = `ws://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  const child = spawn(process.execPath, [fileURLToPath(new URL("floor.ts", import.meta.url)), url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  await using sender = new WebhookSender({ port: Number(String(line)), secret: SECRET, connections: 64 });
  let best = 0;
  for (let perSecond = 2000; perSecond <= 20_000; perSecond = Math.round(perSecond / 80) * 100) {
    frames = 0;
    const startedAt = performance.now();
    const errors = await apply({ perSecond, seconds: 10, senders: 5000 }, async (index, from) => {
      await sender.post(kapsoText({ from, text: String(index), wamid: `wamid.${index}` }, "100000000000001"));
    });
    const lagMs = performance.now() - startedAt - 10_000;
    if (errors > 0 || lagMs > 1000) break;
    best = perSecond;
  }
  console.log(
    `floor, node:http and one WebSocket frame, nothing kept: ${best}/s for 10 s (${frames} frames last)`,
  );
  child.kill();
  gateway.close();
}

/** 50,000 messages of 5,000 people, then a minute of rest. */
export async function memory(bin: string): Promise<void> {
  await withWorld(bin, async (world) => {
    const pid = world.daemon.pid ?? 0;
    const atRest = memoryMiB(pid, "VmRSS");
    const outcome = await measure(world, { perSecond: 800, seconds: 63, senders: 5000 });
    const peak = memoryMiB(pid, "VmHWM");
    await pause(60_000);
    console.log(
      `50,400 messages of 5,000 senders: RSS before ${atRest.toFixed(0)} MiB, peak ${peak.toFixed(0)} MiB, after 60 s of rest ` +
        `${memoryMiB(pid, "VmRSS").toFixed(0)} MiB (lost ${outcome.lost}, doubled ${outcome.doubled})`,
    );
  });
}
