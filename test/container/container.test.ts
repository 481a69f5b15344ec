import { execFile } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { pause, until } from "../poller/daemon.ts";
import { person } from "../poller/world.ts";
import { Image, type Running } from "./image.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** After which engines stop waiting and kill. */
const STOP_MS = 10_000;

async function stop(image: Image, running: Running): Promise<number | NodeJS.Signals | null> {
  const exited = once(running.child, "exit", { signal: AbortSignal.timeout(STOP_MS) });
  process.kill(running.pid(), image.stopSignal);
  await exited;
  return running.child.exitCode ?? running.child.signalCode;
}

describe("the Containerfile's steps, carried out here", () => {
  const context = mkdtempSync(join(tmpdir(), "wa-container-"));
  let image: Image;
  let volume: string;

  beforeAll(async () => {
    await promisify(execFile)("npm", ["pack", "--pack-destination", context], { cwd: ROOT });
    copyFileSync(join(ROOT, "Containerfile"), join(context, "Containerfile"));
    image = Image.build(context, context);
    volume = image.makeVolume();
    const secret = join(image.root, "run/secrets/kapso");
    writeFileSync(secret, "sandbox-key\n", { mode: 0o400 });
    chownSync(secret, 1000, 1000);
  }, 120_000);
  afterAll(() => rmSync(context, { recursive: true, force: true }));

  const envFor = (kapso: StandInKapso, gateway: string) => ({
    KAPSO_API_KEY_FILE: "/run/secrets/kapso",
    KAPSO_PHONE_NUMBER_ID: kapso.phoneNumberId,
    KAPSO_BASE_URL: kapso.url,
    KAPSO_SECURITY_MODE: "open",
    KAPSO_POLL_INTERVAL: "5s",
    OPENCLAW_GATEWAY_URL: gateway,
    WA_LOG_FORMAT: "json",
  });

  test("nothing of the build is left, and the state folder is the program's own", () => {
    for (const place of ["tmp", "root"]) expect(readdirSync(join(image.root, place))).toEqual([]);
    const { uid, mode } = statSync(volume);
    expect([uid, mode & 0o777]).toEqual([1000, 0o700]);
  });

  test("the daemon works as first process, not as root, on a root that it can not write to; its state outlives it", async () => {
    await using kapso = await StandInKapso.start();
    await using gateway = await EchoGateway.start({ reply: ({ message }) => `re ${message}` });
    const env = envFor(kapso, gateway.url);
    kapso.receive({ from: person(1), text: "one" });

    const first = image.run(volume, env);
    await until("the first answer", () => kapso.sent.length === 1);
    const health = await image.exec(first, image.healthCheck, env);
    const places = "/ /etc /home/node /usr/local/bin /usr/local/lib/node_modules/wa-relay /var/lib";
    const writable = await image.exec(
      first,
      [
        "sh",
        "-c",
        `for d in ${places} /var/lib/wa-relay /tmp; do touch $d/x 2>/dev/null && echo $d; done; true`,
      ],
      env,
    );
    const process = readFileSync(`/proc/${first.pid()}/status`, "utf8");
    const firstCode = await stop(image, first);
    kapso.receive({ from: person(1), text: "two" });
    const second = image.run(volume, env);
    await until("the second answer", () => kapso.sent.length === 2);
    await pause(500);
    const secondCode = await stop(image, second);

    expect(health.code, health.stderr).toBe(0);
    expect(writable.stdout.trim().split("\n")).toEqual(["/var/lib/wa-relay", "/tmp"]);
    expect(process).toMatch(/^NSpid:\s+\d+\s+1$/m);
    expect(process).toMatch(/^Uid:\s+1000\s+1000\s+1000\s+1000$/m);
    expect([firstCode, secondCode]).toEqual([0, 0]);
    expect(kapso.sent.map(({ text }) => text)).toEqual(["re one", "re two"]);
    expect(first.log() + second.log()).not.toContain("sandbox-key");
  });

  test("the health check fails while the agent's gateway is away", async () => {
    await using kapso = await StandInKapso.start();
    const env = envFor(kapso, "ws://127.0.0.1:9");

    const running = image.run(volume, env);
    await until("a poll", () => kapso.requests.some(({ kind }) => kind === "list"));
    const health = await image.exec(running, image.healthCheck, env);
    const code = await stop(image, running);

    expect(health).toMatchObject({ code: 1, stderr: expect.stringContaining("gateway: ") });
    expect(code).toBe(0);
  });
});
