import { execFile } from "node:child_process";
import { linkSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { freePort } from "../free-port.ts";
import { PNG } from "../media/stand-in.ts";
import { StandInAgent } from "./agent.ts";
import { Daemon, pause, until } from "./daemon.ts";
import { setUp } from "./http-world.ts";
import { person } from "./world.ts";

const TOKEN = "bridge-token-4711";

const HOSTILE: readonly (readonly [string, unknown])[] = [
  ["no JSON", "to=1&text=2"],
  ["nothing", ""],
  ["a list", []],
  ["null", "null"],
  ["deeply nested", "[".repeat(100_000)],
  ["no recipient", { text: "x" }],
  ["no text", { to: person(1) }],
  ["an empty text", { to: person(1), text: "  \n" }],
  ["a recipient that is an object", { to: { $ne: "" }, text: "x" }],
  ["a group", { to: "120363040468224422@g.us", text: "x" }],
  ["a national number", { to: "(555) 123-4567", text: "x" }],
  ["two numbers", { to: `${person(1)},${person(2)}`, text: "x" }],
  ["a line break in a number", { to: `${person(1)}\n${person(2)}`, text: "x" }],
  ["a text of another type", { to: person(1), text: ["x"] }],
  ["far too long a text", { to: person(1), text: "x".repeat(70_000) }],
  ["a reply to a whole novel", { to: person(1), text: "x", replyTo: "w".repeat(10_000) }],
];

const silent = (daemon: Daemon) => daemon.log.split('"state":"passed"').length - 1;

describe.concurrent("wa-poller with an agent that speaks HTTP", { timeout: 90_000 }, () => {
  test("a message arrives in exactly the agent's shape, is settled by its 2xx, and its answer is sent", async () => {
    await using world = await setUp({ env: { GATEWAY_TOKEN: "the-secret" } });
    const { kapso, agent, daemon, post } = world;
    const sentAt = Math.floor(Date.now() / 1000) * 1000;
    const wamid = kapso.receive({ from: person(1), text: "hello **you**", sentAt });

    daemon.start();
    await until("the message", () => agent.posts.length === 1);
    await until("it is settled", () => silent(daemon) === 1);
    const sent = await post("/send", {
      to: agent.posts[0]?.body["from"],
      text: "hi *there*",
      replyTo: wamid,
    });

    expect(agent.posts[0]).toMatchObject({
      path: "/api/whatsapp/webhook",
      headers: { "x-webhook-secret": "the-secret", "content-type": "application/json" },
    });
    expect(agent.posts[0]?.body).toEqual({
      from: `+${person(1)}`,
      messageId: wamid,
      text: "hello **you**",
      timestamp: sentAt,
      senderId: person(1),
    });
    expect(sent).toMatchObject({
      status: 200,
      answer: { success: true, status: "accepted", messageId: kapso.sent[0]?.wamid },
    });
    // As it was written: the agent knows WhatsApp's own markup.
    expect(kapso.sent).toMatchObject([{ to: person(1), text: "hi *there*", quotes: wamid }]);
    expect(daemon.log).not.toContain("the-secret");
  });

  test("a picture has an address at which the agent gets its bytes, and nobody without its key", async () => {
    await using world = await setUp();
    const { kapso, agent, bridge, start } = world;
    await start();
    const id = kapso.media.add({ bytes: PNG, mimeType: "image/png" });
    kapso.receive({
      from: person(1),
      fields: { type: "image", image: { id, caption: "my dog" }, text: undefined },
    });
    await until("the message", () => agent.posts.length === 1);

    const media = agent.posts[0]?.body["media"] as Record<string, string>;
    const { url = "" } = media;
    const found = await fetch(url);
    const bytes = Buffer.from(await found.arrayBuffer());
    const foreign = await Promise.all(
      [
        url.replace(/.$/, "_"),
        url.replace(/\?.*/, ""),
        `${bridge}/media/..%2frelay.db?key=x`,
        `${bridge}/media/`,
      ].map(async (each) => (await fetch(each)).status),
    );

    expect(agent.posts[0]?.body).toMatchObject({ text: "my dog" });
    expect(media).toEqual({
      url: expect.stringMatching(new RegExp(`^${bridge}/media/[0-9a-f]{32}\\.png\\?key=`)),
      mimetype: "image/png",
      filename: expect.stringMatching(/\.png$/),
      size: PNG.length,
    });
    expect(found.headers.get("content-type")).toBe("image/png");
    expect(bytes).toEqual(PNG);
    expect(foreign).toEqual([404, 404, 404, 404]);
  });

  test("a reaction is passed on by itself, with the id that the agent was told when it sent", async () => {
    await using world = await setUp();
    const { kapso, agent, post, start } = world;
    await start();
    const { answer } = await post("/send", { to: person(1), text: "Delete all? 👍 or 👎" });
    const target = answer["messageId"];
    for (const emoji of ["👍", ""])
      kapso.receive({
        from: person(1),
        fields: { type: "reaction", reaction: { message_id: target, emoji }, text: undefined },
      });

    await until("both", () => agent.posts.length === 2);

    expect(agent.posts.map(({ body }) => body)).toEqual(
      ["👍", ""].map((reaction) => ({
        from: `+${person(1)}`,
        messageId: expect.any(String),
        reaction,
        reactsToMessageId: target,
        timestamp: expect.any(Number),
        senderId: person(1),
      })),
    );
  });

  test("P1, P3: an agent that is down gets everything once it is there, in order for each person, and once", async () => {
    await using world = await setUp({ isUp: false });
    const { kapso, agent, daemon, bridge } = world;
    for (let index = 0; index < 30; index++)
      kapso.receive({ from: person(index % 3), text: `${index}`, sentAt: Date.now() - 1000 + index });
    daemon.start();
    await until("it is missed", () => daemon.log.includes("agent not connected, messages are kept"));
    const health = await fetch(`${bridge}/health`);

    await agent.start();
    await until("all are settled", () => silent(daemon) === 30);

    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ connected: false, parts: { gateway: { ok: false } } });
    for (const each of [0, 1, 2]) {
      const own = agent.posts.filter(({ body }) => body["senderId"] === person(each));
      expect(own.map(({ body }) => Number(body["text"]))).toEqual(
        Array.from({ length: 10 }, (_, index) => index * 3 + each),
      );
    }
    expect((await fetch(`${bridge}/health`)).status).toBe(200);
  });

  test("wa-cli status tells where the agent sends to", async () => {
    await using world = await setUp();
    await world.start();
    const cli = join(import.meta.dirname, "../../cli/bin.ts");

    const { stdout } = await promisify(execFile)(process.execPath, [cli, "status"], {
      env: world.daemon.env,
    });

    expect(stdout).toMatch(new RegExp(`^bridge +listening: Agents send to ${world.bridge}$`, "m"));
  });

  test("500, a broken connection and Retry-After: the same message again, and nothing of this person before it", async () => {
    await using world = await setUp();
    const { kapso, agent, daemon } = world;
    let failures = 3;
    agent.answer = ({ body }) => {
      if (body["senderId"] !== person(1) || failures === 0) return undefined;
      failures--;
      return [{ status: 503, headers: { "Retry-After": "2" } }, { isBroken: true }, { status: 500 }][
        failures
      ];
    };
    for (const text of ["one", "two"]) kapso.receive({ from: person(1), text, sentAt: Date.now() });
    kapso.receive({ from: person(2), text: "other", sentAt: Date.now() });

    daemon.start();
    await until("all are settled", () => silent(daemon) === 3);

    const own = agent.posts.filter(({ body }) => body["senderId"] === person(1));
    expect(own.map(({ body }) => body["text"])).toEqual(["one", "one", "one", "one", "two"]);
    expect(new Set(own.map(({ body }) => body["messageId"])).size).toBe(2);
    expect((own[3]?.at ?? 0) - (own[2]?.at ?? 0)).toBeGreaterThan(1900);
    // Others do not wait for it.
    expect(agent.posts.findIndex(({ body }) => body["text"] === "other")).toBeLessThan(4);
  });

  test("a slow agent is waited for; kill -9 in between brings the message again under its id", async () => {
    await using world = await setUp();
    const { kapso, agent, daemon } = world;
    agent.answer = () => ({ delayMs: 3000 });
    const wamid = kapso.receive({ from: person(1), text: "take your time" });
    daemon.start();
    await until("the message", () => agent.posts.length === 1);

    await daemon.stop("SIGKILL");
    daemon.start();
    await until("it is settled", () => silent(daemon) === 1);
    await pause(1500);

    expect(agent.posts.map(({ body }) => body["messageId"])).toEqual([wamid, wamid]);
  });

  test("P8: SIGTERM while the agent works: it is heard out, what it sends leaves, and nothing is posted again", async () => {
    await using world = await setUp();
    const { kapso, agent, daemon, post } = world;
    agent.answer = () => ({ delayMs: 2500 });
    kapso.receive({ from: person(1), text: "wait" });
    daemon.start();
    await until("the message", () => agent.posts.length === 1);

    const stopped = daemon.stop("SIGTERM");
    await until("it stops", () => daemon.log.includes('"stopping"'));
    const sent = await post("/send", { to: person(1), text: "done" });

    expect(await stopped).toBe(0);
    expect(sent).toMatchObject({ status: 200, answer: { status: "accepted" } });
    expect(kapso.sent.map(({ text }) => text)).toEqual(["done"]);
    daemon.start();
    await until("polling", () => daemon.log.split("polling works").length === 3);
    await pause(500);
    expect(agent.posts).toHaveLength(1);
  });

  test("a message that the agent will never take is given up, and holds up nobody", async () => {
    await using world = await setUp({ env: { GATEWAY_ERROR_MESSAGE: "Sorry" } });
    const { kapso, agent, daemon } = world;
    agent.answer = ({ body }) => (body["text"] === "bad" ? { status: 422 } : undefined);
    for (const text of ["bad", "good"]) kapso.receive({ from: person(1), text, sentAt: Date.now() });

    daemon.start();
    await until("the other", () => agent.texts.includes("good"), 60_000);
    await until("the notice", () => kapso.sent.length > 0);

    expect(agent.texts).toEqual([...Array.from({ length: 5 }, () => "bad"), "good"]);
    expect(kapso.sent.map(({ text }) => text)).toEqual(["Sorry"]);
  });

  test("a wrong secret is told with the next step, and the message is kept", async () => {
    await using world = await setUp({ env: { GATEWAY_TOKEN: "wrong" } });
    const { kapso, agent, daemon } = world;
    agent.answer = ({ headers }) => (headers["x-webhook-secret"] === "right" ? undefined : { status: 401 });
    kapso.receive({ from: person(1), text: "hello" });

    daemon.start();
    await until("the refusal", () => daemon.log.includes("The agent answered HTTP 401"));
    await until("the next step", () => daemon.log.includes("set gateway.token"));

    expect(silent(daemon)).toBe(0);
  });

  test("P4: a stranger's message reaches no agent", async () => {
    await using world = await setUp({
      env: { KAPSO_SECURITY_MODE: "allowlist", KAPSO_ALLOWED_NUMBERS: person(1) },
    });
    const { kapso, agent, daemon } = world;
    kapso.receive({ from: person(2), text: "let me in" });
    kapso.receive({
      from: person(2),
      fields: { type: "reaction", reaction: { message_id: "x", emoji: "👍" }, text: undefined },
    });
    kapso.receive({ from: person(1), text: "hello" });

    daemon.start();
    await until("the message", () => agent.posts.length === 1);
    await until("the others are settled", () => daemon.log.split('"state":"denied"').length === 3);

    expect(agent.texts).toEqual(["hello"]);
  });
});

describe.concurrent("what an agent sends", { timeout: 90_000 }, () => {
  test("a file by path or base64, with caption and name; and none from elsewhere", async () => {
    await using world = await setUp({ env: { WA_MEDIA_SEND_FROM: "~/workspace,~/.config" } });
    const { kapso, daemon, post, start } = world;
    await start();
    writeFileSync(join(daemon.folder, "workspace", "chart.png"), PNG);
    const key = join(daemon.folder, ".config", "wa-relay", "kapso-api-key");
    mkdirSync(dirname(key), { recursive: true });
    writeFileSync(key, "sk-4711");
    linkSync(key, join(daemon.folder, "workspace", "key.txt"));
    const to = person(1);

    const answers = [
      await post("/send-media", { to, path: "chart.png", caption: "Sales" }),
      await post("/send-media", {
        to,
        base64: PNG.toString("base64"),
        mimetype: "image/png",
        filename: "a.png",
      }),
      await post("/send-media", { to, media: { base64: `data:image/png;base64,${PNG.toString("base64")}` } }),
      await post("/send-media", {
        to,
        base64: Buffer.from("a,b\n1,2\n").toString("base64"),
        filename: "../x/t.csv",
      }),
      await post("/send-media", { to, path: "/etc/hostname" }),
      await post("/send-media", { to, path: key }),
      await post("/send-media", { to, path: "key.txt" }),
      await post("/send-media", { to, url: `${world.bridge}/health` }),
      await post("/send-media", { to, url: "file:///etc/hostname" }),
      await post("/send-media", { to }),
    ];

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 422, 422, 422, 422, 422, 400]);
    expect(kapso.sent.map(({ text, media }) => [text, media?.type, media?.filename])).toEqual([
      ["Sales", "image", undefined],
      ["", "image", undefined],
      ["", "image", undefined],
      ["", "document", "t.csv"],
    ]);
    expect(kapso.media.uploads).toHaveLength(4);
    expect(JSON.stringify(kapso.requests)).not.toContain("..");
    expect(answers[4]?.answer["error"]).toMatch(/^The file was not sent: /);
  });

  test("a long text is sent in parts, whose ids the agent gets; Markdown is converted when it says so", async () => {
    await using world = await setUp();
    const { kapso, post, start } = world;
    await start();

    const long = await post("/send", { to: person(1), text: "word ".repeat(1500) });
    const marked = await post("/send", {
      to: `${person(1)}:12@s.whatsapp.net`,
      text: "**bold**",
      markdown: true,
    });

    expect(kapso.sent.map(({ wamid }) => wamid)).toEqual([
      ...(long.answer["messageIds"] as string[]),
      marked.answer["messageId"],
    ]);
    expect((long.answer["messageIds"] as string[]).length).toBe(2);
    expect(kapso.sent.at(-1)?.text).toBe("*bold*");
  });

  test("P7: what WhatsApp refuses is an error, what waits is not, and is sent once", async () => {
    await using world = await setUp();
    const { kapso, post, start } = world;
    await start();
    kapso.fault = ({ kind }) =>
      kind === "send"
        ? { status: 400, body: JSON.stringify({ error: { code: 131047, message: "closed" } }) }
        : undefined;
    const refused = await post("/send", { to: person(1), text: "late" });
    let failures = 1;
    kapso.fault = ({ kind }) =>
      kind === "send" && failures-- > 0 ? { status: 429, headers: { "Retry-After": "25" } } : undefined;
    const waits = await post("/send", { to: person(2), text: "soon" });
    await until("it is sent", () => kapso.sent.length === 1, 40_000);

    expect(refused).toMatchObject({
      status: 422,
      answer: { success: false, status: "failed", messageId: null },
    });
    expect(waits).toMatchObject({
      status: 202,
      answer: { success: true, status: "queued", messageId: null },
    });
    expect(kapso.sent.map(({ text }) => text)).toEqual(["soon"]);
  });

  test("hostile bodies are answered with 400 and send nothing", async () => {
    await using world = await setUp();
    const { kapso, post, start } = world;
    await start();

    for (const [what, body] of HOSTILE) {
      const { status, answer } = await post("/send", body);
      expect([what, status, answer["success"]]).toEqual([what, 400, false]);
    }

    expect(kapso.requests.filter(({ kind }) => kind === "send")).toEqual([]);
  });

  test("with a token nothing goes without it, and no body is read for a wrong one", async () => {
    await using world = await setUp({ env: { WA_BRIDGE_TOKEN: TOKEN } });
    const { kapso, daemon, bridge, post, start } = world;
    await start();
    const message = { to: person(1), text: "hi" };

    const refused = [
      await post("/send", message),
      await post("/send", message, { Authorization: "Bearer wrong" }),
      await post("/send", message, { Authorization: `Basic ${TOKEN}` }),
      await post("/send-media", message, { "X-Webhook-Secret": `${TOKEN}x` }),
      await post(`/send?token=${TOKEN}`, message),
    ];
    const { port } = new URL(bridge);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(`POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n{`);
    const early = await readAll(socket);
    const let1 = await post("/send", message, {
      Authorization: `Bearer ${TOKEN}`,
      Host: "elsewhere.example",
    });
    const let2 = await post("/send", message, { "X-Webhook-Secret": TOKEN });

    expect(refused.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
    expect(refused[0]?.headers.get("www-authenticate")).toBe("Bearer");
    expect(early).toMatch(/^HTTP\/1\.1 401 /);
    expect([let1.status, let2.status]).toEqual([200, 200]);
    expect(kapso.sent).toHaveLength(2);
    expect((await fetch(`${bridge}/health`)).status).toBe(200);
    expect(daemon.log).not.toContain(TOKEN);
  });

  test("without one, a page in a browser of this machine can not send", async () => {
    await using world = await setUp();
    const { kapso, bridge, post, start } = world;
    await start();
    const message = { to: person(1), text: "hi" };

    const crossSite = await post("/send", message, {
      Origin: "https://evil.example",
      "Content-Type": "text/plain",
    });
    const { port } = new URL(bridge);
    const socket = connect(Number(port), "127.0.0.1");
    const body = JSON.stringify(message);
    socket.write(
      `POST /send HTTP/1.1\r\nHost: evil.example:${port}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const rebound = await readAll(socket);

    expect(crossSite.status).toBe(403);
    expect(rebound).toMatch(/^HTTP\/1\.1 403 /);
    expect(kapso.sent).toEqual([]);
  });

  test("too much at once is told when to come again; too large a body is refused", async () => {
    await using world = await setUp({ env: { WA_BRIDGE_RATE_LIMIT: "12" } });
    const { kapso, bridge, post, start } = world;
    await start();

    const answers = await Promise.all(
      [1, 2, 3, 4].map(async (each) => post("/send", { to: person(each), text: "x" })),
    );
    const large = await fetch(`${bridge}/send-media`, {
      method: "POST",
      body: "x".repeat(23 * 1_048_576),
    }).then(
      ({ status }) => status,
      () => "closed",
    );
    const wrong = await Promise.all(
      [`${bridge}/send`, `${bridge}/nowhere`].map(async (url) => (await fetch(url)).status),
    );

    expect(answers.map(({ status }) => status).filter((status) => status === 429)).toHaveLength(2);
    expect(Number(answers.find(({ status }) => status === 429)?.headers.get("retry-after"))).toBeGreaterThan(
      0,
    );
    expect(kapso.sent).toHaveLength(2);
    expect([413, "closed"]).toContain(large);
    expect(wrong).toEqual([405, 404]);
  });

  test("an address that others reach is refused at the start without a token, with exit code 3", async () => {
    await using kapso = await StandInKapso.start();
    await using agent = await StandInAgent.create();
    await using daemon = new Daemon({
      kapso,
      gateway: agent,
      env: { GATEWAY_TYPE: "http", WA_BRIDGE_ADDR: `0.0.0.0:${await freePort()}` },
    });

    daemon.start();

    expect(await daemon.exited()).toBe(3);
    expect(daemon.log).toMatch(/^wa-poller: bridge\.token \(WA_BRIDGE_TOKEN\) is missing/m);
  });

  test("a port that is taken ends the start, and names the setting", async () => {
    await using world = await setUp();
    await world.start();
    await using second = new Daemon({
      kapso: world.kapso,
      gateway: world.agent,
      env: { ...world.daemon.env, KAPSO_STATE_DIR: join(world.daemon.folder, "second") },
    });

    second.start();

    expect(await second.exited()).toBe(1);
    expect(second.log).toContain("bridge.addr (WA_BRIDGE_ADDR)");
  });

  test("wa-cli preflight tells whether somebody listens for messages", async () => {
    await using world = await setUp({ isUp: false });
    const cli = join(import.meta.dirname, "../../cli/bin.ts");
    const check = async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [cli, "preflight", "--json"], {
        env: world.daemon.env,
      }).catch((error: unknown) => error as { stdout: string });
      const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean }[] };
      return checks.find(({ name }) => name === "gateway")?.ok;
    };

    expect(await check()).toBe(false);
    await world.agent.start();
    expect(await check()).toBe(true);
  });
});
