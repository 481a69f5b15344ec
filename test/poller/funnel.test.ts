import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { StandInTailscale, type TailscaleState } from "../funnel/tailscale.ts";
import { runCli } from "../../cli/main.ts";
import { pause, until } from "./daemon.ts";
import { kapsoText, WebhookSender } from "./webhook-sender.ts";
import { createWorld } from "./world.ts";

const URL = "https://relay.tail1234.ts.net/webhook";

/** A daemon with `KAPSO_MODE=tailscale` and the two variables of Kapso. */
async function setUp(state: Partial<TailscaleState> = {}, env: Readonly<Record<string, string>> = {}) {
  const stack = new AsyncDisposableStack();
  const tailscale = stack.use(new StandInTailscale(state));
  const world = stack.use(
    await createWorld({
      env: { PATH: tailscale.path, KAPSO_MODE: "tailscale", KAPSO_WEBHOOK_ADDR: "127.0.0.1:0", ...env },
    }),
  );
  const { kapso, daemon } = world;
  return {
    ...world,
    tailscale,
    /** What `wa-cli status --json` shows. */
    status: async () => {
      const stdout = new PassThrough();
      await runCli(
        {
          env: daemon.env,
          stdin: new PassThrough(),
          stdout,
          stderr: new PassThrough(),
          signal: new AbortController().signal,
          pid: process.pid,
        },
        ["status", "--json"],
      );
      return JSON.parse(String(stdout.read())) as Record<string, Record<string, string> | undefined>;
    },
    /** Polling brings a message, and it is answered. */
    answers: async (text: string) => {
      kapso.receive({ from: "15550300001", text });
      await until(`an answer to ${text}`, () => kapso.sent.some((sent) => sent.text === `re ${text}`));
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

describe.concurrent("wa-poller with KAPSO_MODE=tailscale", { timeout: 60_000 }, () => {
  test("starts the Funnel, registers its webhook, answers what comes through it, and says so", async () => {
    await using world = await setUp();
    const { kapso, tailscale, daemon } = world;

    daemon.start();
    await until("a registration", () => kapso.webhooks.length === 1);
    const [session] = tailscale.sessions();
    const [webhook] = kapso.webhooks;
    if (!session || !webhook) throw new Error("There is no Funnel");
    await using sender = new WebhookSender({
      port: Number(new globalThis.URL(session.target).port),
      secret: webhook.secret_key,
    });
    const event = kapsoText({ from: "15550300009", text: "hi", wamid: "wamid.T" }, kapso.phoneNumberId);
    expect(await sender.post(event)).toBe(200);
    await until("an answer", () => kapso.sent.length === 1);
    const status = await world.status();

    expect(webhook).toMatchObject({ url: URL, active: true });
    expect(session).toMatchObject({ port: 443, path: "/webhook" });
    expect(session.target).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/webhook$/);
    expect(status["funnel"]).toMatchObject({ kind: "up", message: URL });
    expect(status["registration"]).toMatchObject({ kind: "registered" });
    expect(status["webhook"]?.["lastMessageAt"]).toBeDefined();
    expect(daemon.log).toContain("funnel is up");
    for (const { args } of tailscale.calls()) expect(args.join(" ")).not.toMatch(/--bg|reset/);
  });

  test("P9: the tailscale command sees no key, token or secret", async () => {
    await using world = await setUp({}, { OPENCLAW_TOKEN: "gateway-secret" });

    world.daemon.start();
    await until("the Funnel", () => world.tailscale.sessions().length === 1);

    for (const { args, env } of world.tailscale.calls()) {
      expect(env.filter((name) => /KAPSO|OPENCLAW|WA_|TOKEN|KEY|SECRET/.test(name))).toEqual([]);
      expect(args.join(" ")).not.toContain(world.kapso.apiKey);
    }
  });

  test.each<readonly [string, Partial<TailscaleState>, RegExp]>([
    ["not running", { isDaemonUp: false }, /start it: sudo systemctl start tailscaled/],
    ["stopped", { backendState: "Stopped" }, /tailscale up/],
    [
      "logged out",
      { backendState: "NeedsLogin", dnsName: "", authUrl: "https://login.tailscale.com/a/1234" },
      /https:\/\/login\.tailscale\.com\/a\/1234/,
    ],
    ["not allowed to publish", { isOperator: false }, /sudo tailscale set --operator=\$USER/],
    ["without Funnel", { hasFunnel: false, consent: "wait" }, /visit https:\/\/login\.tailscale\.com\//],
    ["dying at once", { diesAfterMs: 50, lastWords: "unexpected EOF" }, /unexpected EOF/],
    ["serving nothing", { isDeaf: true }, /published nothing/],
    ["hanging", { hangs: ["status"] }, /does not answer/],
  ])("P8: with a Tailscale that is %s, polling goes on and SIGTERM works", async (_how, state, told) => {
    await using world = await setUp(state);
    const { daemon, tailscale } = world;
    daemon.start();

    await world.answers("one");
    await until("a word of it", () => daemon.log.includes("funnel is not up"), 20_000);
    await world.answers("two");
    const status = await world.status();
    const asked = Date.now();
    const code = await daemon.stop("SIGTERM");

    expect(code).toBe(0);
    expect(Date.now() - asked).toBeLessThan(9000);
    expect(status["funnel"]?.["kind"]).not.toBe("up");
    expect(`${status["funnel"]?.["message"]}; ${status["funnel"]?.["hint"]}`).toMatch(told);
    expect(tailscale.processes()).toEqual([]);
    expect(world.kapso.webhooks).toEqual([]);
  });

  test("without the command, polling goes on and the next step is shown", async () => {
    // By its bare name it is looked for in the PATH alone: this machine may have the real one elsewhere.
    await using world = await setUp({}, { PATH: "/nonexistent", TAILSCALE_BIN: "tailscale" });
    world.daemon.start();

    await world.answers("one");
    await until("a word of it", () => world.daemon.log.includes("funnel is not up"));
    const status = await world.status();

    expect(status["funnel"]).toMatchObject({
      kind: "stuck",
      message: "There is no tailscale command",
      hint: expect.stringContaining("https://tailscale.com/download"),
    });
    expect(await world.daemon.stop("SIGTERM")).toBe(0);
  });

  test("P8: after kill -9 the next start ends the Funnel that was left behind and opens its own", async () => {
    await using world = await setUp();
    const { daemon, tailscale, kapso } = world;
    daemon.start();
    await until("the Funnel", () => tailscale.sessions().length === 1);
    await until("a registration", () => kapso.webhooks.length === 1);
    const [orphan] = tailscale.sessions();
    await daemon.stop("SIGKILL");
    expect(tailscale.sessions()).toHaveLength(1);

    daemon.start();
    await until("a Funnel of its own", () => {
      const [session] = tailscale.sessions();
      return session !== undefined && session.pid !== orphan?.pid;
    });
    await until("it is up again", () => daemon.log.split("funnel is up").length === 3);

    expect(kapso.webhooks).toHaveLength(1);
    expect(await daemon.stop("SIGTERM")).toBe(0);
    await pause(100);
    expect(tailscale.processes()).toEqual([]);
  }, 180_000);
});
