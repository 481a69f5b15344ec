import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import type { Fault } from "../../src/sandbox/kapso.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { freePort } from "../free-port.ts";
import { DIGITS, read, TO, World, type Ran } from "./world.ts";
import { enqueue } from "../store/enqueue.ts";

const OTHER = "+15559876543";
const CLOSED_WINDOW = { error: { message: "(#131047) Re-engagement message", code: 131047 } };

/** A failure that a program can read: one document, with the same code as the process. */
function expectFailure(ran: Ran, code: number): void {
  expect(ran.code).toBe(code);
  expect(ran.out.trim().split("\n")).toHaveLength(1);
  expect(read(ran)).toMatchObject({ exitCode: code, error: expect.stringMatching(/\S/) });
  expect(ran.err).toMatch(/^wa-cli: \S/);
}

describe("wa-cli send: what reaches the person", () => {
  test.each<readonly [readonly string[], string]>([
    [["--to", TO, "--text", "hi"], "hi"],
    [["--to", TO, "--text=hi"], "hi"],
    [[`--to=${TO}`, "--text=hi"], "hi"],
    [["--text", "hi", "--to", TO], "hi"],
    [["--to", "+1 (555) 123-4567", "--text", "hi"], "hi"],
    [["--to", "0015551234567", "hi"], "hi"],
    [[TO, "hello", "world"], "hello world"],
    [[TO, "hello world"], "hello world"],
    [[TO, "-5", "degrees"], "-5 degrees"],
    [["--to", TO, "hello", "world"], "hello world"],
    [["--to", TO, "--text", "words with spaces"], "words with spaces"],
    [["--to", TO, "--text", "-5 degrees"], "-5 degrees"],
    [["--to", TO, "--text", "- a list"], "- a list"],
    [["--to", TO, "—", "as he said"], "— as he said"],
    [["--to", TO, "a—dry-run", "—never"], "a—dry-run —never"],
    [["--to", TO, "—dry-run is an option"], "—dry-run is an option"],
    [["--to", TO, "--text=—dry-run"], "—dry-run"],
    [["--to", TO, "--", "—dry-run"], "—dry-run"],
    [["--to", TO, "--text", "+15559999999"], "+15559999999"],
    [["--to", TO, "call", "+15559999999"], "call +15559999999"],
    [["--to", TO, "--", "--json", "is a flag"], "--json is a flag"],
    [["--to", TO, "--text", "two\nlines"], "two\nlines"],
    [["--to", TO, "--text", "👩‍👩‍👧‍👦 ça va? 日本語 مرحبا"], "👩‍👩‍👧‍👦 ça va? 日本語 مرحبا"],
    [["--to", TO, "--text", "a ".repeat(500).trim()], "a ".repeat(500).trim()],
    [["--to", TO, "--timeout", "5", "--text", "hi"], "hi"],
  ])("%j", async (args, text) => {
    await using world = await World.start();

    const ran = await world.run(["send", ...args]);

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(world.kapso.sent).toMatchObject([{ to: DIGITS, text }]);
    expect(ran.out).toContain("wamid.");
  });

  test("a text that looks like an option, when it is joined with =", async () => {
    await using world = await World.start();

    expect((await world.run(["send", "--to", TO, "--text=--json"])).code).toBe(0);
    expect(world.texts).toEqual(["--json"]);
  });

  test("a BSUID is written to", async () => {
    await using world = await World.start();

    const { code } = await world.run(["send", "--to", "US.13491208655302741918", "--text", "hi"]);

    expect(code).toBe(0);
    expect(world.kapso.sent).toMatchObject([{ to: "US.13491208655302741918", text: "hi" }]);
  });

  test("standard input, with its line end trimmed", async () => {
    await using world = await World.start();

    expect((await world.run(["send", "--to", TO], { stdin: "from a pipe\n" })).code).toBe(0);
    expect(world.texts).toEqual(["from a pipe"]);
  });

  test("standard input after the number as a word", async () => {
    await using world = await World.start();

    expect((await world.run(["send", TO], { stdin: "from a pipe" })).code).toBe(0);
    expect(world.texts).toEqual(["from a pipe"]);
  });

  test("a character that two chunks of standard input share stays whole", async () => {
    await using world = await World.start();
    const stdin = new PassThrough();
    const bytes = Buffer.from("grün 👋", "utf8");
    for (const byte of bytes) stdin.write(Buffer.from([byte]));
    stdin.end();

    expect((await world.run(["send", "--to", TO], { stdin })).code).toBe(0);
    expect(world.texts).toEqual(["grün 👋"]);
  });

  test("standard input without its byte order mark", async () => {
    await using world = await World.start();

    expect((await world.run(["send", "--to", TO], { stdin: "\uFEFFhello" })).code).toBe(0);
    expect(world.texts).toEqual(["hello"]);
  });

  test.each([
    ["a picture", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xd, 0xa, 0x1a, 0xa, 0xff]), "--media"],
    ["Latin-1", Buffer.from("gr\u00FCn", "latin1"), "UTF-8"],
    ["bytes with a NUL", Buffer.from("a\0b"), "--media"],
    ["half a character", Buffer.from("grün").subarray(0, 3), "UTF-8"],
    ["UTF-16, little end first", Buffer.from("\uFEFFhello", "utf16le"), "UTF-16"],
    ["UTF-16, big end first", Buffer.from("\uFEFFhello", "utf16le").swap16(), "UTF-16"],
    ["nothing that is seen", Buffer.from("\u200B\n"), "empty"],
  ])("standard input that is %s is sent to nobody", async (_, bytes, why) => {
    await using world = await World.start();
    const stdin = new PassThrough().end(bytes);

    const ran = await world.run(["send", "--to", TO], { stdin });

    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining(why) });
    expect(world.kapso.requests).toEqual([]);
  });

  test("100 kB of standard input, split in order and whole", async () => {
    await using world = await World.start();
    const words = Array.from({ length: 14_500 }, (_, index) => `word${index}`);

    const ran = await world.run(["send", "--to", TO, "--json"], { stdin: words.join(" ") });

    expect(ran.code).toBe(0);
    expect(world.texts.length).toBeGreaterThan(20);
    for (const text of world.texts) expect(text.length).toBeLessThanOrEqual(4096);
    expect(world.texts.join(" ").match(/word\d+/g)).toEqual(words);
    expect(read(ran)["wamids"]).toEqual(world.kapso.sent.map(({ wamid }) => wamid));
  });

  test("more than 1 MiB of standard input is refused whole", async () => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO], { stdin: "x".repeat(1_100_000) });

    expect(ran.code).toBe(2);
    expect(world.kapso.requests).toEqual([]);
  });

  test("several runs at once send each text once", async () => {
    await using world = await World.start();
    const texts = ["one", "two", "three", "four", "five"];

    const ran = await Promise.all(texts.map(async (text) => world.send(text)));

    expect(ran.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(world.texts.toSorted()).toEqual(texts.toSorted());
  });

  test("its state files are closed to others", async () => {
    await using world = await World.start();

    await world.send("hi");

    expect(statSync(world.state).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(world.state))
      expect(statSync(join(world.state, name)).mode & 0o077).toBe(0);
  });
});

describe("wa-cli: wrong usage is exit code 2, and nothing is sent", () => {
  const wrong: readonly (readonly string[])[] = [
    [],
    ["bogus"],
    ["--bogus"],
    ["send"],
    ["send", "--to"],
    ["send", "--to", TO, "--text"],
    ["send", "--to", TO, "--text", "--config"],
    ["send", "--to", TO, "--text", "--to"],
    ["send", "--to", "--text", "hi"],
    ["send", "--to", TO, "--message", "hi"],
    ["send", "--to", TO, "--message=hi"],
    ["send", "--to", TO, "--dryrun", "hi"],
    ["send", "--to", TO, "--txt", "hi"],
    ["send", "--to", TO, "hi", "--verbose"],
    ["send", TO, "hi", "-v"],
    ["send", "--to", TO, "--text", "hi", "there"],
    ["send", TO, "hi", "--text", "there"],
    ["send", "--to", TO, "--text", ""],
    ["send", "--to", TO, "--text", " \n "],
    ["send", "--to", TO, ""],
    ["send", "--to", TO],
    ["send", "--to", "", "--text", "hi"],
    ["send", "--to", "me", "--text", "hi"],
    ["send", "--to", "5551", "--text", "hi"],
    ["send", "--to", "05551234567", "--text", "hi"],
    ["send", "--to", `${TO},${OTHER}`, "--text", "hi"],
    ["send", "hello", "world"],
    ["send", "--to", TO, "--text", "hi", "--timeout", "0"],
    ["send", "--to", TO, "--text", "hi", "--timeout", "soon"],
    ["send", "--to", TO, "--text", "hi", "--timeout"],
    ["status", "now"],
    ["status", "--to", TO],
    ["preflight", "--bogus"],
    ["preflight", "now"],
    ["outbox", "bogus"],
    ["outbox", "list", "--limit", "many"],
    ["outbox", "retry"],
    ["outbox", "drop", "1", "2"],
  ];

  test.each(wrong.map((args) => [args]))("%j", async (args) => {
    await using world = await World.start();

    const ran = await world.run(args);

    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(/\S/);
    expect(ran.out).toBe("");
    expect(world.kapso.requests).toEqual([]);
    expect(existsSync(world.state)).toBe(false);
  });

  test("nothing typed on a terminal is not waited for", async () => {
    await using world = await World.start();
    const stdin = Object.assign(new PassThrough(), { isTTY: true });

    const ran = await world.run(["send", "--to", TO], { stdin });

    expect(ran.code).toBe(2);
    expect(ran.err).toContain("--text");
  });

  test.each<readonly [readonly string[]]>([
    [["send", "--to", TO, "--text", "one", "--text", "two"]],
    [["send", "--to", TO, "--to", OTHER, "--text", "hi"]],
  ])("an option given twice: %j", async (args) => {
    await using world = await World.start();

    expect((await world.run(args)).code).toBe(2);
    expect(world.texts).toEqual([]);
  });

  test.each([["--verbose"], ["--quiet"], ["--msg=hi"]])(
    "an unknown flag where the text should be: --text %s",
    async (flag) => {
      await using world = await World.start();

      expect((await world.run(["send", "--to", TO, "--text", flag])).code).toBe(2);
      expect(world.texts).toEqual([]);
    },
  );

  test.each<readonly [readonly string[]]>([
    [["send", "--to", TO, "--message", "hi", "--json"]],
    [["send", "--json", "--to"]],
    [["outbox", "retry", "abc", "--json"]],
  ])("--json tells it in one document: %j", async (args) => {
    await using world = await World.start();

    expectFailure(await world.run(args), 2);
  });

  test("--json tells what the command itself finds wrong in one document", async () => {
    await using world = await World.start();

    expectFailure(await world.run(["send", "--to", "me", "--text", "hi", "--json"]), 2);
  });

  test.each(["retry", "drop"])("outbox %s of what is no number says so", async (command) => {
    await using world = await World.start();

    const ran = await world.run(["outbox", command, "abc"]);

    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(/\S/);
  });
});

describe("wa-cli: exit code 3 is the configuration", () => {
  test.each([
    [{ KAPSO_API_KEY: "" }, "KAPSO_API_KEY"],
    [{ KAPSO_PHONE_NUMBER_ID: "" }, "KAPSO_PHONE_NUMBER_ID"],
    [{ KAPSO_RATE_LIMIT: "ten" }, "KAPSO_RATE_LIMIT"],
    [{ KAPSO_CONFIG: "/nowhere/typo.toml" }, "/nowhere/typo.toml"],
    [{ KAPSO_TRANSCRIBE_PROVIDER: "groq" }, "KAPSO_TRANSCRIBE_PROVIDER"],
  ])("%j", async (env, name) => {
    await using world = await World.start();

    for (const args of [["send", "--to", TO, "--text", "hi"], ["preflight"]]) {
      const ran = await world.run(args, { env });
      expect(ran.code).toBe(3);
      expect(ran.out).toBe("");
      expect(ran.err).toContain(name);
      expectFailure(await world.run([...args, "--json"], { env }), 3);
    }
    expect(world.kapso.requests).toEqual([]);
  });

  test("--config names the file, which must exist", async () => {
    await using world = await World.start();
    const env = { KAPSO_API_KEY: "", KAPSO_PHONE_NUMBER_ID: "" };
    const file = join(world.home, "my.toml");
    const { apiKey, phoneNumberId } = world.kapso;
    writeFileSync(file, `[kapso]\napi_key = "${apiKey}"\nphone_number_id = "${phoneNumberId}"\n`);

    const good = await world.run(["send", "--config", file, "--to", TO, "--text", "hi"], { env });
    const bad = await world.run(["send", "--config", `${file}x`, "--to", TO, "--text", "hi"], { env });

    expect([good.code, bad.code]).toEqual([0, 3]);
    expect(world.texts).toEqual(["hi"]);
  });

  test("status and outbox need no account", async () => {
    await using world = await World.start();
    const env = { KAPSO_API_KEY: "", KAPSO_PHONE_NUMBER_ID: "" };

    expect((await world.run(["status"], { env })).code).toBe(0);
    expect((await world.run(["outbox"], { env })).code).toBe(0);
  });

  // A secret's file with two keys, or with a key and a remark. No header can carry it, so nothing leaves.
  test.each(["sk-first\nsk-second", "“sk-first”"])("a key of %j", async (key) => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, "--text", "hi"], { env: { KAPSO_API_KEY: key } });

    expect(ran.code).toBe(3);
    expect(ran.err).toContain("KAPSO_API_KEY");
    expect(ran.out + ran.err).not.toContain("sk-first");
    expect(world.kapso.requests).toEqual([]);
  });
});

describe.concurrent("wa-cli send: the exit code says what became of it", () => {
  const json = (body: unknown) => JSON.stringify(body);
  const cases: readonly (readonly [string, Fault, number])[] = [
    ["401 refuses the key", { status: 401, body: json({ error: "Invalid API key" }) }, 4],
    ["an expired token", { status: 400, body: json({ error: { message: "Expired", code: 190 } }) }, 4],
    ["403 lacks a right", { status: 403, body: json({ error: "Forbidden" }) }, 4],
    ["the window is closed", { status: 422, body: json(CLOSED_WINDOW) }, 5],
    ["the window is closed, flat", { status: 422, body: json({ error: "Closed", code: "131047" }) }, 5],
    ["not on WhatsApp", { status: 400, body: json({ error: { message: "No", code: 131026 } }) }, 5],
    ["a bad request", { status: 400, body: json({ error: { message: "Param", code: 100 } }) }, 1],
    ["500 before the effect", { status: 500 }, 6],
    ["500 after the effect", { status: 500, afterEffect: true }, 6],
    ["502 of a proxy", { status: 502, body: "<html>Bad gateway</html>" }, 6],
    ["504 after the effect", { status: 504, afterEffect: true, body: "" }, 6],
    ["no answer, before the effect", { lose: true }, 6],
    ["no answer, after the effect", { lose: true, afterEffect: true }, 6],
    ["200 without an id", { status: 200, afterEffect: true, body: "{}" }, 6],
    ["200 that is no JSON", { status: 200, afterEffect: true, body: "ok" }, 6],
    ["429 for a minute", { status: 429, headers: { "Retry-After": "60" } }, 7],
    ["the rate limit as 400", { status: 400, body: json({ error: { message: "Rate", code: 80007 } }) }, 7],
  ];

  test.each(cases)("%s", async (_, fault, code) => {
    await using world = await World.start();
    world.kapso.fault = ({ kind }) => (kind === "send" ? fault : undefined);

    const ran = await world.send("hi");

    expectFailure(ran, code);
    expect(read(ran)).toMatchObject({ wamids: [] });
    expect(world.kapso.requests.filter(({ kind }) => kind === "send")).toHaveLength(1);
  });

  test("0: accepted is not called delivered", async () => {
    await using world = await World.start();

    const ran = await world.send("hi");
    const text = await world.run(["send", "--to", TO, "--text", "hi"]);

    expect(ran.code).toBe(0);
    expect(read(ran)).toMatchObject({ status: "accepted", wamids: [world.kapso.sent[0]?.wamid] });
    expect(ran.out.trim().split("\n")).toHaveLength(1);
    expect(text.out).not.toMatch(/\bsent\b/i);
    expect(text.out).toMatch(/accepted/i);
  });

  test("7: nobody listens at Kapso's address", async () => {
    await using world = await World.start();
    const url = `http://127.0.0.1:${await freePort()}`;

    const ran = await world.run(["send", "--to", TO, "--text", "hi", "--json", "--timeout", "1"], {
      env: { KAPSO_BASE_URL: url },
    });

    expectFailure(ran, 7);
    expect(read(ran)["error"]).toContain(url);
  });

  test("0: a short 429 is waited for", async () => {
    await using world = await World.start();
    let sends = 0;
    world.kapso.fault = ({ kind }) =>
      kind === "send" && ++sends === 1 ? { status: 429, headers: { "Retry-After": "0.3" } } : undefined;

    expect((await world.send("hi")).code).toBe(0);
    expect(world.texts).toEqual(["hi"]);
  });

  test("7 means that it will not leave later", async () => {
    await using world = await World.start();
    world.refuse(429, { error: "Rate limit exceeded" }, { "Retry-After": "60" });
    expect((await world.send("given up")).code).toBe(7);

    world.heal();
    expect((await world.send("next")).code).toBe(0);

    expect(world.texts).toEqual(["next"]);
  });

  test("4 means that it will not leave later", async () => {
    await using world = await World.start();
    world.refuse(401, { error: "Invalid API key" });
    expect((await world.send("given up")).code).toBe(4);

    world.heal();
    expect((await world.send("next")).code).toBe(0);

    expect(world.texts).toEqual(["next"]);
  });

  test.each([[true], [false]])(
    "6 is settled before the next text, and each leaves once (took effect: %s)",
    async (afterEffect) => {
      await using world = await World.start();
      const env = { WA_SETTLE: "1s" };
      world.kapso.fault = ({ kind }) => (kind === "send" ? { status: 500, afterEffect } : undefined);
      expect((await world.send("first", { env })).code).toBe(6);

      world.heal();
      expect((await world.send("second", { env })).code).toBe(0);

      expect(world.texts).toEqual(["first", "second"]);
    },
  );

  test("7: behind a text of unknown outcome nothing overtakes, and nothing follows later", async () => {
    await using world = await World.start();
    world.refuse(500, {});
    expect((await world.send("first")).code).toBe(6);

    world.heal();
    const behind = await world.run(["send", "--to", TO, "--text", "second", "--timeout", "1", "--json"]);
    const other = await world.run(["send", "--to", OTHER, "--text", "somebody else"]);

    expectFailure(behind, 7);
    expect(other.code).toBe(0);
    expect(world.texts).toEqual(["somebody else"]);
    expect(read(await world.run(["status", "--json"]))).toMatchObject({ outbox: { queued: 0, doubt: 1 } });
  });

  test("6 tells not to send it again", async () => {
    await using world = await World.start();
    world.refuse(500, {});

    const ran = await world.run(["send", "--to", TO, "--text", "hi"]);

    expect(ran.out).toBe("");
    expect(ran.err).toMatch(/do not send it again/);
  });

  test("6: interrupted while the request is under way", async () => {
    await using world = await World.start();
    const stop = new AbortController();
    world.kapso.fault = ({ kind }) => {
      if (kind === "send") setTimeout(() => stop.abort(new Error("Interrupted")), 20);
      return { afterEffect: true, delayMs: 300 };
    };

    expectFailure(await world.send("hi", { signal: stop.signal }), 6);
  });

  test("parts after a refused one are not sent, and the report says which left", async () => {
    await using world = await World.start();
    let sends = 0;
    world.kapso.fault = ({ kind }) =>
      kind === "send" && ++sends === 2 ? { status: 422, body: JSON.stringify(CLOSED_WINDOW) } : undefined;

    const ran = await world.run(["send", "--to", TO, "--json"], { stdin: "word ".repeat(2400) });

    expectFailure(ran, 5);
    expect(world.kapso.sent).toHaveLength(1);
    expect(read(ran)["wamids"]).toEqual([world.kapso.sent[0]?.wamid]);
  });

  // Whoever follows the advice sends the first part twice.
  test("when some parts have left, nobody is told to send the whole again", async () => {
    await using world = await World.start();
    let sends = 0;
    world.kapso.fault = ({ kind }) =>
      kind === "send" && ++sends === 2 ? { status: 429, headers: { "Retry-After": "60" } } : undefined;

    const ran = await world.run(["send", "--to", TO, "--json"], { stdin: "word ".repeat(1200) });

    expect(world.kapso.sent).toHaveLength(1);
    expect(read(ran)["hint"]).not.toBe("try again later");
  });

  // WhatsApp lends 45 messages to one person; beyond it takes 6 s for each, so the rest can not leave in time.
  test("a text of more parts than can leave in time is refused whole", async () => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO, "--timeout", "1"], { stdin: "word ".repeat(45_000) });

    expect(ran.code).not.toBe(0);
    expect(world.texts).toEqual([]);
  });

  test("7 is told at once when no part can leave in time", async () => {
    await using world = await World.start();
    world.refuse(429, { error: "Rate limit exceeded" }, { "Retry-After": "60" });
    const startedAt = Date.now();

    const ran = await world.run(["send", "--to", TO, "--timeout", "3"], { stdin: "word ".repeat(1200) });

    expect(ran.code).toBe(7);
    expect(Date.now() - startedAt).toBeLessThan(2000);
  });

  test.each([
    [401, 4, "KAPSO_API_KEY"],
    [402, 1, "payment method"],
  ])("%i: what is wrong with the key or the account, and the next step", async (status, code, why) => {
    await using world = await World.start();
    world.refuse(status, { error: "No" });

    const ran = await world.send("hi");

    expect(ran.code).toBe(code);
    expect(read(ran)).toMatchObject({
      error: expect.stringContaining(why),
      hint: expect.stringContaining("wa-cli preflight"),
    });
  });

  test("a number id that Kapso does not know names the variable", async () => {
    await using world = await World.start();

    const ran = await world.send("hi", { env: { KAPSO_PHONE_NUMBER_ID: "42" } });

    expect(ran.code).not.toBe(0);
    expect(ran.err).toContain("KAPSO_PHONE_NUMBER_ID");
  });

  test("1: the state folder can not be used, and nothing is sent", async () => {
    await using world = await World.start();
    writeFileSync(world.state, "a file in its place");

    const ran = await world.send("hi");

    expectFailure(ran, 1);
    expect(read(ran)["hint"]).toContain("KAPSO_STATE_DIR");
    expect(world.kapso.requests).toEqual([]);
  });
});

describe("wa-cli status", () => {
  test("without any state says so, and leaves none behind", async () => {
    await using world = await World.start();

    const text = await world.run(["status"]);
    const ran = await world.run(["status", "--json"]);

    expect(text).toMatchObject({ code: 0, err: "" });
    expect(text.out).toContain("has not run yet");
    expect(ran.code).toBe(0);
    expect(read(ran)).toMatchObject({ daemon: { alive: false } });
    expect(existsSync(world.state)).toBe(false);
  });

  test("after sends shows what is stuck, without the number, the text or the key", async () => {
    await using world = await World.start();
    await world.send("accepted text");
    world.refuse(422, CLOSED_WINDOW);
    await world.send("refused text");
    world.refuse(500, {});
    await world.send("doubtful text");

    const ran = await world.run(["status", "--json"]);
    const text = await world.run(["status"]);

    expect(ran.code).toBe(0);
    expect(read(ran)).toMatchObject({
      daemon: { alive: false },
      outbox: { queued: 0, sending: 0, doubt: 1, dead: 1 },
      stuck: [
        { to: "+155…4567", state: "dead", error: expect.stringContaining("24 hours") },
        { to: "+155…4567", state: "doubt" },
      ],
    });
    for (const shown of [ran.out, text.out]) {
      expect(shown).not.toContain(DIGITS);
      expect(shown).not.toMatch(/(accepted|refused|doubtful) text/);
    }
    expect(text.out).toContain("not running");
    expect(text.out).toContain("1 of unknown outcome, 1 given up");
    expect(text.out).not.toContain("\u001B");
  });

  test("does not repeat a whole number that Kapso names in an error", async () => {
    await using world = await World.start();
    world.refuse(422, { error: { message: `Recipient ${TO} is not in the allowed list`, code: 131030 } });
    await world.send("hi");

    for (const args of [["status"], ["status", "--json"], ["outbox"], ["outbox", "--json"]])
      expect((await world.run(args)).out).not.toContain(DIGITS);
  });

  test("shows the daemon that runs and what it last knew", async () => {
    await using world = await World.start();
    await world.send("hi");
    const startedAt = Date.UTC(2026, 10, 20);
    using lock = DaemonLock.tryAcquire(world.state);
    {
      using store = Store.open(world.state);
      const facts = {
        daemon: { pid: 4711, version: "0.1.0", startedAt },
        gateway: { kind: "unreachable", message: "No answer", hint: "start it" },
        poll: { kind: "polling", message: "every 30 s" },
      };
      for (const [name, fact] of Object.entries(facts))
        await store.facts.set(name, JSON.stringify(fact), Date.now());
      await store.facts.moveCursor("poll", 1, startedAt);
      await store.facts.set("health", "1", Date.now());
    }

    const ran = await world.run(["status", "--json"]);
    const text = await world.run(["status"]);

    expect(lock).toBeDefined();
    expect(read(ran)).toMatchObject({
      daemon: { alive: true, pid: 4711, startedAt: "2026-11-20T00:00:00.000Z" },
      gateway: { kind: "unreachable", hint: "start it" },
      poll: { kind: "polling", lastAt: "2026-11-20T00:00:00.000Z" },
    });
    expect(text.out).toMatch(/running.*4711/);
    expect(text.out).toContain("→ start it");
  });

  describe("--check", () => {
    /** A daemon whose gateway and poll say so of themselves, and that polled so long ago. */
    async function checked(
      gateway: string,
      poll: string,
      ageMs: number,
      { isAlive = true, silentMs = 0, env = {} } = {},
    ) {
      await using world = await World.start();
      await world.send("hi");
      using lock = isAlive ? DaemonLock.tryAcquire(world.state) : undefined;
      expect(lock !== undefined).toBe(isAlive);
      {
        using store = Store.open(world.state);
        const facts = {
          daemon: { pid: 4711, version: "1", startedAt: Date.now() },
          gateway: { kind: gateway, message: "Gateway is so", hint: "do this" },
          poll: { kind: poll, message: "Poll is so" },
        };
        for (const [name, fact] of Object.entries(facts))
          await store.facts.set(name, JSON.stringify(fact), Date.now());
        await store.facts.moveCursor("poll", 1, Date.now() - ageMs);
        await store.facts.set("health", "1", Date.now() - silentMs);
      }
      return await world.run(["status", "--check", "--json"], { env });
    }

    test("is 0 while the daemon runs and its parts are well", async () => {
      const ran = await checked("connected", "polling", 100_000);

      expect(ran.code).toBe(0);
      expect(read(ran)).toMatchObject({ daemon: { alive: true, responds: true } });
    });

    test("does not wait for polls that only follow webhooks", async () => {
      const env = { KAPSO_MODE: "domain", KAPSO_POLL_FALLBACK: "false" };

      expect((await checked("connected", "polling", 1_800_000, { env })).code).toBe(0);
    });

    test.each([[{}], [{ KAPSO_MODE: "domain", KAPSO_POLL_FALLBACK: "false" }]])(
      "is 1 when the daemon hangs, whatever it last said of its parts: %j",
      async (env) => {
        const ran = await checked("connected", "polling", 0, { silentMs: 150_000, env });

        expectFailure(ran, 1);
        expect(read(ran)).toMatchObject({
          error: "wa-poller runs, but gives no sign of life",
          hint: expect.stringContaining("restart it"),
          daemon: { alive: true, responds: false },
        });
      },
    );

    test.each([
      ["a part is unwell", "unreachable", "polling", 0, true, "gateway: Gateway is so"],
      ["two are", "unreachable", "failing", 0, true, "gateway: Gateway is so; poll: Poll is so"],
      [
        "nothing was polled for long",
        "connected",
        "polling",
        150_000,
        true,
        "poll: the last one was 3 min ago",
      ],
      ["it does not run", "connected", "polling", 0, false, "wa-poller is not running"],
    ])("is 1 when %s, and says so", async (_, gateway, poll, ageMs, isAlive, error) => {
      const ran = await checked(gateway, poll, ageMs, { isAlive });

      expectFailure(ran, 1);
      expect(read(ran)).toMatchObject({ error, daemon: { alive: isAlive } });
      if (gateway !== "connected") expect(read(ran)["hint"]).toBe("do this");
    });
  });

  test.runIf(process.platform === "linux")("of an installed service it says how to start that", async () => {
    await using world = await World.start();
    await world.send("hi");
    const units = join(world.home, ".config/systemd/user");
    mkdirSync(units, { recursive: true });
    const env = { HOME: world.home };

    expect((await world.run(["status"], { env })).out).toContain("start it with: wa-poller\n");
    writeFileSync(join(units, "wa-relay.service"), "");
    expect((await world.run(["status"], { env })).out).toContain(
      "start it with: systemctl --user start wa-relay\n",
    );
    expect((await world.run(["status", "--check"], { env })).err).toContain("→ start it with: systemctl");
  });

  test("sees that the daemon died, whatever it wrote before", async () => {
    await using world = await World.start();
    await world.send("hi");
    DaemonLock.tryAcquire(world.state)?.[Symbol.dispose]();
    using store = Store.open(world.state);
    const state = { kind: "connected", message: "Connected" };
    await store.facts.set("gateway", JSON.stringify(state), Date.now());

    const found = read(await world.run(["status", "--json"]));

    expect(found).toMatchObject({ daemon: { alive: false } });
    expect(found["gateway"]).toBeUndefined();
  });

  test("a damaged state file is a failure with its next step, and is left alone", async () => {
    await using world = await World.start();
    mkdirSync(world.state);
    writeFileSync(join(world.state, "relay.db"), "this is no database at all".repeat(100));

    const ran = await world.run(["status", "--json"]);

    expectFailure(ran, 1);
    expect(read(ran)["hint"]).toContain("wa-poller");
    expect(readdirSync(world.state).filter((name) => name.includes("damaged"))).toEqual([]);
  });
});

describe("wa-cli outbox", () => {
  /** One accepted, two given up. */
  async function populated(): Promise<World> {
    const world = await World.start();
    await world.send("accepted text");
    world.refuse(422, CLOSED_WINDOW);
    await world.send("refused text");
    await world.run(["send", "--to", OTHER, "--text", "other refused text"]);
    world.heal();
    return world;
  }
  const ids = (ran: Ran) => (JSON.parse(ran.out) as { readonly id: number }[]).map(({ id }) => id);

  test("is empty at first", async () => {
    await using world = await World.start();

    expect((await world.run(["outbox"])).out).toBe("Nothing waits\n");
    expect(read(await world.run(["outbox", "list", "--json"]))).toEqual([]);
  });

  test("lists what was given up, oldest first, without number and text", async () => {
    await using world = await populated();

    const ran = await world.run(["outbox", "list", "--json"]);
    const text = await world.run(["outbox"]);

    expect(read(ran)).toMatchObject([
      { id: 2, state: "dead", to: "+155…4567", code: "131047", attempts: 1 },
      { id: 3, state: "dead", to: "+155…6543", code: "131047" },
    ]);
    expect((await world.run(["outbox", "--json"])).out).toBe(ran.out);
    for (const { out } of [ran, text]) {
      expect(out).not.toMatch(/1555(1234567|9876543)/);
      expect(out).not.toContain("refused text");
    }
    expect(text.out.trim().split("\n")).toEqual([
      expect.stringMatching(/^#2 /),
      expect.stringMatching(/^#3 /),
      expect.stringContaining("outbox retry"),
    ]);
  });

  test("--all has the accepted ones too, --limit the newest", async () => {
    await using world = await populated();

    expect(ids(await world.run(["outbox", "list", "--all", "--json"]))).toEqual([1, 2, 3]);
    expect(ids(await world.run(["outbox", "--limit", "1", "--json"]))).toEqual([3]);
  });

  test("retry queues what was given up, once, and it leaves before the person's next text", async () => {
    await using world = await populated();

    const ran = await world.run(["outbox", "retry", "2", "--json"]);
    const again = await world.run(["outbox", "retry", "2", "--json"]);
    await world.send("next");

    expect(ran.code).toBe(0);
    expect(read(ran)).toEqual({ id: 2, state: "queued" });
    expectFailure(again, 1);
    expect(world.texts).toEqual(["accepted text", "refused text", "next"]);
  });

  test("what WhatsApp told of a message is shown", async () => {
    await using world = await populated();
    using store = Store.open(world.state);
    const wamid = world.kapso.sent[0]?.wamid ?? "";
    await store.statuses.note([{ wamid, status: "read", at: Date.UTC(2026, 0, 1) }], Date.now());

    const ran = await world.run(["outbox", "--all", "--json"]);
    const text = await world.run(["outbox", "--all"]);

    expect(read(ran)).toMatchObject([
      { id: 1, state: "accepted", status: "read", statusAt: "2026-01-01T00:00:00.000Z" },
      { id: 2, state: "dead" },
      { id: 3 },
    ]);
    expect(text.out).toMatch(/^#1 read to/);
  });

  test("P7: retry of what may have left asks for --force", async () => {
    await using world = await World.start();
    using store = Store.open(world.state);
    const [id = 0] = await enqueue(store.outbox, [{ to: { phone: DIGITS }, text: "perhaps" }], Date.now());
    const claim = await store.outbox.claim(DIGITS, "daemon", Date.now());
    if (claim) await store.outbox.dead(claim, { code: "unknown", error: "It may have left" }, Date.now());

    const refused = await world.run(["outbox", "retry", String(id), "--json"]);
    const forced = await world.run(["outbox", "retry", String(id), "--force", "--json"]);

    expectFailure(refused, 6);
    expect(read(refused)["hint"]).toContain("--force");
    expect(forced.code).toBe(0);
  });

  test("retry of what failed after its text was deleted says so", async () => {
    await using world = await populated();
    using store = Store.open(world.state);
    await store.sweep(Date.now() + 1000, 0);
    const wamid = world.kapso.sent[0]?.wamid ?? "";
    await store.statuses.note([{ wamid, status: "failed" }], Date.now());

    const ran = await world.run(["outbox", "retry", "1", "--json"]);

    expectFailure(ran, 1);
    expect(read(ran)["error"]).toMatch(/text was deleted/);
    expect(read(ran)["hint"]).toContain("outbox drop 1");
  });

  test("drop takes it off the list for good", async () => {
    await using world = await populated();

    const ran = await world.run(["outbox", "drop", "2", "--json"]);

    expect(ran.code).toBe(0);
    expect(read(ran)).toEqual({ id: 2, state: "dropped" });
    expect(ids(await world.run(["outbox", "--json"]))).toEqual([3]);
    await world.send("next");
    expect(world.texts).toEqual(["accepted text", "next"]);
  });

  test("P2: what may have left is dropped by --force only, for its idempotency key goes with it", async () => {
    await using world = await World.start();
    world.refuse(500, { error: "busy" });
    const key = ["--idempotency-key", "k"];
    const sent = await world.run(["send", "--to", TO, "--text", "hi", "--json", ...key]);

    const refused = await world.run(["outbox", "drop", "1", "--json"]);
    const forced = await world.run(["outbox", "drop", "1", "--force", "--json"]);

    expect([sent.code, refused.code, forced.code]).toEqual([6, 6, 0]);
    expect(read(refused)["hint"]).toMatch(/--force.*idempotency key/);
  });

  // Whoever noted "#3" would otherwise decide on another message.
  test("a number that was dropped is not given again", async () => {
    await using world = await populated();
    await world.run(["outbox", "drop", "3"]);

    expect(read(await world.send("next"))["outbox"]).toEqual([4]);
  });

  test("what was accepted can neither be sent again nor dropped", async () => {
    await using world = await populated();

    expectFailure(await world.run(["outbox", "retry", "1", "--json"]), 1);
    expectFailure(await world.run(["outbox", "drop", "1", "--json"]), 1);
    expect(ids(await world.run(["outbox", "--all", "--json"]))).toEqual([1, 2, 3]);
  });

  test.each(["retry", "drop"])("%s of an id that there is not points to the list", async (command) => {
    await using world = await populated();

    const ran = await world.run(["outbox", command, "99", "--json"]);

    expectFailure(ran, 1);
    expect(read(ran)["hint"]).toContain("wa-cli outbox");
  });
});

interface Report {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly hint?: string }[];
}

describe("wa-cli preflight", () => {
  const TOKEN = "gateway-token-4711";
  async function setUp() {
    const stack = new AsyncDisposableStack();
    const world = stack.use(await World.start());
    const gateway = stack.use(await EchoGateway.start({ token: TOKEN }));
    const env = {
      OPENCLAW_GATEWAY_URL: gateway.url,
      OPENCLAW_TOKEN: TOKEN,
      KAPSO_ALLOWED_NUMBERS: TO,
    };
    return { world, gateway, env, [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
  }
  const reportOf = (ran: Ran) => JSON.parse(ran.out) as Report;
  const failing = (ran: Ran) => reportOf(ran).checks.filter(({ ok }) => !ok);

  test.each(["preflight", "doctor"])("%s: all is well, and nothing was sent", async (command) => {
    await using all = await setUp();
    const { world, gateway, env } = all;

    const ran = await world.run([command, "--json"], { env });
    const text = await world.run([command], { env });

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(reportOf(ran)).toMatchObject({ ok: true });
    expect(reportOf(ran).checks.map(({ name }) => name)).toEqual([
      "config",
      "state",
      "number",
      "listing",
      "gateway",
    ]);
    expect(failing(ran)).toEqual([]);
    expect(text.out.match(/✓/g)).toHaveLength(5);
    expect(ran.out + text.out).not.toContain(TOKEN);
    expect(ran.out + text.out).not.toContain(DIGITS);
    expect(world.texts).toEqual([]);
    expect(world.kapso.receipts).toEqual([]);
    expect(gateway.asked).toEqual([]);
  });

  test("says that nobody may write yet", async () => {
    await using all = await setUp();
    const { world, env } = all;

    const ran = await world.run(["preflight", "--json"], { env: { ...env, KAPSO_ALLOWED_NUMBERS: "" } });

    expect(ran.code).toBe(0);
    expect(reportOf(ran).checks[0]?.hint).toContain("KAPSO_ALLOWED_NUMBERS");
  });

  test("a service that does not run, can not be asked or ends with the session is told, with the next step", async () => {
    await using all = await setUp();
    const { world, env } = all;
    const bin = join(world.home, "bin");
    mkdirSync(bin);
    const script = (name: string, text: string) =>
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const answer = (word: string) => script("loginctl", `echo ${word}`);
    script("systemctl", "echo ActiveState=active");
    const own = { ...env, HOME: world.home, PATH: `${bin}:${process.env["PATH"]}` };
    const service = async () =>
      reportOf(await world.run(["preflight", "--json"], { env: own })).checks.find(
        ({ name }) => name === "service",
      );

    answer("no");
    expect(await service()).toBe(undefined);
    mkdirSync(join(world.home, ".config/systemd/user"), { recursive: true });
    writeFileSync(join(world.home, ".config/systemd/user/wa-relay.service"), "");
    expect(await service()).toMatchObject({ ok: true, hint: expect.stringContaining("enable-linger") });
    answer("yes");
    expect(await service()).not.toHaveProperty("hint");

    const toStatus = { ok: true, hint: "wa-poller service status" };
    script("systemctl", "echo ActiveState=failed");
    expect(await service()).toMatchObject({ ...toStatus, detail: expect.stringContaining("failed, ") });
    script("systemctl", "echo Failed to connect to bus >&2; exit 1");
    expect(await service()).toMatchObject({ ...toStatus, detail: expect.stringContaining("unknown") });
  });

  test("4: a wrong key, with the variable to set", async () => {
    await using all = await setUp();
    const { world, env } = all;

    const ran = await world.run(["preflight", "--json"], { env: { ...env, KAPSO_API_KEY: "sk-wrong" } });
    const text = await world.run(["preflight"], { env: { ...env, KAPSO_API_KEY: "sk-wrong" } });

    expectFailure(ran, 4);
    expect(failing(ran).map(({ name }) => name)).toEqual(["number", "listing"]);
    for (const { hint } of failing(ran)) expect(hint).toContain("KAPSO_API_KEY");
    expect(text.code).toBe(4);
    expect(text.out).toMatch(/✗ number/);
    expect(ran.out + ran.err + text.out + text.err).not.toContain("sk-wrong");
  });

  test("an unknown phone number id, with the variable to set", async () => {
    await using all = await setUp();
    const { world, env } = all;

    const ran = await world.run(["preflight", "--json"], { env: { ...env, KAPSO_PHONE_NUMBER_ID: "42" } });

    expect(ran.code).not.toBe(0);
    expect(failing(ran)[0]?.hint).toContain("KAPSO_PHONE_NUMBER_ID");
  });

  test("7: no gateway, with what to start", async () => {
    await using all = await setUp();
    const { world, env } = all;
    const url = `ws://127.0.0.1:${await freePort()}`;

    const ran = await world.run(["preflight", "--json"], { env: { ...env, OPENCLAW_GATEWAY_URL: url } });

    expectFailure(ran, 7);
    expect(failing(ran)).toMatchObject([
      { name: "gateway", hint: expect.stringContaining("start an OpenClaw gateway") },
    ]);
  });

  test("4: a wrong gateway token, with the variable to set", async () => {
    await using all = await setUp();
    const { world, env } = all;

    const ran = await world.run(["preflight", "--json"], { env: { ...env, OPENCLAW_TOKEN: "wrong-4711" } });

    expectFailure(ran, 4);
    expect(failing(ran)).toMatchObject([
      { name: "gateway", hint: expect.stringContaining("OPENCLAW_TOKEN") },
    ]);
    expect(ran.out + ran.err).not.toContain("wrong-4711");
  });

  test("each link is checked although an earlier one fails", async () => {
    await using all = await setUp();
    const { world, env } = all;
    world.kapso.fault = () => ({ status: 503 });

    const ran = await world.run(["preflight", "--json"], { env });

    expectFailure(ran, 7);
    expect(reportOf(ran).checks).toHaveLength(5);
    expect(reportOf(ran).checks.at(-1)).toMatchObject({ name: "gateway", ok: true });
  });
});

describe("wa-cli --help", () => {
  test.each<readonly [readonly string[], string]>([
    [["--help"], "wa-cli send --to"],
    [["-h"], "wa-cli send --to"],
    [["help"], "wa-cli send --to"],
    [["help", "send"], "wa-cli send --to"],
    [["send", "--help"], "wa-cli send --to"],
    [["status", "--help"], "--json"],
    [["preflight", "--help"], "--json"],
    [["doctor", "--help"], "--json"],
    [["outbox", "--help"], "retry"],
    [["outbox", "list", "--help"], "--all"],
    [["outbox", "retry", "--help"], "<id>"],
    [["outbox", "drop", "--help"], "<id>"],
  ])("%j", async (args, part) => {
    await using world = await World.start();

    const ran = await world.run(args, { env: { KAPSO_RATE_LIMIT: "ten" } });

    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toContain(part);
    expect(world.kapso.requests).toEqual([]);
  });

  test("--version is one line", async () => {
    await using world = await World.start();

    expect(await world.run(["--version"])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/),
    });
  });

  test("names the exit codes", async () => {
    await using world = await World.start();

    const { out } = await world.run(["--help"]);

    for (const code of [0, 1, 2, 3, 4, 5, 6, 7]) expect(out).toMatch(new RegExp(`\\b${code} \\w`));
  });
});
