import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { EchoOptions } from "../../src/sandbox/gateway.ts";
import { freePort } from "../free-port.ts";
import { metaError, StandInMeta } from "../meta.ts";
import {
  ANN,
  ANN_ID,
  metaBody,
  metaChange,
  metaContact,
  metaFile,
  metaMessage,
  metaStatus,
  type Fields,
} from "../webhook-bodies.ts";
import { pause, until, type Daemon } from "./daemon.ts";
import { createWorld } from "./world.ts";

const now = () => String(Math.floor(Date.now() / 1000));

interface Setup {
  readonly env?: Readonly<Record<string, string>>;
  readonly echo?: EchoOptions;
}

/** A daemon that knows Meta by the four WHATSAPP_* variables, and Kapso not at all. */
async function setUp({ env = {}, echo }: Setup = {}) {
  const stack = new AsyncDisposableStack();
  const meta = stack.use(await StandInMeta.start());
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const world = stack.use(
    await createWorld({
      env: { ...meta.env, KAPSO_MODE: "domain", KAPSO_WEBHOOK_ADDR: address, ...env },
      ...(echo && { echo }),
    }),
  );
  const url = `http://${address}/webhook`;
  return {
    ...world,
    meta,
    url,
    start: async () => {
      world.daemon.start();
      await until("it listens", () => world.daemon.log.includes("listening for webhooks"));
      // The port is taken before the paths are served.
      while ((await fetch(url)).status !== 403) await pause(20);
    },
    /** One message in a signed webhook. Resolves with the status. */
    write: async (message: Fields = {}, contact: Fields = {}) =>
      meta.deliver(url, received(metaMessage({ timestamp: now(), ...message }), contact)),
    status: async (wamid: string, status: string, more: Fields = {}) =>
      meta.deliver(
        url,
        metaBody(metaChange({ statuses: [metaStatus({ id: wamid, status, timestamp: now(), ...more })] })),
      ),
    [Symbol.asyncDispose]: async () => {
      // No key may be in any log, and nothing may have gone to Kapso.
      for (const secret of [meta.token, meta.appSecret, meta.verifyToken])
        expect(world.daemon.log).not.toContain(secret);
      expect(world.kapso.requests).toEqual([]);
      await stack[Symbol.asyncDispose]();
    },
  };
}

function received(message: Fields, contact: Fields = {}): Fields {
  return metaBody(metaChange({ contacts: [metaContact(contact)], messages: [message] }));
}

describe.concurrent("wa-poller with Meta", { timeout: 120_000 }, () => {
  test("a signed message is asked of the agent once, and its answer goes to the number with a plus", async () => {
    await using world = await setUp();
    const { meta, gateway } = world;
    await world.start();
    const message = metaMessage({ timestamp: now(), text: { body: "Über 50 % / “grüße”? 😀" } });

    const statuses = [
      await meta.deliver(world.url, received(message)),
      await meta.deliver(world.url, received(message)),
    ];
    await until("an answer", () => meta.sent.length === 1);
    await until("a receipt", () => meta.receipts.length > 0);
    await pause(300);

    expect(statuses).toEqual([200, 200]);
    expect(gateway.asked).toHaveLength(1);
    expect(gateway.asked[0]?.message).toContain("Über 50 % / “grüße”? 😀");
    expect(meta.sent).toHaveLength(1);
    expect(meta.sent[0]).toMatchObject({
      to: `+${ANN}`,
      text: `re ${gateway.asked[0]?.message}`,
      body: { messaging_product: "whatsapp", recipient_type: "individual", type: "text" },
    });
    expect(meta.sent[0]?.body).not.toHaveProperty("recipient");
    expect(meta.sent[0]?.trackingId).toMatch(/\S/);
    expect(meta.receipts[0]).toEqual({ wamid: message["id"], typing: true });
  });

  test("GET verification answers the challenge to who knows the token, and to nobody else", async () => {
    await using world = await setUp();
    const { meta, url } = world;
    await world.start();
    const ask = async (mode: string, token: string) => {
      const query = new URLSearchParams({
        "hub.mode": mode,
        "hub.challenge": "1158201444",
        "hub.verify_token": token,
      });
      const response = await fetch(`${url}?${query.toString()}`);
      return [response.status, await response.text()];
    };

    const [right, wrong, empty, other] = await Promise.all([
      ask("subscribe", meta.verifyToken),
      ask("subscribe", "another word"),
      ask("subscribe", ""),
      ask("unsubscribe", meta.verifyToken),
    ]);

    expect(right).toEqual([200, "1158201444"]);
    for (const refused of [wrong, empty, other]) {
      expect(refused?.[0]).toBe(403);
      expect(refused?.[1]).not.toContain("1158201444");
    }
  });

  test.each<readonly [string, Readonly<Record<string, string>>, string]>([
    ["polling", { KAPSO_MODE: "polling" }, "delivery.mode (KAPSO_MODE)"],
    ["no app secret", { WHATSAPP_APP_SECRET: "" }, "meta.app_secret"],
    ["no verify token", { WHATSAPP_VERIFY_TOKEN: "" }, "meta.verify_token"],
    ["no phone number id", { WHATSAPP_PHONE_NUMBER_ID: "" }, "meta.phone_number_id"],
  ])("%s is refused with the key's name, before anything is asked of anybody", async (_, env, key) => {
    await using world = await setUp({ env });

    world.daemon.start();
    const code = await world.daemon.exited();

    expect(code).toBe(3);
    expect(world.daemon.log).toContain(key);
    expect(world.meta.requests).toEqual([]);
  });

  test("unsigned, forged and altered bodies are refused, and nothing happens", async () => {
    await using world = await setUp();
    const { meta, url, gateway, daemon } = world;
    await world.start();
    const body = JSON.stringify(received(metaMessage({ timestamp: now(), text: { body: "!shell" } })));
    const post = async (headers: Readonly<Record<string, string>>) =>
      (await fetch(url, { method: "POST", headers, body })).status;

    const statuses = [
      await post({}),
      await post({ "x-hub-signature-256": "sha256=" }),
      await post({ "x-hub-signature-256": `sha256=${"0".repeat(64)}` }),
    ];
    await pause(500);

    expect(statuses).toEqual([401, 401, 401]);
    expect(gateway.asked).toEqual([]);
    expect(meta.requests).toEqual([]);
    expect(inbox(daemon)).toBe(0);
    expect(daemon.log).not.toContain("!shell");
  });

  test("what was signed for another number is none of ours", async () => {
    await using world = await setUp();
    await world.start();
    const change = metaChange({
      metadata: { display_phone_number: "15550108888", phone_number_id: "4711" },
      contacts: [metaContact()],
      messages: [metaMessage({ timestamp: now() })],
    });

    const status = await world.meta.deliver(world.url, metaBody(change));
    await pause(300);

    expect(status).toBe(200);
    expect(world.gateway.asked).toEqual([]);
  });

  test("P9: a picture is fetched with the token from Meta only, also when its first address is somebody else's", async () => {
    await using world = await setUp();
    await using thief = await Thief.start();
    const { meta, gateway, daemon } = world;
    await world.start();
    const id = meta.media.add({ bytes: PNG, mimeType: "image/png" });

    await world.write({
      type: "image",
      text: undefined,
      image: metaFile("image/png", { id, url: `${thief.url}/attachments/?mid=${id}`, caption: "our table" }),
    });
    await until("an answer", () => meta.sent.length === 1);

    expect(thief.seen).toEqual([]);
    const download = meta.requests.find(({ kind }) => kind === "download");
    expect(download?.token).toBe(meta.token);
    expect(gateway.asked[0]?.message).toContain("our table");
    const path = new RegExp(`${daemon.folder}/\\S+\\.png`).exec(gateway.asked[0]?.message ?? "")?.[0] ?? "";
    expect(readFileSync(path)).toEqual(PNG);
  });

  test("P9: a redirect away from Meta takes the token nowhere", async () => {
    await using world = await setUp();
    await using thief = await Thief.start();
    const { meta } = world;
    await world.start();
    const id = meta.media.add({ bytes: PNG, mimeType: "image/png" });
    meta.fault = ({ kind }) =>
      kind === "download" ? { status: 302, headers: { Location: `${thief.url}/there` } } : undefined;

    await world.write({
      type: "image",
      text: undefined,
      image: metaFile("image/png", { id, url: meta.addressOf(id) }),
    });
    await until("an answer", () => meta.sent.length === 1, 60_000);

    expect(thief.seen).toEqual([]);
  });

  test("an address that ran out is asked for anew by the file's id", async () => {
    await using world = await setUp();
    const { meta, gateway } = world;
    await world.start();
    const id = meta.media.add({ bytes: PNG, mimeType: "image/png" });
    meta.mediaMs = 0;
    const url = meta.addressOf(id);
    meta.mediaMs = 300_000;

    await world.write({ type: "image", text: undefined, image: metaFile("image/png", { id, url }) });
    await until("an answer", () => meta.sent.length === 1);

    expect(
      meta.requests.map(({ kind }) => kind).filter((kind) => kind === "download" || kind === "media"),
    ).toEqual(["download", "media", "download"]);
    expect(gateway.asked[0]?.message).toContain(".png");
  });

  test("who shows no number is answered by the user id in `recipient`, never in `to`", async () => {
    await using world = await setUp();
    const { meta } = world;
    await world.start();

    await world.write({ from: undefined, text: { body: "hello" } }, { wa_id: undefined });
    await until("an answer", () => meta.sent.length === 1);

    expect(meta.sent[0]?.body).toMatchObject({ recipient: ANN_ID, recipient_type: "individual" });
    expect(meta.sent[0]?.body).not.toHaveProperty("to");
    expect(meta.swallowed).toEqual([]);
  });

  test.each([["lose"], ["reset"]] as const)(
    "P7: a send whose answer is lost (%s) is settled by its status, and not repeated",
    async (how) => {
      await using world = await setUp({ env: { WA_SETTLE: "1s" } });
      const { meta, daemon } = world;
      await world.start();
      meta.fault = ({ kind }) => (kind === "send" ? { [how]: true, afterEffect: true } : undefined);
      await world.write();
      await until("a doubt", () => outbox(daemon).some(({ state }) => state === "doubt"));
      meta.fault = () => undefined;
      await pause(4000); // long after WA_SETTLE
      const before = outbox(daemon).map(({ state }) => state);
      const [sent] = meta.sent;

      await world.status(sent?.wamid ?? "", "sent", { biz_opaque_callback_data: sent?.trackingId });
      await world.status(sent?.wamid ?? "", "delivered", { biz_opaque_callback_data: sent?.trackingId });
      await world.write({ text: { body: "and now?" } });
      await until("the next answer", () => meta.sent.length > 1);
      await pause(500);

      expect(before).toEqual(["doubt"]);
      expect(meta.sent).toHaveLength(2);
      expect(outbox(daemon).map(({ state, status, wamid }) => [state, status, wamid])).toEqual([
        ["accepted", "delivered", sent?.wamid],
        ["accepted", null, meta.sent[1]?.wamid],
      ]);
      expect(daemon.log).toContain("send of unknown outcome was accepted");
    },
  );

  test.each([[130_429], [131_056]])(
    "a rate limit is HTTP 400 with %i: it waits and goes on",
    async (code) => {
      await using world = await setUp();
      const { meta, daemon } = world;
      await world.start();
      let left = 2;
      meta.fault = ({ kind }) => (kind === "send" && left-- > 0 ? metaError(code) : undefined);

      await world.write({ text: { body: "one" } });
      await world.write({ text: { body: "two" } });
      await until("both answers", () => meta.sent.length === 2, 60_000);

      expect(meta.sent.map(({ text }) => text)).toEqual(["re one", "re two"]);
      expect(daemon.log).toContain("message not sent yet, will try again");
      await until("both accepted", () => outbox(daemon).every(({ state }) => state === "accepted"));
    },
  );

  test.each([
    [131_047, "only a template can be sent"],
    [131_026, "the recipient can not receive it"],
  ])(
    "a send that is refused with %i is given up with its remedy, and the next one goes out",
    async (code, words) => {
      await using world = await setUp();
      const { meta, daemon } = world;
      await world.start();
      let isFirst = true;
      meta.fault = ({ kind }) => {
        if (kind !== "send" || !isFirst) return undefined;
        isFirst = false;
        return metaError(code);
      };

      await world.write({ text: { body: "one" } });
      await until("given up", () => outbox(daemon).some(({ state }) => state === "dead"));
      await world.write({ text: { body: "two" } });
      await until("the next answer", () => meta.sent.length === 1);

      expect(meta.sent[0]?.text).toBe("re two");
      expect(outbox(daemon)[0]).toMatchObject({ state: "dead", code: String(code) });
      expect(daemon.log).toContain(words);
    },
  );

  test("a token that ran out stops sending without losing anything, and a restart with a new one goes on", async () => {
    await using world = await setUp();
    const { meta, daemon } = world;
    await world.start();
    meta.fault = ({ kind }) => (kind === "send" ? metaError(190) : undefined);

    await world.write({ text: { body: "one" } });
    await until("it is told", () => daemon.log.includes("WHATSAPP_ACCESS_TOKEN"));
    await daemon.stop("SIGTERM");
    meta.fault = () => undefined;
    daemon.start();
    await until("the answer", () => meta.sent.length === 1, 60_000);

    expect(meta.sent.map(({ text }) => text)).toEqual(["re one"]);
  });
});

/** A PNG of one pixel. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

/** A server that nobody should ask for a file. */
class Thief implements AsyncDisposable {
  readonly seen: IncomingMessage["headers"][] = [];
  readonly #server = createServer((request, response) => {
    this.seen.push(request.headers);
    response.end(PNG);
  });

  static async start(): Promise<Thief> {
    const thief = new Thief();
    thief.#server.listen(0, "127.0.0.1");
    await once(thief.#server, "listening");
    return thief;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function outbox(daemon: Daemon) {
  return rows(daemon, "SELECT state, status, code, wamid FROM outbox ORDER BY id");
}

function inbox(daemon: Daemon): number {
  return rows(daemon, "SELECT wamid FROM inbox").length;
}

function rows({ folder }: Daemon, query: string) {
  const db = new DatabaseSync(join(folder, "state", "relay.db"), { readOnly: true });
  try {
    return db.prepare(query).all();
  } finally {
    db.close();
  }
}
