import { describe, expect, test } from "vitest";
import { Store } from "../../src/store/store.ts";
import { inbound } from "../inbound.ts";
import { DIGITS, read, TO, World } from "./world.ts";

const HOUR = 3_600_000;
const CHECKED = { WA_SEND_ALLOW_TO: "*", WA_SEND_CHECK_WINDOW: "true" };
const DEFAULTS = { WA_SEND_ALLOW_TO: "", WA_SEND_CHECK_WINDOW: "" };
const OWN = "+15550100000";

/** The person wrote so long ago, as a daemon stored it. */
async function wrote(world: World, agoMs: number, given: Parameters<typeof inbound>[0] = {}): Promise<void> {
  using store = Store.open(world.state);
  const wamid = `wamid.${agoMs}${JSON.stringify(given.content ?? "")}`;
  const message = inbound({ wamid, from: { phone: DIGITS }, sentAt: Date.now() - agoMs, ...given });
  await store.inbox.accept([message], "poll", Date.now());
}

function states(world: World): readonly string[] {
  using store = Store.open(world.state);
  return store.outbox.list({ all: true, limit: 100 }).map(({ state, text }) => `${state} ${text}`);
}

describe("wa-cli send: the 24-hour window", () => {
  test("is open for a day after the person's last message", async () => {
    await using world = await World.start();
    await wrote(world, 23.9 * HOUR);

    expect((await world.send("hi", { env: CHECKED })).code).toBe(0);
  });

  test("5: is closed after it, with the time and the way out, and nothing is asked of WhatsApp", async () => {
    await using world = await World.start();
    await wrote(world, 26 * HOUR);

    const ran = await world.send("hi", { env: CHECKED });

    expect(ran.code).toBe(5);
    expect(read(ran)).toEqual({
      status: "failed",
      code: "131047",
      error: expect.stringContaining("closed since"),
      hint: expect.stringContaining("--template"),
      exitCode: 5,
    });
    const since = Date.parse(/since (\S+Z)/.exec(String(read(ran)["error"]))?.[1] ?? "");
    expect(Math.abs(since - (Date.now() - 2 * HOUR))).toBeLessThan(60_000);
    expect(world.texts).toEqual([]);
    expect(states(world)).toEqual([]);
  });

  test("5: of a person who never wrote it is not open, and that is explained", async () => {
    await using world = await World.start();

    const ran = await world.send("hi", { env: CHECKED });

    expect(ran.code).toBe(5);
    expect(read(ran)).toMatchObject({
      code: "131047",
      error: expect.stringContaining("no message of this person"),
    });
  });

  test("Kapso's list tells where no daemon ran", async () => {
    await using world = await World.start();
    world.kapso.receive({ from: DIGITS, text: "hello", sentAt: Date.now() - HOUR });

    expect((await world.send("hi", { env: CHECKED })).code).toBe(0);
    expect((await world.send("hi again", { env: DEFAULTS })).code).toBe(0);
  });

  test("a template leaves all the same", async () => {
    await using world = await World.start();
    await wrote(world, 26 * HOUR);

    const ran = await world.run(["send", "--to", TO, "--template", "hello"], { env: CHECKED });

    expect(ran.code).toBe(0);
    expect(world.kapso.sent).toMatchObject([{ rich: { type: "template" } }]);
  });

  test.each([
    [{ type: "reaction", target: "wamid.X", emoji: "👍" } as const],
    [{ type: "revoke", target: "wamid.X" } as const],
  ])("%j does not open it", async (content) => {
    await using world = await World.start();
    await wrote(world, 26 * HOUR);
    await wrote(world, HOUR, { content });

    expect((await world.send("hi", { env: CHECKED })).code).toBe(5);
  });

  test("an old message that comes late does not close it", async () => {
    await using world = await World.start();
    await wrote(world, HOUR);
    await wrote(world, 30 * HOUR);

    expect((await world.send("hi", { env: CHECKED })).code).toBe(0);
  });

  test("hold: it waits, is shown, and leaves when the person writes", async () => {
    await using world = await World.start();
    const env = { ...CHECKED, WA_SEND_ON_CLOSED: "hold", WA_SETTLE: "1s" };
    await wrote(world, 26 * HOUR);

    const ran = await world.send("waits", { env });
    const listed = await world.run(["outbox"]);
    const status = await world.run(["status", "--json"]);
    expect(world.texts).toEqual([]);
    await wrote(world, 0);
    const next = await world.send("next", { env });

    expect(ran.code).toBe(0);
    expect(read(ran)).toMatchObject({ status: "held", held: [1], wamids: [] });
    expect(listed.out).toMatch(/^#1 held/);
    expect(read(status)).toMatchObject({ outbox: { held: 1 } });
    expect(next.code).toBe(0);
    expect(world.texts).toEqual(["waits", "next"]);
  });

  test("hold: what waits does not hold up a template", async () => {
    await using world = await World.start();
    const env = { ...CHECKED, WA_SEND_ON_CLOSED: "hold" };
    await world.send("waits", { env });

    expect((await world.run(["send", "--to", TO, "--template", "hello"], { env })).code).toBe(0);
    expect(states(world)).toEqual(["held waits", "accepted [template: hello]"]);
  });

  test("hold: what waits can be dropped, and is given up after a week", async () => {
    await using world = await World.start();
    const env = { ...CHECKED, WA_SEND_ON_CLOSED: "hold" };
    await world.send("dropped", { env });
    await world.send("old", { env });

    expect((await world.run(["outbox", "drop", "1"])).code).toBe(0);
    using store = Store.open(world.state);
    await store.sweep(Date.now() + 8 * 24 * HOUR, HOUR);

    expect(states(world)).toEqual(["dead old"]);
  });

  test("template:NAME sends it and keeps the message until they write", async () => {
    await using world = await World.start();
    const env = { ...CHECKED, WA_SEND_ON_CLOSED: "template:may_i:de", WA_SETTLE: "1s" };

    const ran = await world.send("the message", { env });
    await wrote(world, 0);
    await world.send("next", { env });

    expect(ran.code).toBe(0);
    expect(read(ran)).toMatchObject({ status: "held", held: [2], wamids: [expect.any(String)] });
    expect(world.kapso.sent).toMatchObject([
      { rich: { type: "template", body: { name: "may_i", language: { code: "de" } } } },
      { text: "the message" },
      { text: "next" },
    ]);
  });

  test("template:NAME that is refused takes the message with it", async () => {
    await using world = await World.start();
    world.refuse(404, { error: { message: "Template does not exist", code: 132001 } });

    const ran = await world.send("the message", { env: { ...CHECKED, WA_SEND_ON_CLOSED: "template:none" } });

    expect(ran.code).toBe(1);
    expect(states(world)).toEqual(["dead [template: none]", "dead the message"]);
  });

  test("template:NAME that can not leave in time leaves nothing behind", async () => {
    await using world = await World.start();
    world.refuse(429, {}, { "Retry-After": "60" });

    const ran = await world.send("the message", { env: { ...CHECKED, WA_SEND_ON_CLOSED: "template:t" } });

    expect(ran.code).toBe(7);
    expect(states(world)).toEqual([]);
  });
});

describe("wa-cli send: whom it may write to", () => {
  test.each([
    ["nobody", {}, 2],
    ["somebody with a role", { KAPSO_ALLOWED_NUMBERS: TO }, 5],
    ["a number of the list", { WA_SEND_ALLOW_TO: "+1 (555) 123-4567" }, 5],
    ["everybody", { WA_SEND_ALLOW_TO: "*" }, 5],
    [
      "somebody with a role, when only a list counts",
      { KAPSO_ALLOWED_NUMBERS: TO, WA_SEND_ALLOW_TO: "+15559876543" },
      2,
    ],
  ])("%s", async (_, env, code) => {
    await using world = await World.start();

    const ran = await world.send("hi", { env: { ...DEFAULTS, ...env } });

    expect(ran.code).toBe(code);
    if (code === 2)
      expect(read(ran)).toMatchObject({
        code: "send.allow_to",
        status: "refused",
        hint: expect.stringContaining("security.roles"),
      });
    expect(world.texts).toEqual([]);
  });

  test("whoever wrote in the last 24 hours", async () => {
    await using world = await World.start();
    await wrote(world, HOUR);

    expect((await world.send("hi", { env: DEFAULTS })).code).toBe(0);
    expect((await world.send("hi", { env: { ...DEFAULTS, WA_SEND_ALLOW_TO: "roles" } })).code).toBe(2);
  });

  test("whoever wrote before that is nobody, even for a template", async () => {
    await using world = await World.start();
    await wrote(world, 25 * HOUR);

    const ran = await world.run(["send", "--to", TO, "--template", "hello", "--json"], { env: DEFAULTS });

    expect(ran.code).toBe(2);
    expect(read(ran)).toMatchObject({ code: "send.allow_to" });
  });

  test("never the bridge's own number: asked of the provider, or configured", async () => {
    await using world = await World.start();

    const learnt = await world.run(["send", "--to", OWN, "--text", "hi", "--json"]);
    const configured = await world.send("hi", { env: { WA_SEND_OWN_NUMBER: TO } });

    for (const ran of [learnt, configured]) {
      expect(ran.code).toBe(2);
      expect(read(ran)).toMatchObject({ code: "send.own_number" });
    }
    expect(world.texts).toEqual([]);
  });

  test("the own number is asked for once", async () => {
    await using world = await World.start();

    await world.send("one");
    await world.send("two");

    expect(world.kapso.requests.filter(({ kind }) => kind === "other")).toHaveLength(1);
  });

  test("a provider that does not tell the own number holds nobody up", async () => {
    await using world = await World.start();
    world.kapso.fault = ({ kind }) => (kind === "other" ? { status: 500 } : undefined);

    expect((await world.send("hi")).code).toBe(0);
  });
});

describe("wa-cli send: how much", () => {
  test("a cap for each person", async () => {
    await using world = await World.start();
    const env = { WA_SEND_PER_RECIPIENT: "2" };
    await world.send("one", { env });
    await world.send("two", { env });

    const third = await world.send("three", { env });
    const other = await world.run(["send", "--to", "+15559876543", "--text", "hi"], { env });

    expect(third.code).toBe(2);
    expect(read(third)).toMatchObject({
      code: "send.per_recipient",
      error: expect.stringMatching(/2 of at most 2.*1 h/),
      hint: expect.stringContaining("WA_SEND_PER_RECIPIENT"),
    });
    expect(other.code).toBe(0);
    expect(world.texts).toEqual(["one", "two", "hi"]);
  });

  test("parts count one by one, and a text that makes too many leaves no part", async () => {
    await using world = await World.start();

    const ran = await world.run(["send", "--to", TO], {
      stdin: "word ".repeat(2400),
      env: { WA_SEND_PER_RECIPIENT: "2" },
    });

    expect(ran.code).toBe(2);
    expect(world.texts).toEqual([]);
  });

  test("a cap for everybody together", async () => {
    await using world = await World.start();
    const env = { WA_SEND_PER_DAY: "1" };
    await world.send("one", { env });

    const ran = await world.run(["send", "--to", "+15559876543", "--text", "two", "--json"], { env });

    expect(ran.code).toBe(2);
    expect(read(ran)).toMatchObject({ code: "send.per_day" });
  });

  test("answers to questions do not count, nor does what never left", async () => {
    await using world = await World.start();
    const env = { WA_SEND_PER_RECIPIENT: "1" };
    await wrote(world, 0);
    {
      using store = Store.open(world.state);
      const replies = [{ to: { phone: DIGITS }, text: "an answer" }];
      await store.inbox.settle(1, { state: "answered", replies }, Date.now());
    }
    world.refuse(422, { error: { message: "No", code: 131026 } });
    expect((await world.send("refused", { env })).code).toBe(5);
    world.heal();

    expect((await world.send("one", { env })).code).toBe(0);
  });

  test("two at once do not pass a cap together", async () => {
    await using world = await World.start();
    const env = { WA_SEND_PER_DAY: "3" };

    const ran = await Promise.all(
      Array.from({ length: 8 }, async (_, n) =>
        world.run(["send", "--to", `+1555010${1000 + n}`, "--text", "hi"], { env }),
      ),
    );

    expect(ran.filter(({ code }) => code === 0)).toHaveLength(3);
    expect(ran.filter(({ code }) => code === 2)).toHaveLength(5);
    expect(world.texts).toHaveLength(3);
  });
});
