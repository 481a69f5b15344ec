import { createServer } from "node:http";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import { Store } from "../../src/store/store.ts";
import { freePort } from "../free-port.ts";
import { metaError, StandInMeta } from "../meta.ts";
import { Daemon, until } from "../poller/daemon.ts";
import { read, World, type Ran } from "./world.ts";

/** Nobody answers there, and no name has to be looked up. */
const URL = "https://127.0.0.1:1/webhook";
const DAY_S = 86_400;
const inDays = (days: number) => Math.floor(Date.now() / 1000) + days * DAY_S;

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly hint?: string;
  readonly fixed?: boolean;
}

const checksOf = (ran: Ran) => read(ran)["checks"] as readonly Check[];

/** A number at Meta behind a domain, and no daemon: what concerns our own address fails. */
async function setUp() {
  const stack = new AsyncDisposableStack();
  const world = stack.use(await World.start());
  const meta = stack.use(await StandInMeta.start());
  const gateway = stack.use(await EchoGateway.start());
  meta.number["webhook_configuration"] = { application: URL };
  const env = {
    ...meta.env,
    KAPSO_MODE: "domain",
    WA_WEBHOOK_URL: URL,
    KAPSO_ALLOWED_NUMBERS: "+15551234567",
    OPENCLAW_GATEWAY_URL: gateway.url,
  };
  return {
    world,
    meta,
    env,
    /** No output may ever show a secret, and nothing goes to Kapso. */
    run: async (args: readonly string[], more: Readonly<Record<string, string>> = {}) => {
      const ran = await world.run(args, { env: { ...env, ...more } });
      for (const secret of [meta.token, meta.appSecret, meta.verifyToken])
        expect(ran.out + ran.err).not.toContain(secret);
      expect(world.kapso.requests).toEqual([]);
      return ran;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** The check of this name, without our own address, which can not be reached from here. */
async function checkNamed(set: Awaited<ReturnType<typeof setUp>>, name: string, ...more: string[]) {
  const ran = await set.run(["preflight", "--json", ...more]);
  return { ran, check: checksOf(ran).find((check) => check.name === name) };
}

describe.concurrent("wa-cli preflight with Meta", { timeout: 60_000 }, () => {
  test("each link is checked, and only our own address does not answer", async () => {
    await using set = await setUp();

    const ran = await set.run(["preflight", "--json"]);

    const checks = checksOf(ran);
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual([
      ["config", true],
      ["state", true],
      ["token", true],
      ["rights", true],
      ["number", true],
      ["health", true],
      ["app", true],
      ["callback", true],
      ["gateway", true],
      ["verify", false],
      ["webhook", false],
    ]);
    expect(checks.filter(({ ok }) => ok).every(({ hint }) => hint === undefined)).toBe(true);
    expect(checks.find(({ name }) => name === "token")?.detail).toContain("SYSTEM_USER of app Bakery Bot");
    expect(checks.find(({ name }) => name === "number")?.detail).toBe(
      `+1 555-010-9999 "Ann's Bakery", quality GREEN`,
    );
    expect(checks.find(({ name }) => name === "callback")?.detail).toContain(URL);
    expect(ran.code).toBe(1);
    expect(set.meta.sent).toEqual([]);
    expect(set.meta.receipts).toEqual([]);
    // Looking changes nothing.
    expect(set.meta.requests.every(({ method }) => method === "GET")).toBe(true);
  });

  test("4: a token that is refused, told once with the variable to set", async () => {
    await using set = await setUp();

    const ran = await set.run(["preflight", "--json"], { WHATSAPP_ACCESS_TOKEN: "EAAB-another" });
    const text = await set.run(["preflight"], { WHATSAPP_ACCESS_TOKEN: "EAAB-another" });

    expect([ran.code, text.code]).toEqual([4, 4]);
    const failed = checksOf(ran).filter(({ ok, name }) => !ok && name !== "verify" && name !== "webhook");
    expect(failed).toMatchObject([{ name: "token", hint: expect.stringContaining("WHATSAPP_ACCESS_TOKEN") }]);
    expect(text.out).toMatch(/^✗ token {4}\S/m);
    expect(ran.out + ran.err + text.out + text.err).not.toContain("EAAB-another");
  });

  test.each<readonly [string, Readonly<Record<string, unknown>>, number, string]>([
    ["token", { is_valid: false, error: { code: 190, message: "Session expired" } }, 4, "Session expired"],
    ["rights", { scopes: ["whatsapp_business_messaging"] }, 4, "lacks whatsapp_business_management"],
    ["rights", { scopes: [] }, 4, "whatsapp_business_messaging and whatsapp_business_management"],
  ])("%s %j ends with code %i", async (name, facts, code, words) => {
    await using set = await setUp();
    Object.assign(set.meta.tokenFacts, facts);

    const { ran, check } = await checkNamed(set, name);

    expect(ran.code).toBe(code);
    expect(check).toMatchObject({ ok: false, detail: expect.stringContaining(words) });
    expect(check?.hint).toMatch(/System users/);
  });

  test.each<readonly [string, Readonly<Record<string, unknown>>, boolean]>([
    ["in three days", { expires_at: inDays(3) }, true],
    ["for its data in six", { expires_at: 0, data_access_expires_at: inDays(6) }, true],
    ["in a month", { expires_at: inDays(30), data_access_expires_at: inDays(60) }, false],
    ["nobody says when", { expires_at: undefined, data_access_expires_at: undefined }, false],
  ])("a token that ends soon is a warning: %s", async (_, facts, isWarned) => {
    await using set = await setUp();
    Object.assign(set.meta.tokenFacts, facts);

    const { check } = await checkNamed(set, "token");

    expect(check?.ok).toBe(true);
    expect(check?.hint !== undefined).toBe(isWarned);
  });

  test.each<readonly [Readonly<Record<string, unknown>>, string]>([
    [{ quality_rating: "RED" }, "quality RED"],
    [{ code_verification_status: "NOT_VERIFIED" }, "verification NOT_VERIFIED"],
    [{ name_status: "DECLINED" }, "name DECLINED"],
  ])("a number with %j is a warning with a next step", async (fields, words) => {
    await using set = await setUp();
    Object.assign(set.meta.number, fields);

    const { check } = await checkNamed(set, "number");

    expect(check).toMatchObject({ ok: true, detail: expect.stringContaining(words) });
    expect(check?.hint).toContain("WhatsApp Manager");
  });

  test("a number that is not on the Cloud API fails", async () => {
    await using set = await setUp();
    set.meta.number["platform_type"] = "NOT_APPLICABLE";

    const { check } = await checkNamed(set, "number");

    expect(check).toMatchObject({ ok: false, hint: expect.stringContaining("register it") });
  });

  test("a field that this version of the API does not know spoils nothing", async () => {
    await using set = await setUp();
    delete set.meta.number["is_on_biz_app"];

    const { check } = await checkNamed(set, "number");

    expect(check).toMatchObject({ ok: true, detail: expect.stringContaining("quality GREEN") });
  });

  test("an unknown phone number id, with the variable to set", async () => {
    await using set = await setUp();

    const ran = await set.run(["preflight", "--json"], { WHATSAPP_PHONE_NUMBER_ID: "42" });

    expect(ran.code).toBe(1);
    expect(checksOf(ran).find(({ name }) => name === "number")?.hint).toContain("WHATSAPP_PHONE_NUMBER_ID");
  });

  test("health: BLOCKED fails with Meta's reason and solution, LIMITED is a warning", async () => {
    await using set = await setUp();
    const fault = {
      error_code: 141_006,
      error_description: "There is an error with the payment method",
      possible_solution: "Add a valid payment method",
    };
    const health = (verdict: string, more: object) => ({
      can_send_message: verdict,
      entities: [
        { entity_type: "PHONE_NUMBER", id: "1", can_send_message: "AVAILABLE" },
        { entity_type: "WABA", id: set.meta.account, can_send_message: verdict, ...more },
      ],
    });

    set.meta.number["health_status"] = health("BLOCKED", { errors: [fault] });
    const blocked = await checkNamed(set, "health");
    set.meta.number["health_status"] = health("LIMITED", { additional_info: ["The name is under review"] });
    const limited = await checkNamed(set, "health");

    expect(blocked.ran.code).toBe(1);
    expect(blocked.check).toMatchObject({ ok: false, hint: "Add a valid payment method" });
    expect(blocked.check?.detail).toContain("WABA: There is an error with the payment method (141006)");
    expect(limited.check).toMatchObject({ ok: true, detail: "LIMITED; WABA: The name is under review" });
    expect(limited.check?.hint).toMatch(/\S/);
  });

  test("app: one that is not subscribed fails, --fix subscribes it and says so, and it is done once", async () => {
    await using set = await setUp();
    set.meta.subscribed.splice(0, 1, "another app");

    const before = await checkNamed(set, "app");
    const fixed = await checkNamed(set, "app", "--fix");
    const after = await checkNamed(set, "app", "--fix");

    expect(before.check).toMatchObject({ ok: false, hint: "wa-cli preflight --fix" });
    expect(fixed.check).toMatchObject({ ok: true, fixed: true });
    expect(fixed.check?.detail).toContain("subscribed just now");
    expect(after.check).toMatchObject({ ok: true });
    expect(after.check?.fixed).toBeUndefined();
    expect(set.meta.subscribed).toEqual(["another app", set.meta.app]);
    expect(set.meta.requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  test("app: the account is found by the token's rights when the health does not tell it", async () => {
    await using set = await setUp();
    set.meta.number["health_status"] = { can_send_message: "AVAILABLE" };

    const found = await checkNamed(set, "app");
    set.meta.tokenFacts["granular_scopes"] = [];
    const lost = await checkNamed(set, "app");

    expect(found.check).toMatchObject({ ok: true, detail: expect.stringContaining(set.meta.account) });
    expect(lost.check).toMatchObject({ ok: false, hint: expect.stringContaining("System users") });
  });

  test.each<readonly [Readonly<Record<string, string>>, string]>([
    [{}, "no callback URL"],
    [
      { application: "https://old.example.com/webhook?key=4711" },
      "https://old.example.com/webhook (the app's)",
    ],
    [{ application: URL, phone_number: "https://b.example.com/x" }, "an override for the number"],
    [
      { application: URL, whatsapp_business_account: "https://b.example.com/x" },
      "an override for the account",
    ],
  ])("callback: %j is not our address", async (configuration, words) => {
    await using set = await setUp();
    set.meta.number["webhook_configuration"] = configuration;

    const { ran, check } = await checkNamed(set, "callback");

    expect(check).toMatchObject({ ok: false, detail: expect.stringContaining(words) });
    expect(check?.hint).toMatch(/\S/);
    expect(ran.out).not.toContain("4711");
  });

  test("7: Meta does not answer, and the gateway is checked all the same", async () => {
    await using set = await setUp();
    set.meta.fault = () => ({ status: 503, body: "<html>" });

    const ran = await set.run(["preflight", "--json"]);

    expect(ran.code).toBe(7);
    expect(checksOf(ran).find(({ name }) => name === "gateway")?.ok).toBe(true);
  });

  test.each([
    [190, 4],
    [10, 4],
    [4, 7],
    [100, 1],
  ])("code %i of Meta's on the first call ends with %i", async (code, exitCode) => {
    await using set = await setUp();
    set.meta.fault = ({ kind }) => (kind === "token" ? metaError(code) : undefined);

    const ran = await set.run(["preflight", "--json"]);

    expect(ran.code).toBe(exitCode);
    expect(checksOf(ran).find(({ name }) => name === "token")?.hint).toMatch(/\S/);
    // Only a token that is refused, or a service that is down, says all that can be said.
    expect(checksOf(ran).some(({ name }) => name === "number")).toBe(code === 100);
  });

  test("3: what wa-poller would refuse is told with its key", async () => {
    await using set = await setUp();

    const ran = await set.run(["preflight", "--json"], {
      KAPSO_MODE: "",
      WHATSAPP_APP_SECRET: "",
      WHATSAPP_VERIFY_TOKEN: "",
    });

    expect(ran.code).toBe(3);
    const details = checksOf(ran).flatMap(({ name, detail }) => (name === "inbound" ? [detail] : []));
    expect(details).toHaveLength(3);
    for (const [index, key] of ["delivery.mode", "meta.app_secret", "meta.verify_token"].entries())
      expect(details[index]).toContain(key);
    expect(checksOf(ran).find(({ name }) => name === "token")?.ok).toBe(true);
  });

  test("0: everything is ready when the address leads to the daemon of this state", async () => {
    await using set = await setUp();
    const { world, meta } = set;
    const port = await freePort();
    await using daemon = new Daemon({
      kapso: world.kapso,
      gateway: { url: set.env.OPENCLAW_GATEWAY_URL },
      env: { ...set.env, KAPSO_WEBHOOK_ADDR: `127.0.0.1:${port}`, KAPSO_STATE_DIR: world.state },
    });
    daemon.start();
    await until("it listens", () => daemon.log.includes("listening for webhooks"));
    // In place of a domain: a Funnel on this machine, whose address a configuration does not give.
    const url = `http://127.0.0.1:${port}/webhook`;
    using store = Store.open(world.state);
    await store.facts.set("funnel", JSON.stringify({ kind: "up", message: "", url }), Date.now());
    meta.number["webhook_configuration"] = { application: url };
    const more = { KAPSO_MODE: "tailscale", WA_WEBHOOK_URL: "" };

    const ran = await set.run(["preflight", "--json"], more);
    const text = await set.run(["preflight"], more);
    const other = await set.run(["preflight", "--json"], { ...more, WHATSAPP_VERIFY_TOKEN: "not-that-word" });
    const wrong = await set.run(["preflight", "--json"], { ...more, WHATSAPP_APP_SECRET: "not-that-secret" });

    expect(checksOf(ran).filter(({ ok }) => !ok)).toEqual([]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(read(ran)["ok"]).toBe(true);
    expect(text.out).toMatch(/Everything is ready\n$/);
    expect(text.out.match(/✓/g)).toHaveLength(11);
    expect(checksOf(other).find(({ ok }) => !ok)).toMatchObject({
      name: "verify",
      detail: expect.stringContaining("refuses our verify token"),
    });
    expect(checksOf(wrong).find(({ ok }) => !ok)).toMatchObject({
      name: "webhook",
      detail: expect.stringContaining("refuses our signature"),
    });
    expect(daemon.log).not.toContain(meta.token);
  });

  test("verify: something else that answers 200 is not taken for wa-poller", async () => {
    await using set = await setUp();
    const server = createServer((_, response) => response.end("OK")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    using store = Store.open(set.world.state);
    const url = `http://127.0.0.1:${port}/webhook`;
    await store.facts.set("funnel", JSON.stringify({ kind: "up", message: "", url }), Date.now());

    const ran = await set.run(["preflight", "--json"], { KAPSO_MODE: "tailscale", WA_WEBHOOK_URL: "" });
    server.close();

    expect(checksOf(ran).find(({ name }) => name === "verify")).toMatchObject({
      ok: false,
      detail: expect.stringContaining("not with the challenge"),
    });
  });
});

describe("wa-cli with Meta", () => {
  test.each([["list"], ["register"], ["remove"]])("2: webhook %s, with where to set it", async (command) => {
    await using set = await setUp();

    const ran = await set.run(["webhook", command, "--json"]);

    expect(ran.code).toBe(2);
    expect(read(ran)["hint"]).toContain("app dashboard");
    expect(set.meta.requests).toEqual([]);
  });

  test("preflight --help shows --fix with an example", async () => {
    await using set = await setUp();

    const ran = await set.run(["preflight", "--help"]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toContain("wa-cli preflight --fix --json");
  });

  test.each<readonly [number, number]>([
    [131_047, 5],
    [131_026, 5],
    [190, 4],
    [131_056, 7],
  ])("send: code %i of Meta's ends with %i", async (code, exitCode) => {
    await using set = await setUp();
    set.meta.fault = ({ kind }) => (kind === "send" ? metaError(code) : undefined);

    const ran = await set.run(["send", "--to", "+15551234567", "--text", "hi", "--timeout", "2", "--json"]);

    expect(ran.code).toBe(exitCode);
  });

  test("send: a number goes into `to`, a user id into `recipient`", async () => {
    await using set = await setUp();

    const phone = await set.run(["send", "--to", "+15551234567", "--text", "hi"]);
    const id = await set.run(["send", "--to", "US.4400110022", "--text", "hi"]);

    expect([phone.code, id.code]).toEqual([0, 0]);
    expect(set.meta.sent.map(({ body: { to, recipient } }) => [to, recipient])).toEqual([
      ["+15551234567", undefined],
      [undefined, "US.4400110022"],
    ]);
    expect(set.meta.swallowed).toEqual([]);
  });

  test("send: a lost answer is an unknown outcome, and is not sent again", async () => {
    await using set = await setUp();
    set.meta.fault = ({ kind }) => (kind === "send" ? { reset: true, afterEffect: true } : undefined);

    const ran = await set.run(["send", "--to", "+15551234567", "--text", "hi", "--timeout", "5", "--json"]);

    expect(ran.code).toBe(6);
    expect(set.meta.sent).toHaveLength(1);
  });
});
