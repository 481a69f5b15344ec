import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Content } from "../../src/content.ts";
import type { Inbound, Passive } from "../../src/message.ts";
import type { Settled } from "../../src/pipeline/answer.ts";
import type { NewOutgoing } from "../../src/pipeline/outbox.ts";
import type { Question } from "../../src/pipeline/turn.ts";
import { Store } from "../../src/store/store.ts";
import { ANN, inbound, NOW } from "../inbound.ts";
import { enqueue } from "./enqueue.ts";

const BOB = "15550100002";
const NOT_KNOWN = { by: undefined, text: "" };

function setUp() {
  const folder = mkdtempSync(join(tmpdir(), "wa-notes-test-"));
  const store = Store.open(folder);
  const { inbox, outbox } = store;
  let count = 0;
  const hear = async (given: Parameters<typeof inbound>[0] = {}) => {
    const [stored] = await inbox.accept([inbound({ wamid: `wamid.${++count}`, ...given })], "poll", NOW);
    return stored;
  };
  return {
    store,
    /** Something that asks nothing by itself. */
    note: async (content: Content, given: Partial<Inbound> = {}) => {
      expect(await hear({ content, ...given })).toBeUndefined();
    },
    /** A question, as it is loaded to be answered. */
    ask: async (given: Parameters<typeof inbound>[0] = {}): Promise<Question> => {
      const stored = await hear(given);
      const question = stored && (await inbox.question(stored.seq));
      if (!question) throw new Error("not a question");
      return question;
    },
    settle: (seq: number, state: Settled["state"]) => inbox.settle(seq, { state, replies: [] }, NOW),
    /** Sends a message, which WhatsApp takes under this wamid. */
    send: async (wamid: string, message: Partial<NewOutgoing>) => {
      const [id = 0] = await enqueue(outbox, [{ to: { phone: ANN }, text: "", ...message }], NOW);
      const claim = await outbox.claim(outbox.get(id)?.contact ?? "", "daemon", NOW);
      if (claim) await outbox.accepted(claim, { wamid }, NOW);
      return id;
    },
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const thumb = (target: string): Content => ({ type: "reaction", target, emoji: "👍" });

describe("notes of a question", () => {
  const passive: readonly Content[] = [
    thumb("wamid.T"),
    { type: "reaction", target: "wamid.T" },
    { type: "edit", target: "wamid.T", content: { type: "text", text: "hello there" } },
    { type: "edit", target: "wamid.T", content: { type: "image", media: { id: "1" }, caption: "new" } },
    { type: "revoke", target: "wamid.T" },
    { type: "unsupported", what: "poll_creation" },
    { type: "unsupported" },
  ];

  test.each(passive)("%o starts no turn and comes with the person's next", async (content) => {
    using world = setUp();
    await world.note(content);

    expect(world.store.inbox.counts()).toEqual({ context: 1 });
    expect(await world.store.inbox.pending()).toEqual([]);
    const { notes } = await world.ask();
    expect(notes).toEqual([{ content, quoted: "target" in content ? NOT_KNOWN : undefined }]);
  });

  test("carry the text of their target, whoever wrote it", async () => {
    using world = setUp();
    const { seq } = await world.ask({ wamid: "wamid.T", text: "two rye please" });
    await world.settle(seq, "answered");
    await world.send("wamid.OUT", { text: "With butter?" });
    await world.note(thumb("wamid.OUT"));
    await world.note({ type: "edit", target: "wamid.T", content: { type: "text", text: "three rye" } });

    const { notes } = await world.ask();

    expect(notes.map(({ quoted }) => quoted)).toEqual([
      { by: "us", text: "With butter?" },
      { by: "person", text: "two rye please" },
    ]);
  });

  test("are the person's own, by whatever the person is known", async () => {
    using world = setUp();
    await world.ask({ from: { phone: ANN, bsuid: "US.1" } });
    await world.note(thumb("wamid.1"), { from: { bsuid: "US.1" } });
    await world.note(thumb("wamid.1"), { from: { phone: BOB } });

    const ofBob = await world.ask({ from: { phone: BOB } });
    const ofAnn = await world.ask({ from: { phone: ANN } });

    expect(ofBob.notes).toEqual([{ content: thumb("wamid.1"), quoted: NOT_KNOWN }]);
    expect(ofAnn.notes).toEqual([{ content: thumb("wamid.1"), quoted: { by: "person", text: "hello" } }]);
  });

  test("P5: a forged target shows nothing of another person's messages", async () => {
    using world = setUp();
    await world.ask({ wamid: "wamid.ANN", text: "my secret" });
    await world.send("wamid.TO-ANN", { text: "your secret" });
    for (const target of ["wamid.ANN", "wamid.TO-ANN"])
      for (const content of [
        thumb(target),
        { type: "edit", target, content: { type: "text", text: "x" } },
        { type: "revoke", target },
      ] satisfies Content[])
        await world.note(content, { from: { phone: BOB } });

    const { notes } = await world.ask({ from: { phone: BOB } });

    expect(notes).toHaveLength(6);
    expect(notes.every(({ quoted }) => quoted?.by === undefined && quoted?.text === "")).toBe(true);
    expect(JSON.stringify(notes)).not.toContain("secret");
  });

  test.each<[Settled["state"], told: boolean]>([
    ["answered", true],
    ["silent", true],
    ["failed", true],
    ["denied", false],
    ["limited", false],
    ["stale", false],
  ])("after a question that is %s they are told: %s", async (state, isTold) => {
    using world = setUp();
    await world.note(thumb("wamid.1"));
    const { seq } = await world.ask();

    await world.settle(seq, state);

    expect(world.store.inbox.counts()).toEqual({ [state]: 1, [isTold ? "told" : "context"]: 1 });
    expect((await world.ask()).notes).toHaveLength(isTold ? 0 : 1);
  });

  test("settling somebody else's question, or a question a second time, tells none of them", async () => {
    using world = setUp();
    const first = await world.ask();
    await world.settle(first.seq, "answered");
    await world.note(thumb("wamid.1"));
    const ofBob = await world.ask({ from: { phone: BOB } });

    await world.settle(ofBob.seq, "answered");
    await world.settle(first.seq, "answered");

    expect((await world.ask()).notes).toHaveLength(1);
  });

  test("that come after a question wait for the next", async () => {
    using world = setUp();
    const first = await world.ask();
    await world.note(thumb("wamid.1"));

    const again = await world.store.inbox.question(first.seq);
    await world.settle(first.seq, "answered");
    const second = await world.ask();

    expect(again?.notes).toEqual([]);
    expect(second.notes).toHaveLength(1);
  });

  test("P10: are the twenty newest, in order; none of the others comes later", async () => {
    using world = setUp();
    for (let index = 0; index < 25; index++) await world.note(thumb(`wamid.T${index}`));

    const { seq, notes } = await world.ask();
    await world.settle(seq, "answered");

    expect(notes.map(({ content }) => "target" in content && content.target)).toEqual(
      Array.from({ length: 20 }, (_, index) => `wamid.T${index + 5}`),
    );
    expect((await world.ask()).notes).toEqual([]);
    expect(world.store.inbox.counts()["told"]).toBe(25);
  });

  test("survive a restart, as the question does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "wa-notes-test-"));
    {
      using store = Store.open(folder);
      await store.inbox.accept(
        [inbound({ wamid: "wamid.R", content: thumb("wamid.T") }), inbound()],
        "poll",
        NOW,
      );
    }
    using store = Store.open(folder);

    const [pending] = await store.inbox.pending();
    const question = await store.inbox.question(pending?.seq ?? 0);
    rmSync(folder, { recursive: true, force: true });

    expect(question?.notes).toEqual([{ content: thumb("wamid.T"), quoted: NOT_KNOWN }]);
  });

  test("P2: a reaction that is brought twice is told once", async () => {
    using world = setUp();
    await world.note(thumb("wamid.T"), { wamid: "wamid.R" });
    await world.note(thumb("wamid.T"), { wamid: "wamid.R" });

    expect((await world.ask()).notes).toHaveLength(1);
  });

  test.each<Passive>(["history", "group", "system"])("what is %s is never one", async (kind) => {
    using world = setUp();
    await world.note(thumb("wamid.T"), { passive: kind });
    await world.note({ type: "text", text: "hello all" }, { passive: kind });

    expect((await world.ask()).notes).toEqual([]);
    expect(world.store.inbox.counts()).toEqual({ [kind]: 2, pending: 1 });
  });

  test("a note whose text was deleted is not told", async () => {
    using world = setUp();
    await world.note(thumb("wamid.T"));
    await world.store.sweep(NOW + 1, 0);

    expect((await world.ask()).notes).toEqual([]);
  });
});

describe("what a question quotes", () => {
  test("is our message", async () => {
    using world = setUp();
    await world.send("wamid.OUT", { text: "With butter?" });

    expect((await world.ask({ quotes: "wamid.OUT" })).quoted).toEqual({ by: "us", text: "With butter?" });
  });

  test("is the caption of a file of ours", async () => {
    using world = setUp();
    const media = { as: "image", path: "/f.jpg", mimeType: "image/jpeg" } as const;
    await world.send("wamid.OUT", { text: "our bread", media });

    expect((await world.ask({ quotes: "wamid.OUT" })).quoted).toEqual({ by: "us", text: "our bread" });
  });

  test("is a message of their own, of any kind", async () => {
    using world = setUp();
    await world.ask({ wamid: "wamid.T", text: "two rye please" });
    await world.ask({
      wamid: "wamid.I",
      content: { type: "image", media: { id: "1" }, caption: "this one" },
    });

    const text = await world.ask({ quotes: "wamid.T" });
    const image = await world.ask({ quotes: "wamid.I" });

    expect(text.quoted).toEqual({ by: "person", text: "two rye please" });
    expect(image.quoted).toEqual({ by: "person", text: '[image: caption "this one"]' });
  });

  test("is not known", async () => {
    using world = setUp();

    expect((await world.ask({ quotes: "wamid.LONG-AGO" })).quoted).toEqual(NOT_KNOWN);
  });

  test("is nothing", async () => {
    using world = setUp();

    expect((await world.ask()).quoted).toBeUndefined();
  });

  test("has its text deleted by now", async () => {
    using world = setUp();
    const { seq } = await world.ask({ wamid: "wamid.T" });
    await world.settle(seq, "answered");
    await world.send("wamid.OUT", { text: "With butter?" });
    await world.store.sweep(NOW + 1, 0);

    const ours = await world.ask({ quotes: "wamid.OUT" });
    const theirs = await world.ask({ quotes: "wamid.T" });

    expect(ours.quoted).toEqual({ by: "us", text: "" });
    expect(theirs.quoted).toEqual({ by: "person", text: "" });
  });

  test("P5: shows nothing of another person's messages", async () => {
    using world = setUp();
    await world.ask({ wamid: "wamid.ANN", text: "my secret" });
    await world.send("wamid.TO-ANN", { text: "your secret" });
    await world.ask({ wamid: "wamid.BOTH", text: "my secret" });
    await world.ask({ wamid: "wamid.BOTH", text: "mine", from: { phone: BOB }, phoneNumberId: "200" });
    const ask = async (quotes: string) => (await world.ask({ from: { phone: BOB }, quotes })).quoted;

    expect(await ask("wamid.ANN")).toEqual(NOT_KNOWN);
    expect(await ask("wamid.TO-ANN")).toEqual(NOT_KNOWN);
    expect(await ask("wamid.BOTH")).toEqual({ by: "person", text: "mine" });
  });

  test("is known when the person showed another id then", async () => {
    using world = setUp();
    await world.ask({ wamid: "wamid.T", from: { phone: ANN, bsuid: "US.1" }, text: "two rye" });
    await world.send("wamid.OUT", { to: { phone: ANN }, text: "With butter?" });
    const ask = async (quotes: string) => (await world.ask({ from: { bsuid: "US.1" }, quotes })).quoted;

    expect(await ask("wamid.T")).toEqual({ by: "person", text: "two rye" });
    expect(await ask("wamid.OUT")).toEqual({ by: "us", text: "With butter?" });
  });

  test("is a file of ours without a caption", async () => {
    using world = setUp();
    const media = { as: "document", path: "/menu.pdf", mimeType: "application/pdf" } as const;
    await world.send("wamid.OUT", { media });

    expect((await world.ask({ quotes: "wamid.OUT" })).quoted).not.toEqual({ by: "us", text: "" });
  });
});

describe("isOvertaken()", () => {
  test.each<[isOvertaken: boolean, later: string, given: Parameters<typeof inbound>[0]]>([
    [true, "a text", {}],
    [true, "a picture", { content: { type: "image", media: { id: "1" } } }],
    [true, "a text under another id", { from: { bsuid: "US.1" } }],
    [false, "a reaction", { content: thumb("wamid.Q") }],
    [
      false,
      "an edit",
      { content: { type: "edit", target: "wamid.Q", content: { type: "text", text: "x" } } },
    ],
    [false, "what is not shown", { content: { type: "unsupported" } }],
    [false, "a message of a group", { passive: "group" }],
    [false, "old history", { passive: "history" }],
    [false, "news of the account", { content: { type: "system", event: "x" }, passive: "system" }],
    [false, "a text of another person", { from: { phone: BOB } }],
  ])("is %s after %s", async (isOvertaken, _later, given) => {
    using world = setUp();
    const { seq } = await world.ask({ wamid: "wamid.Q", from: { phone: ANN, bsuid: "US.1" } });
    expect(await world.store.inbox.isOvertaken(seq)).toBe(false);

    await world.store.inbox.accept([inbound({ wamid: "wamid.LATER", ...given })], "poll", NOW);

    expect(await world.store.inbox.isOvertaken(seq)).toBe(isOvertaken);
  });

  test("counts what came later only, settled or not", async () => {
    using world = setUp();
    const first = await world.ask();
    const second = await world.ask();
    await world.settle(second.seq, "answered");

    expect(await world.store.inbox.isOvertaken(first.seq)).toBe(true);
    expect(await world.store.inbox.isOvertaken(second.seq)).toBe(false);
  });

  test("does not count notes that were told by now", async () => {
    using world = setUp();
    const first = await world.ask();
    await world.note(thumb("wamid.1"));
    const second = await world.ask({ from: { phone: ANN } });
    await world.settle(second.seq, "answered");

    expect(world.store.inbox.counts()).toEqual({ pending: 1, told: 1, answered: 1 });
    expect(await world.store.inbox.isOvertaken(second.seq)).toBe(false);
    expect(await world.store.inbox.isOvertaken(first.seq)).toBe(true);
  });
});
