import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { DaemonLock } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { opus, PDF, webp } from "../media/samples.ts";
import { DIGITS, read, TO, World } from "./world.ts";

const WAMID = "wamid.HBgLMTU1NTEyMzQ1NjcVAgASGBQzQTdC";
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

function write(world: World, name: string, content: string | Buffer): string {
  const path = join(world.home, name);
  writeFileSync(path, content);
  return path;
}

const VCARD = [
  "BEGIN:VCARD",
  "VERSION:3.0",
  "N:Berg;Ana;;;",
  "FN:Ana Berg",
  "ORG:Garden\\, Ltd;Sales",
  "TEL;TYPE=CELL:+43 660 1234567",
  "item1.TEL;TYPE=WORK:+43 1 23456",
  "EMAIL:ana@exam",
  " ple.com",
  "END:VCARD",
  "",
].join("\r\n");

describe("wa-cli send: every kind of message", () => {
  test.each<readonly [string, readonly string[], string, unknown]>([
    ["a place", ["--location", "48.2082,16.3738"], "location", { latitude: 48.2082, longitude: 16.3738 }],
    [
      "a place with a name",
      ["--location", "-33.9, 151.2,Bay, the old one"],
      "location",
      { latitude: -33.9, longitude: 151.2, name: "Bay, the old one" },
    ],
    ["a reaction", ["--react", WAMID, "👍"], "reaction", { message_id: WAMID, emoji: "👍" }],
    ["a heart without its selector", ["--react", WAMID, "❤"], "reaction", { message_id: WAMID, emoji: "❤️" }],
    ["a reaction that is taken back", ["--react", WAMID, ""], "reaction", { message_id: WAMID, emoji: "" }],
    [
      "buttons",
      ["--text", "Shall *we*?", "--buttons", "Yes|No, thanks"],
      "interactive",
      {
        type: "button",
        body: { text: "Shall _we_?" },
        action: {
          buttons: [
            { type: "reply", reply: { id: "Yes", title: "Yes" } },
            { type: "reply", reply: { id: "No, thanks", title: "No, thanks" } },
          ],
        },
      },
    ],
    [
      "a link",
      ["Your ticket", "--link", "Open=https://example.com/t?a=1"],
      "interactive",
      {
        type: "cta_url",
        body: { text: "Your ticket" },
        action: { name: "cta_url", parameters: { display_text: "Open", url: "https://example.com/t?a=1" } },
      },
    ],
    ["a template", ["--template", "hello"], "template", { name: "hello", language: { code: "en_US" } }],
    [
      "a template with names",
      ["--template", "order_ready", "--lang", "de", "--param", "name=Ana = B", "--param", "day=Monday"],
      "template",
      {
        name: "order_ready",
        language: { code: "de" },
        components: [
          {
            type: "body",
            parameters: [
              { type: "text", parameter_name: "name", text: "Ana = B" },
              { type: "text", parameter_name: "day", text: "Monday" },
            ],
          },
        ],
      },
    ],
    [
      "a template with numbers, a picture and a button",
      // In any order.
      [
        "--template",
        "t",
        "--param",
        "2=b",
        "--param",
        "1=a",
        "--param",
        "header.image=https://e.com/a.png",
        "--param",
        "button.0=42",
      ],
      "template",
      {
        name: "t",
        language: { code: "en_US" },
        components: [
          { type: "header", parameters: [{ type: "image", image: { link: "https://e.com/a.png" } }] },
          {
            type: "body",
            parameters: [
              { type: "text", text: "a" },
              { type: "text", text: "b" },
            ],
          },
          { type: "button", sub_type: "url", index: "0", parameters: [{ type: "text", text: "42" }] },
        ],
      },
    ],
  ])("%s", async (_, args, type, body) => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, ...args]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(world.kapso.sent).toMatchObject([{ to: DIGITS, rich: { type, body } }]);
  });

  test("a reaction after the number as a word", async () => {
    await using world = await World.start();

    expect((await world.run(["send", TO, "--react", WAMID, "🇦🇹"])).code).toBe(0);
    expect(world.kapso.sent).toMatchObject([{ rich: { body: { emoji: "🇦🇹" } } }]);
  });

  test("contact cards of a file", async () => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, "--contact", write(world, "ana.vcf", VCARD)]);

    expect(ran.code).toBe(0);
    expect(world.kapso.sent[0]?.rich).toEqual({
      type: "contacts",
      body: [
        {
          name: { formatted_name: "Ana Berg", first_name: "Ana", last_name: "Berg" },
          phones: [
            { phone: "+43 660 1234567", type: "CELL" },
            { phone: "+43 1 23456", type: "WORK" },
          ],
          emails: [{ email: "ana@example.com" }],
          org: { company: "Garden, Ltd" },
        },
      ],
    });
  });

  const TOML_LIST =
    'text = "Which?"\nbutton = "Choose"\nrows = ["One", { id = "2", title = "Two", description = "of two" }]\n';
  test.each([
    ["list.toml", TOML_LIST],
    [
      "list.json",
      JSON.stringify({
        text: "Which?",
        button: "Choose",
        rows: ["One", { id: "2", title: "Two", description: "of two" }],
      }),
    ],
  ])("a list of %s", async (name, content) => {
    await using world = await World.start();

    expect((await world.run(["send", "--to", TO, "--list", write(world, name, content)])).code).toBe(0);
    expect(world.kapso.sent[0]?.rich?.body).toEqual({
      type: "list",
      body: { text: "Which?" },
      action: {
        button: "Choose",
        sections: [
          {
            rows: [
              { id: "One", title: "One" },
              { id: "2", title: "Two", description: "of two" },
            ],
          },
        ],
      },
    });
  });

  test("--reply-to quotes with the first part", async () => {
    await using world = await World.start();

    await world.run(["send", "--to", TO, "--reply-to", WAMID], { stdin: "word ".repeat(1200) });

    expect(world.kapso.sent.map(({ quotes }) => quotes)).toEqual([WAMID, undefined]);
  });

  test("--no-markdown leaves the text as it is", async () => {
    await using world = await World.start();

    await world.run(["send", "--to", TO, "--text", "**2** * 3 [a](b)", "--no-markdown"]);

    expect(world.texts).toEqual(["**2** * 3 [a](b)"]);
  });
});

describe("wa-cli send --media", () => {
  test.each<readonly [string, Buffer, readonly string[], unknown, string]>([
    ["cat.png", PNG, ["--caption", "my cat"], { type: "image" }, "my cat"],
    [
      "cat.png",
      PNG,
      ["--as", "document", "--filename", "cat final.png"],
      { type: "document", filename: "cat final.png" },
      "",
    ],
    ["a.pdf", PDF, [], { type: "document", filename: "a.pdf" }, ""],
    ["a.ogg", opus(), ["--as", "voice"], { type: "audio", voice: true }, ""],
    ["a.ogg", opus(), [], { type: "audio" }, ""],
    ["a.webp", webp(), ["--as", "sticker"], { type: "sticker" }, ""],
  ])("%s %j", async (name, bytes, args, media, caption) => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, "--media", write(world, name, bytes), ...args]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(world.kapso.sent).toMatchObject([{ media, text: caption }]);
    expect(world.kapso.media.uploads[0]?.bytes).toEqual(bytes);
  });

  test.each<readonly [string, string | Buffer, readonly string[], RegExp]>([
    ["a.pdf", PDF, ["--as", "image"], /as image/],
    ["a.pdf", PDF, ["--as", "voice"], /as voice/],
    ["a.ogg", opus(), ["--caption", "hi"], /caption/],
    ["cat.png", PNG, ["--caption", "x".repeat(1025)], /caption.*1024/],
    ["empty.txt", "", [], /empty/],
    ["cat.png", PNG, ["--text", "hi"], /--caption/],
  ])("refused: %s %j", async (name, bytes, args, why) => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, "--media", write(world, name, bytes), ...args]);

    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(why);
    expect(world.kapso.sent).toEqual([]);
    const folder = join(world.state, "media");
    expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
  });

  test("nothing of the state folder but people's files", async () => {
    await using world = await World.start();
    await world.send("first");
    const secret = join(world.state, "device.json");
    writeFileSync(secret, "{}");
    mkdirSync(join(world.state, "media"), { recursive: true });
    const file = join(world.state, "media", "cat.png");
    writeFileSync(file, PNG);

    const refused = await world.run(["send", "--to", TO, "--media", secret]);
    const sent = await world.run(["send", "--to", TO, "--media", file]);

    expect([refused.code, sent.code]).toEqual([2, 0]);
    expect(world.kapso.sent).toMatchObject([{ text: "first" }, { media: { type: "image" } }]);
  });

  test("a file that is not there", async () => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, "--media", join(world.home, "none.png")]);

    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining("there is no such file") });
  });
});

describe("wa-cli send: wrong usage and limits are exit code 2, and nothing leaves", () => {
  test.each<readonly [readonly string[], string]>([
    [["--text", "Go?", "--buttons", "1|2|3|4"], "buttons"],
    [["--text", "Go?", "--buttons", "Yes|Yes"], "button.title"],
    [["--text", "Go?", "--buttons", "x".repeat(21)], "button.title"],
    // 11 emoji of two UTF-16 units each.
    [["--text", "Go?", "--buttons", "😀".repeat(11)], "button.title"],
    [["--text", "Go?", "--buttons", "Yes|"], "button.title"],
    [["--text", "x".repeat(1025), "--buttons", "Yes"], "interactive.body"],
    [["--text", "hi", "--link", `${"x".repeat(21)}=https://e.com`], "link.title"],
    [["--text", "hi", "--link", "Open=javascript:alert(1)"], "link.url"],
    [["--location", "91,0"], "location.latitude"],
    [["--location", "0,181"], "location.longitude"],
    [["--template", "Hello World"], "template.name"],
    [["--template", "t", "--lang", "english"], "template.language"],
    [["--template", "t", "--param", "1=two\nlines"], "template.parameter"],
    [["--template", "t", "--param", "1="], "template.parameter"],
  ])("%j breaks %s", async (args, limit) => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, ...args, "--json"]);

    expect(ran.code).toBe(2);
    expect(read(ran)).toMatchObject({ limit, error: expect.stringContaining(limit), exitCode: 2 });
    expect(world.kapso.requests).toEqual([]);
    expect(existsSync(world.state)).toBe(false);
  });

  test.each<readonly [readonly string[]]>([
    [["--location", "Vienna"]],
    [["--location", "1,2", "--text", "hi"]],
    [["--location", "1,2", "--react", WAMID, "👍"]],
    [["--react", WAMID]],
    [["--react", WAMID, "👍", "👎"]],
    [["--react", WAMID, "👍👍"]],
    [["--react", WAMID, "ok"]],
    [["--react", "123", "👍"]],
    [["--react", "--reply-to", WAMID, "👍"]],
    [["--react", WAMID, "👍", "--reply-to", WAMID]],
    [["--reply-to", "123", "--text", "hi"]],
    [["--reply-to", "", "--text", "hi"]],
    [["--text", "a\0b"]],
    [["--", "a\0b"]],
    [["--text", "\u200B"]],
    [["--text", " \u2060\u3164\uFEFF"]],
    [["--text", "&#8203;"]],
    [["--text", "\u200B", "--buttons", "Yes|No"]],
    [["hello", "—dry-run"]],
    [["hello", "–dry-run"]],
    [["hello", "——json"]],
    [["hello", "–-json"]],
    [["—text", "hello"]],
    [["—text=hello there"]],
    [["—Text", "hello"]],
    [["−−no-markdown", "hello"]],
    [["—help"]],
    [["--text", "—json"]],
    [["+15559999999"]],
    [["+15559999999", "secret"]],
    [["+1 555 999 9999", "secret"]],
    [["contact:+15559999999", "secret"]],
    [["US.13491208655302741918", "secret"]],
    [["--caption", "hi", "--text", "hi"]],
    [["--as", "image", "--text", "hi"]],
    [["--media", "a.png", "--as", "gif"]],
    [["--media", "--caption", "hi"]],
    [["--param", "a=b", "--text", "hi"]],
    [["--template", "t", "--param", "ab"]],
    [["--template", "t", "--param", "a=1", "--param", "1=2"]],
    [["--template", "t", "--param", "2=b"]],
    [["--template", "t", "--param", "a=1", "--param", "a=2"]],
    [["--template", "t", "hello"]],
    [["--text", "hi", "--link", "https://example.com"]],
    [["--text", "hi", "--wait", "forever"]],
    [["--text", "hi", "--wait"]],
    [["--text", "hi", "--timeout", "2x"]],
    [["--text", "hi", "--idempotency-key", "a b"]],
    [["--text", "hi", "--idempotency-key", ""]],
    [["--contact", "/nowhere/a.vcf"]],
    [["--list", "/nowhere/list.toml"]],
    [["--text", "hi", "--location"]],
    [["--text", "hi", "--dryrun"]],
  ])("%j", async (args) => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, ...args]);

    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(/\S/);
    expect(world.kapso.requests).toEqual([]);
    expect(existsSync(world.state)).toBe(false);
  });

  test.each([
    [
      "rows that are too many",
      `button = "b"\nrows = [${Array.from({ length: 11 }, (_, n) => `"r${n}"`).join(", ")}]`,
      "list.rows",
    ],
    ["a long row", `button = "b"\nrows = ["${"x".repeat(25)}"]`, "row.title"],
    ["two rows of one id", 'button = "b"\nrows = ["a", "a"]', "row.id"],
    ["a long button", `button = "${"x".repeat(21)}"\nrows = ["a"]`, "list.button"],
    [
      "sections without titles",
      'button = "b"\nsections = [{ rows = ["a"] }, { rows = ["b"] }]',
      "section.title",
    ],
    ["an unknown key", 'button = "b"\nrow = ["a"]', "no list"],
    ["no TOML", "= b", "neither JSON nor TOML"],
  ])("a list with %s", async (_, content, why) => {
    await using world = await World.start();

    const ran = await world.run([
      "send",
      "--to",
      TO,
      "--text",
      "hi",
      "--list",
      write(world, "list", content),
    ]);

    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining(why) });
    expect(world.kapso.requests).toEqual([]);
  });

  test.each(["--contact", "--list"])("P10: %s of a pipe or a device", async (option) => {
    await using world = await World.start();
    const fifo = join(world.home, "fifo");
    execFileSync("/usr/bin/env", ["mkfifo", fifo]);

    for (const path of [
      fifo,
      "/dev/zero",
      write(world, "latin1", Buffer.from("BEGIN:VCARD gr\u00FCn", "latin1")),
    ])
      expect((await world.run(["send", "--to", TO, option, path])).code).toBe(2);
    expect(world.kapso.requests).toEqual([]);
  });

  test("a vCard file without anybody, or with too many", async () => {
    await using world = await World.start();

    for (const content of ["hello", VCARD.repeat(6)])
      expect((await world.run(["send", "--to", TO, "--contact", write(world, "a.vcf", content)])).code).toBe(
        2,
      );
    expect(world.kapso.requests).toEqual([]);
  });

  test("contact: names somebody who is known", async () => {
    await using world = await World.start();
    const args = ["send", "--to", `contact:${TO}`, "--text", "hi"];

    expect(await world.run(args)).toMatchObject({ code: 2, err: expect.stringContaining("not known") });
    await world.send("first");
    expect((await world.run(args)).code).toBe(0);
    expect(world.texts).toEqual(["first", "hi"]);
  });
});

describe("wa-cli send --dry-run", () => {
  test.each([
    ["of this version", undefined],
    ["of an older one", "PRAGMA user_version = 1"],
    ["that is empty", "PRAGMA user_version = 0"],
  ])("leaves a state %s as it is, its rights too", async (_, sql) => {
    await using world = await World.start();
    await world.send("warm");
    const path = join(world.state, "relay.db");
    {
      const database = new DatabaseSync(path);
      if (sql) database.exec(sql);
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      database.close();
    }
    chmodSync(world.state, 0o755);
    chmodSync(path, 0o644);
    const look = () => ({
      bytes: readFileSync(path).toString("base64"),
      modes: [statSync(world.state).mode, statSync(path).mode],
    });
    const before = look();

    const ran = await world.run(["send", "--to", TO, "--text", "hi", "--dry-run", "--json"]);

    expect(ran.code).toBe(0);
    expect(look()).toEqual(before);
    if (sql) expect(read(ran)["note"]).toContain("another version");
  });

  test("shows every body that would leave, without account, network or state", async () => {
    await using world = await World.start();
    const env = { KAPSO_API_KEY: "", KAPSO_PHONE_NUMBER_ID: "" };

    const ran = await world.run(
      ["send", "--to", TO, "--text", "**hi**", "--reply-to", WAMID, "--dry-run", "--json"],
      { env },
    );
    const text = await world.run(["send", "--to", TO, "--text", "**hi**", "--dry-run"], { env });

    expect(ran.code).toBe(0);
    expect(read(ran)).toEqual({
      status: "dry-run",
      messages: [
        {
          messaging_product: "whatsapp",
          recipient_type: "individual",
          to: TO,
          context: { message_id: WAMID },
          type: "text",
          text: { body: "*hi*", preview_url: false },
        },
      ],
      note: "Not asked: whether it is the bridge's own number",
    });
    expect(text.out).toMatch(/Nothing was sent.*"body": "\*hi\*"/s);
    expect(world.kapso.requests).toEqual([]);
    expect(existsSync(world.state)).toBe(false);
  });

  test("looks into a file, and leaves no copy", async () => {
    await using world = await World.start();

    const ran = await world.run([
      "send",
      "--to",
      TO,
      "--media",
      write(world, "cat.png", PNG),
      "--dry-run",
      "--json",
    ]);

    expect(read(ran)).toMatchObject({ messages: [{ type: "image", image: { id: "(cat.png, image/png)" } }] });
    expect(world.kapso.requests).toEqual([]);
    expect(existsSync(world.state)).toBe(false);
  });

  test("is refused as the send would be", async () => {
    await using world = await World.start();
    const env = { WA_SEND_ALLOW_TO: "roles" };

    const ran = await world.run(["send", "--to", TO, "--text", "hi", "--dry-run", "--json"], { env });

    expect(ran.code).toBe(2);
    expect(read(ran)).toMatchObject({ code: "send.allow_to" });
  });

  test("by a cap too, and writes nothing", async () => {
    await using world = await World.start();
    const env = { WA_SEND_PER_DAY: "1" };
    await world.send("one", { env });
    const dry = ["send", "--to", TO, "--text", "two", "--dry-run", "--json"];

    const ran = await world.run(dry, { env });
    const sent = await world.send("two", { env });

    expect(read(ran)).toEqual(read(sent));
    expect(read(ran)).toMatchObject({ code: "send.per_day", exitCode: 2 });
    expect(world.texts).toEqual(["one"]);
    using store = Store.open(world.state);
    expect(store.outbox.list({ all: true, limit: 9 })).toHaveLength(1);
  });

  test("does not ask Kapso whether the person wrote, says so, and what if they did not", async () => {
    await using world = await World.start();
    world.kapso.receive({ from: DIGITS, text: "hello", sentAt: Date.now() - 3_600_000 });
    const dry = ["send", "--to", TO, "--text", "hi", "--dry-run", "--json"];
    const strict = { WA_SEND_ALLOW_TO: "", WA_SEND_CHECK_WINDOW: "" };

    const unlisted = await world.run(dry, { env: strict });
    const closed = await world.run(dry, { env: { ...strict, WA_SEND_ALLOW_TO: "*" } });
    const held = await world.run(dry, {
      env: { ...strict, WA_SEND_ALLOW_TO: "*", WA_SEND_ON_CLOSED: "hold" },
    });
    expect(world.kapso.requests).toEqual([]);
    const sent = await world.send("hi", { env: strict });

    expect([unlisted, closed, held, sent].map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    for (const [ran, why] of [
      [unlisted, /not asked.*if they did not: .*send\.allow_to/i],
      [closed, /not asked.*if they did not: .*window is not open/i],
      [held, /not asked.*if they did, .*at once/i],
    ] as const)
      expect(read(ran)["note"]).toMatch(why);
    expect([unlisted, closed, held].map((ran) => read(ran)["heldFrom"])).toEqual([undefined, undefined, 0]);
  });

  test("Meta could not be asked either: what is not known to have written is refused at once", async () => {
    await using world = await World.start();
    const env = {
      WA_PROVIDER: "meta",
      WHATSAPP_ACCESS_TOKEN: "token",
      WHATSAPP_PHONE_NUMBER_ID: "100",
      WA_SEND_CHECK_WINDOW: "true",
    };

    const ran = await world.run(["send", "--to", TO, "--text", "hi", "--dry-run"], { env });

    expect(ran).toMatchObject({ code: 5, err: expect.stringContaining("window is not open") });
  });

  test("what was sent under the same key would not leave again; another message under it is refused", async () => {
    await using world = await World.start();
    const line = (text: string) => ["send", "--to", TO, "--text", text, "--idempotency-key", "k", "--json"];
    await world.run(line("hi"));

    const same = await world.run([...line("hi"), "--dry-run"]);
    const other = await world.run([...line("ho"), "--dry-run"]);

    expect([same.code, other.code]).toEqual([0, 2]);
    expect(read(same)).toMatchObject({ messages: [], note: expect.stringContaining("sent before") });
  });
});

describe("wa-cli send --wait", () => {
  test("says that nobody hears of it when no daemon runs, and not to repeat it", async () => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, "--text", "hi", "--wait", "delivered", "--json"]);

    expect(ran.code).toBe(6);
    expect(read(ran)).toMatchObject({
      status: "accepted",
      wamids: [expect.any(String)],
      error: expect.stringContaining("wa-poller does not run"),
    });
    expect(read(ran)["hint"]).toContain("do not send it again");
    expect(world.texts).toEqual(["hi"]);
  });

  test.each([
    ["delivered", ["sent", "delivered"], 0, "delivered"],
    ["sent", ["delivered"], 0, "delivered"],
    ["read", ["read"], 0, "read"],
    ["read", ["delivered"], 6, "delivered"],
  ] as const)("for %s, when WhatsApp tells %j: %i", async (wait, statuses, code, status) => {
    await using world = await World.start();
    const env = { KAPSO_MODE: "domain", WA_WEBHOOK_URL: "https://bot.example.com/webhook" };
    await world.send("before");
    using lock = DaemonLock.tryAcquire(world.state);
    using store = Store.open(world.state);
    const running = world.run(
      ["send", "--to", TO, "--text", "hi", "--wait", wait, "--timeout", "6", "--json"],
      { env },
    );
    while (world.kapso.sent.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    const { wamid = "", trackingId } = world.kapso.sent[1] ?? {};
    for (const each of statuses) await store.statuses.note([{ wamid, trackingId, status: each }], Date.now());

    const ran = await running;

    expect(lock).toBeDefined();
    expect(ran.code).toBe(code);
    expect(read(ran)).toMatchObject({ status });
  });

  test("5: WhatsApp took it and could not deliver it", async () => {
    await using world = await World.start();
    const env = { KAPSO_MODE: "domain", WA_WEBHOOK_URL: "https://bot.example.com/webhook" };
    await world.send("before");
    using lock = DaemonLock.tryAcquire(world.state);
    using store = Store.open(world.state);
    const running = world.run(
      ["send", "--to", TO, "--text", "hi", "--wait", "delivered", "--timeout", "5", "--json"],
      { env },
    );
    while (world.kapso.sent.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    const failure = { code: "131026", error: "131026: not on WhatsApp" };
    const { wamid = "", trackingId } = world.kapso.sent[1] ?? {};
    await store.statuses.note([{ wamid, trackingId, status: "failed", failure }], Date.now());

    const ran = await running;

    expect(lock).toBeDefined();
    expect(ran.code).toBe(5);
    expect(read(ran)["error"]).toMatch(/could not deliver.*131026/);
  });

  test("polling alone hears of no status, and says so", async () => {
    await using world = await World.start();
    await world.send("before");
    using lock = DaemonLock.tryAcquire(world.state);

    const ran = await world.run(["send", "--to", TO, "--text", "hi", "--wait", "read", "--json"]);

    expect(lock).toBeDefined();
    expect(ran.code).toBe(6);
    expect(read(ran)["error"]).toContain("polling");
  });
});
