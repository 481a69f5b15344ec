import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toArgs } from "../../cli/mcp/call.ts";
import { LOOKING, SENDING } from "../../cli/mcp/tools.ts";
import { Store } from "../../src/store/store.ts";
import { accountEnv } from "../account.ts";
import { until } from "../poller/daemon.ts";
import { ANSWER, BSUID, PHONE, QUESTION, seed } from "./seed.ts";
import { DIGITS, OPEN, TO, World } from "./world.ts";

const BIN = fileURLToPath(new URL("../../cli/bin.ts", import.meta.url));
const SECRETS = {
  OPENCLAW_TOKEN: "gateway-token-4711",
  KAPSO_WEBHOOK_SECRET: "webhook-secret-4711",
  KAPSO_WEBHOOK_VERIFY_TOKEN: "verify-token-4711",
};
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
/** The allowlist and the window as they are by default. */
const STRICT = { WA_SEND_ALLOW_TO: "roles,recent", WA_SEND_CHECK_WINDOW: "true" };

interface HostOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly mode?: "legacy" | "auto";
}

function environment(world: World, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: world.home,
    KAPSO_STATE_DIR: world.state,
    ...accountEnv(world.kapso),
    ...OPEN,
    ...env,
  };
}

/** A host as there are many, with the program as its child. */
class Host implements AsyncDisposable {
  readonly client: Client;
  readonly transport: StdioClientTransport;
  stderr = "";

  private constructor(world: World, { args = [], env, mode = "legacy" }: HostOptions) {
    this.client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
    this.transport = new StdioClientTransport({
      command: process.execPath,
      args: [BIN, "mcp", ...args],
      env: environment(world, env),
      stderr: "pipe",
    });
    this.transport.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString("utf8")));
  }

  static async start(world: World, options: HostOptions = {}): Promise<Host> {
    const host = new Host(world, options);
    await host.client.connect(host.transport);
    return host;
  }

  async call(name: string, input: Record<string, unknown> = {}) {
    const result = await this.client.callTool({ name, arguments: input });
    const content = result.content as { type: string; text?: string }[];
    return {
      isError: result.isError === true,
      content,
      text: content[0]?.text ?? "",
      answer: (result.structuredContent ?? {}) as Record<string, unknown>,
    };
  }

  async tools() {
    return (await this.client.listTools()).tools;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

const requestsToSend = ({ kapso }: World) => kapso.requests.filter(({ kind }) => kind === "send");

describe("wa-cli mcp, read-only", () => {
  test("offers tools that look, and none that sends", async () => {
    await using world = await World.start();
    await using host = await Host.start(world);

    const tools = await host.tools();

    expect(tools.map(({ name }) => name)).toEqual([
      "status",
      "messages",
      "contacts",
      "trace",
      "outbox",
      "templates",
      "numbers",
      "media_get",
      "preflight",
    ]);
    expect(tools.every(({ annotations }) => annotations?.readOnlyHint === true)).toBe(true);
    expect(host.client.getInstructions()).toContain("--allow-send");
  });

  test("refuses to send by name, and nothing leaves", async () => {
    await using world = await World.start();
    await using host = await Host.start(world);

    for (const { name } of SENDING)
      await expect(host.call(name, { to: TO, text: "hello" })).rejects.toThrow(`Tool ${name} not found`);

    expect(world.kapso.requests).toEqual([]);
  });

  test("status, contacts, messages and trace tell what the commands tell, people masked", async () => {
    await using world = await World.start();
    using _store = await seed(world.state, Date.now());
    await using host = await Host.start(world);

    const status = await host.call("status");
    const contacts = await host.call("contacts", { limit: 1 });
    const messages = await host.call("messages", { with: `+${PHONE}`, search: "invoice" });
    const traced = await host.call("trace", { id: "#1" });

    expect(status.answer).toMatchObject({ inbox: { pending: 1 }, outbox: { dead: 1 }, exitCode: 0 });
    expect(contacts.answer).toMatchObject({ rows: [{ phone: "+155…4567", name: "Ann", windowOpen: true }] });
    expect(messages.answer["rows"]).toMatchObject([{ text: "Is the Invoice paid?", from: "person" }]);
    expect(traced.answer).toMatchObject({ parts: [{ status: "read" }], meaning: "done" });
    expect(JSON.parse(status.text)).toEqual(status.answer);
    expect([contacts, messages, traced].map(({ text }) => text).join("")).not.toMatch(/15551234567|wamid\./);
  });

  test("--reveal shows numbers and ids whole", async () => {
    await using world = await World.start();
    using _store = await seed(world.state, Date.now());
    await using host = await Host.start(world, { args: ["--reveal"] });

    expect((await host.call("contacts")).text).toContain(`"+${PHONE}"`);
    expect((await host.call("messages")).text).toContain(QUESTION);
  });

  test("media_get brings a picture along, and of another file only where it is", async () => {
    await using world = await World.start();
    const [picture, letter] = [
      world.kapso.media.add({ bytes: PNG, mimeType: "image/png" }),
      world.kapso.media.add({ bytes: Buffer.from("%PDF-1.4 x"), mimeType: "application/pdf" }),
    ];
    await using host = await Host.start(world);

    const seen = await host.call("media_get", { id: picture });
    const named = await host.call("media_get", { id: letter });

    expect(seen.content).toMatchObject([
      { type: "text" },
      { type: "image", mimeType: "image/png", data: PNG.toString("base64") },
    ]);
    expect(named.content).toMatchObject([{ type: "text" }]);
    expect(named.answer["path"]).toMatch(/^.*\/state\/media\/[^/]+\.pdf$/);
  });

  test.each([
    [{ env: { KAPSO_API_KEY: "" } }, "KAPSO_API_KEY"],
    [{ args: ["--config", "/nowhere/a.toml"] }, "/nowhere/a.toml"],
  ])("a command that fails is an error that says why: %j", async (options, reason) => {
    await using world = await World.start();
    await using host = await Host.start(world, options);

    const { isError, answer } = await host.call("templates");

    expect(isError).toBe(true);
    expect(answer).toMatchObject({ exitCode: 3, error: expect.stringContaining(reason) });
  });

  test("a value that looks like an option is none", async () => {
    await using world = await World.start();
    using _store = await seed(world.state, Date.now());
    await using host = await Host.start(world);

    for (const [name, input, exitCode] of [
      ["messages", { with: "--reveal" }, 2],
      ["trace", { id: "--reveal" }, 1],
      ["trace", { id: "--help" }, 1],
      ["media_get", { id: "--out=/tmp/wa-never" }, 1],
    ] as const)
      expect((await host.call(name, input)).answer).toMatchObject({ exitCode });
  });

  test("input beyond what is offered is refused", async () => {
    await using world = await World.start();
    await using host = await Host.start(world);

    for (const [name, input] of [
      ["messages", { limit: 100_000 }],
      ["messages", { reveal: true }],
      ["contacts", { config: "/etc/passwd" }],
      ["trace", { id: "x".repeat(2000) }],
      ["trace", {}],
    ] as const)
      expect(await host.call(name, input)).toMatchObject({
        isError: true,
        text: expect.stringContaining("Invalid arguments"),
      });
  });

  test("P9: no answer and no line of the log shows a secret or a whole number", async () => {
    await using world = await World.start();
    using _store = await seed(world.state, Date.now());
    await using host = await Host.start(world, { env: { ...SECRETS, KAPSO_ALLOWED_NUMBERS: `+${PHONE}` } });
    const inputs: Record<string, Record<string, unknown>> = {
      trace: { id: QUESTION },
      media_get: { id: QUESTION },
      outbox: { all: true },
    };

    const answers = await Promise.all(LOOKING.map(async ({ name }) => host.call(name, inputs[name])));

    const shown = answers.map(({ text }) => text).join("\n") + host.stderr;
    for (const hidden of [...Object.values(SECRETS), accountEnv(world.kapso).KAPSO_API_KEY, PHONE, BSUID])
      expect(shown).not.toContain(hidden);
    for (const id of [QUESTION, ANSWER]) expect(shown).not.toContain(id);
  });
});

describe("wa-cli mcp --allow-send", () => {
  test.each(["legacy", "auto"] as const)(
    "a message reaches WhatsApp, with a host of the %s protocol",
    async (mode) => {
      await using world = await World.start();
      await using host = await Host.start(world, { args: ["--allow-send"], mode });

      const { isError, answer } = await host.call("send", { to: TO, text: "Your **table** is ready" });

      expect(isError).toBe(false);
      expect(world.kapso.sent).toMatchObject([{ to: DIGITS, text: "Your *table* is ready" }]);
      expect(answer).toMatchObject({
        status: "accepted",
        to: TO,
        wamids: [world.kapso.sent[0]?.wamid],
        exitCode: 0,
        meaning: "done",
      });
    },
  );

  test("offers what sends as what can not be taken back, and shows whom it can name", async () => {
    await using world = await World.start();
    using _store = await seed(world.state, Date.now());
    await using host = await Host.start(world, { args: ["--allow-send"] });

    const sending = (await host.tools()).filter(({ annotations }) => annotations?.readOnlyHint === false);

    expect(sending.map(({ name }) => name)).toEqual(["send", "send_template", "react"]);
    expect(sending.every(({ annotations }) => annotations?.destructiveHint === true)).toBe(true);
    expect((await host.call("contacts")).text).toContain(`"+${PHONE}"`);
  });

  test("a text goes out as it is, whatever it begins with", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"] });
    const texts = [
      "--to +15550109999",
      "--dry-run",
      "-x",
      "--",
      "--text=other",
      "$(id) `id` \"'",
      "first line\nsecond line\n\nlast",
      "👩‍👩‍👧 grüße 日本語",
    ];

    for (const text of texts)
      expect((await host.call("send", { to: TO, text, no_markdown: true })).answer).toMatchObject({
        exitCode: 0,
      });

    expect(world.kapso.sent.map(({ to, text }) => [to, text])).toEqual(texts.map((text) => [DIGITS, text]));
  });

  test("buttons, links, places, quotes, reactions and templates", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"] });
    const wamid = "wamid.HBgLMTU1NTEyMzQ1NjcVAgA=";

    await host.call("send", { to: TO, text: "Shall I?", buttons: ["Yes", "--no"], reply_to: wamid });
    await host.call("send", {
      to: TO,
      text: "Ticket",
      link: { title: "Open", url: "https://example.com/?a=b" },
    });
    await host.call("send", {
      to: TO,
      location: { latitude: 48.2082, longitude: -1e-7, name: "Vienna, 1st" },
    });
    await host.call("react", { to: TO, react: wamid, emoji: "👍" });
    await host.call("send_template", { to: TO, template: "order_ready", param: { name: "Ana=B", n: "--x" } });

    await host.call("react", { to: TO, react: wamid, emoji: "" });

    const [buttons, link, place, reaction, template, taken] = world.kapso.sent;
    const reply = (title: string) => ({ type: "reply", reply: { id: title, title } });
    expect(buttons).toMatchObject({
      quotes: wamid,
      rich: {
        body: { body: { text: "Shall I?" }, action: { buttons: [reply("Yes"), reply("--no")] } },
      },
    });
    expect(link?.rich?.body).toMatchObject({
      action: { parameters: { display_text: "Open", url: "https://example.com/?a=b" } },
    });
    expect(place?.rich?.body).toEqual({ latitude: 48.2082, longitude: 0, name: "Vienna, 1st" });
    expect(reaction?.rich?.body).toEqual({ message_id: wamid, emoji: "👍" });
    expect(taken?.rich?.body).toEqual({ message_id: wamid, emoji: "" });
    expect(template?.rich?.body).toMatchObject({
      name: "order_ready",
      components: [
        {
          parameters: [
            { parameter_name: "name", text: "Ana=B" },
            { parameter_name: "n", text: "--x" },
          ],
        },
      ],
    });
  });

  test("P2: the same idempotency key sends once, also at the same time", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"] });
    const input = { to: TO, text: "Paid", idempotency_key: "invoice-4711" };

    const both = await Promise.all([host.call("send", input), host.call("send", input)]);
    const third = await host.call("send", input);
    const other = await host.call("send", { ...input, text: "Not paid" });

    expect(world.texts).toEqual(["Paid"]);
    for (const { answer } of [...both, third])
      expect(answer).toMatchObject({ exitCode: 0, wamids: [world.kapso.sent[0]?.wamid] });
    expect(third.answer).toMatchObject({ repeated: true });
    expect(other).toMatchObject({ isError: true, answer: { exitCode: 2 } });
  });

  test("many calls at once are all answered, one person's messages one at a time", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"] });
    const numbers = Array.from({ length: 20 }, (_, index) => index);

    const answers = await Promise.all(
      numbers.flatMap((index) => [
        host.call("send", { to: TO, text: `message ${index}` }),
        host.call("status"),
      ]),
    );

    expect(answers.map(({ answer }) => answer["exitCode"])).toEqual(answers.map(() => 0));
    expect(world.texts.toSorted()).toEqual(numbers.map((index) => `message ${index}`).toSorted());
  });

  test("a refused person is an error with the rule's name, and nothing leaves", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"], env: STRICT });

    const { isError, answer } = await host.call("send", { to: TO, text: "hello" });

    expect(isError).toBe(true);
    expect(answer).toMatchObject({ status: "refused", code: "send.allow_to", exitCode: 2 });
    expect(requestsToSend(world)).toEqual([]);
  });

  test("a closed window is told, and a template passes it", async () => {
    await using world = await World.start();
    const env = { ...STRICT, KAPSO_ALLOWED_NUMBERS: TO };
    await using host = await Host.start(world, { args: ["--allow-send"], env });

    const closed = await host.call("send", { to: TO, text: "hello" });
    const template = await host.call("send_template", { to: TO, template: "hello_world" });

    expect(closed).toMatchObject({ isError: true, answer: { exitCode: 5, code: "131047" } });
    expect(template.answer).toMatchObject({ exitCode: 0 });
    expect(world.kapso.sent).toHaveLength(1);
  });

  test("P7: what is unknown is not called failed, and what did not leave may be tried again", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"] });
    const input = { to: TO, text: "hello", timeout: 1 };

    world.kapso.fault = ({ kind }) => (kind === "send" ? { afterEffect: true, lose: true } : undefined);
    const unknown = await host.call("send", input);
    world.refuse(429, {}, { "Retry-After": "60" });
    const later = await host.call("send", { ...input, to: "+15550100001" });

    expect(unknown).toMatchObject({
      isError: true,
      answer: { exitCode: 6, meaning: expect.stringContaining("do not send it again") },
    });
    expect(later).toMatchObject({
      isError: true,
      answer: { exitCode: 7, meaning: expect.stringContaining("try again") },
    });
    expect(world.kapso.sent).toHaveLength(1);
  });

  test("files leave only from media.send_from: a model may be talked into any other", async () => {
    await using world = await World.start();
    const workspace = join(world.home, "out");
    mkdirSync(workspace);
    mkdirSync(join(world.state, "media"), { recursive: true });
    for (const file of [
      join(world.home, "key.txt"),
      join(world.state, "media", "a.txt"),
      join(workspace, "b.txt"),
    ])
      writeFileSync(file, "words");
    await using host = await Host.start(world, {
      args: ["--allow-send"],
      env: { WA_MEDIA_SEND_FROM: workspace },
    });

    for (const media of [
      join(world.home, "key.txt"),
      `file://${world.home}/key.txt`,
      "../key.txt",
      join(world.state, "media", "a.txt"),
      "data:text/plain,words",
    ])
      expect(await host.call("send", { to: TO, media })).toMatchObject({
        isError: true,
        answer: { exitCode: 2 },
      });
    const sent = await host.call("send", { to: TO, media: "b.txt", caption: "The list" });

    expect(sent.answer).toMatchObject({ exitCode: 0 });
    expect(world.kapso.sent).toMatchObject([{ text: "The list", media: { filename: "b.txt" } }]);
  });

  test("input that is none sends nothing", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"] });

    for (const input of [
      { to: TO },
      { to: TO, text: "" },
      { to: TO, text: "x".repeat(200_001) },
      { to: TO, text: "hello", too: TO },
      { to: TO, text: "hello", config: "/tmp/other.toml" },
      { to: TO, text: "hello", contact: "/etc/passwd" },
      { to: "me", text: "hello" },
      { to: "--dry-run", text: "hello" },
      { to: TO, text: "Which?", buttons: ["a|b"] },
      { to: TO, text: "Which?", buttons: ["a", "b", "c", "d"] },
      { text: "hello" },
    ])
      expect(await host.call("send", input)).toMatchObject({ isError: true });

    expect(world.kapso.requests).toEqual([]);
  });

  test("a call that the host cancels leaves nothing that is sent later", async () => {
    await using world = await World.start();
    await using host = await Host.start(world, { args: ["--allow-send"] });
    world.refuse(429, {}, { "Retry-After": "5" });
    const stop = new AbortController();

    const called = host.client.callTool(
      { name: "send", arguments: { to: TO, text: "hello", timeout: 300 } },
      { signal: stop.signal },
    );
    await until("a request", () => requestsToSend(world).length > 0);
    stop.abort();
    await expect(called).rejects.toThrow();
    await until("the end of the call", () => host.stderr.includes("send ended with code 7"));

    using store = Store.open(world.state);
    expect(store.outbox.list({ all: true, limit: 10 })).toEqual([]);
  });
});

describe("wa-cli mcp as a process", () => {
  const INITIALIZE = {
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
  };

  function start(world: World, args: readonly string[] = []) {
    const child = spawn(process.execPath, [BIN, "mcp", ...args], { env: environment(world) });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
    const say = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    const frames = () =>
      out
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { jsonrpc: string; id?: number });
    const answered = async (id: number) =>
      until(`answer ${id}`, () => out.endsWith("\n") && frames().some((frame) => frame.id === id));
    const exited = once(child, "exit");
    return { child, say, frames, answered, exited };
  }

  test("lines that are no messages do not end it, and it prints nothing but messages", async () => {
    await using world = await World.start();
    const { child, say, frames, answered, exited } = start(world);

    child.stdin.write('garbage\n\n{"a":1}\n[]\n\u0000\uFFFD\n');
    say({ id: 1, ...INITIALIZE });
    await answered(1);
    child.stdin.write("{\n");
    say({ id: 2, method: "tools/call", params: { name: "status" } });
    say({ id: 3, method: "tools/call", params: { name: "trace", arguments: { id: "nothing" } } });
    say({ id: 4, method: "no/such" });
    for (const id of [2, 3, 4]) await answered(id);
    child.stdin.end();

    expect(await exited).toEqual([0, null]);
    expect(frames().every(({ jsonrpc }) => jsonrpc === "2.0")).toBe(true);
  });

  test.each(["before a message", "behind one"])(
    "ends with 0 when standard input is closed %s",
    async (when) => {
      await using world = await World.start();
      const { child, say, answered, exited } = start(world);

      if (when === "behind one") {
        say({ id: 1, ...INITIALIZE });
        await answered(1);
      }
      child.stdin.end();

      expect(await exited).toEqual([0, null]);
    },
  );

  test.each(["SIGTERM", "SIGINT"] as const)(
    "P8: by %s in the middle of a send: nothing leaves later",
    async (signal) => {
      await using world = await World.start();
      world.refuse(429, {}, { "Retry-After": "5" });
      const { child, say, answered, exited } = start(world, ["--allow-send"]);

      say({ id: 1, ...INITIALIZE });
      await answered(1);
      say({
        id: 2,
        method: "tools/call",
        params: { name: "send", arguments: { to: TO, text: "hello", timeout: 300 } },
      });
      await until("a request", () => requestsToSend(world).length > 0);
      child.kill(signal);

      expect(await exited).toEqual([0, null]);
      using store = Store.open(world.state);
      expect(store.outbox.list({ all: true, limit: 10 })).toEqual([]);
    },
  );
});

test("toArgs() gives each value in one word with its option, or behind --", () => {
  const value = fc.oneof(fc.string(), fc.constantFrom("--to=+15550109999", "--", "-h", "--reveal"));
  fc.assert(
    fc.property(fc.constantFrom(...LOOKING, ...SENDING), value, value, (tool, first, second) => {
      const word = tool.word ?? "to";
      const args = toArgs(
        tool,
        { [word]: first, text: second, param: [first, second], all: true },
        { reveal: false },
      );

      const end = args.indexOf("--");
      const options = args.slice(tool.command.length, end === -1 ? undefined : end);
      const expected = ["--json", `--text=${second}`, `--param=${first}`, `--param=${second}`, "--all"];
      expect(options).toEqual(
        tool.word === undefined ? ["--json", `--to=${first}`, ...expected.slice(1)] : expected,
      );
      expect(end === -1 ? [] : args.slice(end)).toEqual(tool.word === undefined ? [] : ["--", first]);
    }),
  );
});
