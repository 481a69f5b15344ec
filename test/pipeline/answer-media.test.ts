import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { Content, MediaContent, MediaType } from "../../src/content.ts";
import { loadAttachments } from "../../src/gateway/attachments.ts";
import type { Inbound } from "../../src/message.ts";
import { Answerer, type Answer, type AnswerOptions, type Settlement } from "../../src/pipeline/answer.ts";
import { Deliverer } from "../../src/pipeline/deliver.ts";
import { Guard, type GuardPolicy } from "../../src/pipeline/guard.ts";
import { Lanes } from "../../src/pipeline/lanes.ts";
import type {
  Fetched,
  MediaFetcher,
  MediaFile,
  MediaPreparer,
  OutgoingMedia,
  Transcriber,
} from "../../src/pipeline/media.ts";
import type { NewOutgoing } from "../../src/pipeline/outbox.ts";
import type { Outgoing, SendOutcome } from "../../src/pipeline/outbox.ts";
import type { Turn } from "../../src/pipeline/turn.ts";
import { Store } from "../../src/store/store.ts";
import { toMessages } from "../../src/whatsapp/messages.ts";
import { outgoingBody } from "../../src/whatsapp/outgoing.ts";
import { TestClock } from "../clock.ts";
import { ANN, inbound, NOW } from "../inbound.ts";
import { enqueue } from "../store/enqueue.ts";

const DAY = 86_400_000;
const BOB = "15550100002";

const file: MediaFile = {
  path: "/state/media/a1.jpg",
  mimeType: "image/jpeg",
  bytes: 2048,
  sha256: "abcdef0123456789",
};
const FILE = "[file: /state/media/a1.jpg (image/jpeg, 2 KB)]";

const picture = (given: Partial<MediaContent> = {}): MediaContent => ({
  type: "image",
  media: { id: "1" },
  ...given,
});
const voice = (given: Partial<MediaContent> = {}) => picture({ type: "voice", ...given });

interface Setup {
  readonly policy?: Partial<GuardPolicy>;
  readonly options?: Partial<AnswerOptions>;
  readonly ask?: (turn: Turn) => Promise<Answer>;
  readonly fetch?: MediaFetcher["fetch"];
  /** Null when transcription is not set up. */
  readonly transcribe?: Transcriber["transcribe"] | null;
  readonly prepare?: MediaPreparer["prepare"];
  readonly wrap?: (inbox: Settlement) => Settlement;
}

const silent: Answer = { text: "", media: [] };

function setUp({
  policy,
  options,
  ask = async () => ({ text: "ok", media: [] }),
  fetch = async () => ({ kind: "file", file }),
  transcribe = async () => ({ kind: "text", text: "two rye please" }),
  prepare = async () => ({ kind: "refused", reason: "no file here" }),
  wrap = (inbox) => inbox,
}: Setup = {}) {
  const folder = mkdtempSync(join(tmpdir(), "wa-answer-media-test-"));
  const store = Store.open(folder);
  const stop = new AbortController();
  const lanes = new Lanes(4);
  const clock = new TestClock();
  const log = pino({ level: "silent" });
  const turns: Turn[] = [];
  const fetched: string[] = [];
  const heard: string[] = [];
  const answerer = new Answerer(
    {
      inbox: wrap(store.inbox),
      guard: new Guard({
        open: false,
        roles: new Map([
          [ANN, "member"],
          ["US.1", "member"],
        ]),
        defaultRole: "member",
        rateLimit: 100,
        rateWindowMs: 60_000,
        sessionKey: "main",
        sessionIsolation: true,
        ...policy,
      }),
      gateway: {
        ask: async (turn, onWork) => {
          turns.push(turn);
          onWork();
          return ask(turn);
        },
      },
      lanes,
      typing: { receipts: { markRead: async () => {} }, mode: "none", clock, log },
      media: {
        fetch: async (content, wamid, signal) => {
          fetched.push(wamid);
          return fetch(content, wamid, signal);
        },
      },
      transcriber:
        transcribe === null
          ? undefined
          : {
              transcribe: async (recording, signal) => {
                heard.push(recording.path);
                return transcribe(recording, signal);
              },
            },
      preparer: { prepare },
      format: toMessages,
      wakeDelivery: () => {},
      clock,
      log,
    },
    {
      maxAgeMs: DAY,
      quote: "never",
      answerFrom: 0,
      denyMessage: "",
      limitMessage: "",
      errorMessage: "something went wrong",
      ...options,
    },
    stop.signal,
  );
  const push = async (...messages: readonly Inbound[]) => {
    for (const message of await store.inbox.accept(messages, "poll", clock.now()))
      answerer.push(message, { replayed: false });
  };
  /** Lets everything happen that needs no more than the disk and pauses; what waits for ever still waits. */
  const settled = async () => {
    for (let rounds = 0; rounds < 30; rounds++) {
      await new Promise((resolve) => setImmediate(resolve));
      await store.facts.set("barrier", "", 0);
      clock.skip();
    }
  };
  return {
    store,
    stop,
    lanes,
    turns,
    fetched,
    heard,
    push,
    settled,
    handle: async (...messages: readonly Inbound[]) => {
      await push(...messages);
      await settled();
    },
    /** What was queued, as far as it is seen. */
    sent: () =>
      store.outbox
        .list({ all: true, limit: 100 })
        .map(({ text, media, quotes }) => ({ text, file: media?.path, ...(quotes && { quotes }) })),
    [Symbol.dispose]() {
      stop.abort();
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe("a file that came with a message", () => {
  const refusals: readonly (readonly [state: string, setup: Setup, given: Partial<Inbound>])[] = [
    ["denied", {}, { from: { phone: BOB } }],
    ["denied", {}, { from: { bsuid: "US.9" } }],
    ["limited", { policy: { rateLimit: 0 } }, {}],
    ["stale", {}, { sentAt: NOW - DAY - 1 }],
    ["stale", { options: { answerFrom: NOW } }, { sentAt: NOW - 1 }],
  ];

  test.each(refusals)(
    "P4: is neither fetched nor heard when its sender is %s",
    async (state, setup, given) => {
      using world = setUp(setup);

      await world.handle(
        inbound({ wamid: "wamid.1", content: voice(), ...given }),
        inbound({ wamid: "wamid.2", content: picture(), ...given }),
      );

      expect(world.fetched).toEqual([]);
      expect(world.heard).toEqual([]);
      expect(world.turns).toEqual([]);
      expect(world.store.inbox.counts()).toEqual({ [state]: 2 });
    },
  );

  test("P4: of somebody over the limit is not fetched, those before it are", async () => {
    using world = setUp({ policy: { rateLimit: 1 } });

    await world.handle(
      inbound({ wamid: "wamid.1", content: picture() }),
      inbound({ wamid: "wamid.2", content: picture() }),
    );

    expect(world.fetched).toEqual(["wamid.1"]);
  });

  test.each<["group" | "history"]>([["group"], ["history"]])(
    "P4: of a message that is %s is not fetched, and the message gets no answer",
    async (passive) => {
      using world = setUp({ options: { denyMessage: "not for you" } });

      await world.handle(
        inbound({ wamid: "wamid.1", content: picture(), passive }),
        inbound({ wamid: "wamid.2", passive }),
        inbound({ wamid: "wamid.3", from: { phone: BOB }, passive }),
      );

      expect(world.fetched).toEqual([]);
      expect(world.turns).toEqual([]);
      expect(world.sent()).toEqual([]);
      expect(world.store.inbox.counts()).toEqual({ [passive]: 3 });
    },
  );

  test("P4: in an edit is not fetched", async () => {
    using world = setUp();

    await world.handle(inbound({ content: { type: "edit", target: "wamid.0", content: picture() } }));

    expect(world.fetched).toEqual([]);
  });

  test("is fetched and heard at once, though the person's lane is busy", async () => {
    const gate = Promise.withResolvers<Answer>();
    using world = setUp({ ask: () => gate.promise });

    await world.handle(
      inbound({ wamid: "wamid.1" }),
      inbound({ wamid: "wamid.2", content: picture() }),
      inbound({ wamid: "wamid.3", content: voice() }),
    );
    expect(world.turns).toHaveLength(1);
    expect(world.fetched).toEqual(["wamid.2", "wamid.3"]);
    expect(world.heard).toEqual([file.path]);
    gate.resolve(silent);
    await world.settled();

    expect(world.turns.map(({ message }) => message.wamid)).toEqual(["wamid.1", "wamid.2", "wamid.3"]);
  });

  test("holds up the person's later messages while it is fetched, and nobody else's", async () => {
    const gate = Promise.withResolvers<Fetched>();
    using world = setUp({ fetch: () => gate.promise });

    await world.handle(
      inbound({ wamid: "wamid.1", content: picture() }),
      inbound({ wamid: "wamid.2" }),
      inbound({ wamid: "wamid.3", from: { bsuid: "US.1" } }),
    );
    expect(world.turns.map(({ message }) => message.wamid)).toEqual(["wamid.3"]);
    gate.resolve({ kind: "file", file });
    await world.settled();

    expect(world.turns.map(({ message }) => message.wamid)).toEqual(["wamid.3", "wamid.1", "wamid.2"]);
  });

  test("is fetched and heard once, though the store fails in between", async () => {
    const faults = [new Error("disk is full"), new Error("disk is full")];
    using world = setUp({
      wrap: (inbox) => ({
        question: (seq) => inbox.question(seq),
        isOvertaken: (seq) => inbox.isOvertaken(seq),
        note: async (...given) => inbox.note(...given),
        settle: async (...given) => {
          const fault = faults.shift();
          if (fault) throw fault;
          return inbox.settle(...given);
        },
      }),
    });

    await world.handle(inbound({ content: voice() }));

    expect(world.fetched).toEqual(["wamid.A"]);
    expect(world.heard).toHaveLength(1);
    expect(new Set(world.turns.map(({ text }) => text)).size).toBe(1);
    expect(world.turns.map(({ replayed }) => replayed)).toEqual([false, true, true]);
    expect(world.sent()).toHaveLength(1);
  });

  test("P8: one fault of the store while a message is loaded for its file does not keep the person's lane busy for ever", async () => {
    const faults = [new Error("disk I/O error")];
    using world = setUp({
      wrap: (inbox) => ({
        question: async (seq) => {
          const fault = faults.shift();
          if (fault) throw fault;
          return inbox.question(seq);
        },
        isOvertaken: (seq) => inbox.isOvertaken(seq),
        note: async (...given) => inbox.note(...given),
        settle: (...given) => inbox.settle(...given),
      }),
    });

    await world.handle(inbound({ wamid: "wamid.1", content: picture() }), inbound({ wamid: "wamid.2" }));

    expect(world.store.inbox.counts()).toEqual({ answered: 2 });
  });

  test("that could not be had is told to the agent", async () => {
    using world = setUp({ fetch: async () => ({ kind: "failed", reason: "no longer available" }) });

    await world.handle(
      inbound({ wamid: "wamid.1", content: picture({ caption: "my cat" }) }),
      inbound({ wamid: "wamid.2", content: voice() }),
    );

    expect(world.turns.map(({ text }) => text)).toEqual([
      '[image: caption "my cat"]\n[the file could not be had: no longer available]',
      "[voice]\n[the file could not be had: no longer available]",
    ]);
    expect(world.turns.flatMap(({ images }) => images)).toEqual([]);
    expect(world.heard).toEqual([]);
    expect(world.store.inbox.counts()).toEqual({ answered: 2 });
  });

  test("P8: a stop while it is fetched leaves the message waiting, with no word to the sender", async () => {
    using world = setUp({
      fetch: (_content, _wamid, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
    });
    await world.handle(inbound({ wamid: "wamid.1", content: picture() }), inbound({ wamid: "wamid.2" }));

    world.stop.abort();
    await world.settled();

    expect(world.turns).toEqual([]);
    expect(world.sent()).toEqual([]);
    expect(world.store.inbox.counts()).toEqual({ pending: 2 });
    expect((await world.store.inbox.pending()).map(({ hasMedia }) => hasMedia)).toEqual([true, false]);
  });

  test("P8: a stop while it is heard leaves the message waiting", async () => {
    using world = setUp({
      transcribe: (_file, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
    });
    await world.handle(inbound({ content: voice() }));

    world.stop.abort();
    await world.settled();

    expect(world.store.inbox.counts()).toEqual({ pending: 1 });
    expect(world.sent()).toEqual([]);
  });
});

describe("a voice message", () => {
  test("is read to the agent", async () => {
    using world = setUp({ fetch: async () => ({ kind: "file", file: { ...file, seconds: 7 } }) });

    await world.handle(inbound({ content: voice() }));

    expect(world.turns.map(({ text }) => text)).toEqual(["[voice 0:07] two rye please"]);
  });

  test("that the provider wrote down is not heard again", async () => {
    using world = setUp();

    await world.handle(inbound({ content: voice({ transcript: "three rye" }) }));

    expect(world.heard).toEqual([]);
    expect(world.turns.map(({ text }) => text)).toEqual(["[voice] three rye"]);
  });

  test("that the provider wrote down is read though its file is gone", async () => {
    using world = setUp({ fetch: async () => ({ kind: "failed", reason: "gone" }) });

    await world.handle(inbound({ content: voice({ transcript: "three rye" }) }));

    expect(world.turns[0]?.text).toBe("[voice] three rye\n[the file could not be had: gone]");
  });

  test("without transcription is told as such, with its file", async () => {
    using world = setUp({ transcribe: null });

    await world.handle(inbound({ content: voice() }));

    expect(world.turns[0]?.text).toBe(
      `[voice: no text, transcription is not set up (transcribe.provider)]\n${FILE}`,
    );
  });

  test("that could not be written down is told as such, with its file", async () => {
    using world = setUp({ transcribe: async () => ({ kind: "none", reason: "the service is down" }) });

    await world.handle(inbound({ content: voice() }));

    expect(world.turns[0]?.text).toBe(`[voice: no text, the service is down]\n${FILE}`);
    expect(world.store.inbox.counts()).toEqual({ answered: 1 });
  });

  test.each<MediaType>(["audio", "video", "image", "document", "sticker"])(
    "is not what a file that is %s counts as",
    async (type) => {
      using world = setUp();

      await world.handle(inbound({ content: picture({ type }) }));

      expect(world.heard).toEqual([]);
      expect(world.turns[0]?.text).toContain(FILE);
    },
  );
});

describe("pictures for the agent", () => {
  test.each<[count: number, content: Content]>([
    [1, picture()],
    [1, picture({ type: "sticker" })],
    [0, picture({ type: "video" })],
    [0, voice()],
    [0, { type: "text", text: "no picture" }],
  ])("%i in the turn of %o", async (count, content) => {
    using world = setUp();

    await world.handle(inbound({ content }));

    expect(world.turns[0]?.images).toEqual(Array.from({ length: count }, () => file));
  });

  /** Files on the disk, of these many bytes. */
  function files(...sizes: readonly number[]) {
    const folder = mkdtempSync(join(tmpdir(), "wa-attachments-test-"));
    const made = sizes.map((bytes, index) => {
      const path = join(folder, `${index}.jpg`);
      writeFileSync(path, Buffer.alloc(bytes, index));
      return { ...file, path, bytes, sha256: `${index}`.repeat(64) };
    });
    return { made, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  }

  const ROOMY = { maxBytes: 1_000_000, maxPayload: 10_000_000 };

  test("loadAttachments() gives their bytes and a name of ours", async () => {
    using disk = files(5);

    expect(await loadAttachments(disk.made, ROOMY)).toEqual([
      { type: "image", mimeType: "image/jpeg", fileName: "000000000000.jpeg", content: "AAAAAAA=" },
    ]);
  });

  test("loadAttachments() leaves out one over the limit, and takes one at it", async () => {
    using disk = files(1000, 1001);

    const loaded = await loadAttachments(disk.made, { ...ROOMY, maxBytes: 1000 });

    expect(loaded.map(({ fileName }) => fileName)).toEqual(["000000000000.jpeg"]);
  });

  test("loadAttachments() never fills more than half of a request, and takes what still fits", async () => {
    using disk = files(600, 600, 100);

    const loaded = await loadAttachments(disk.made, { ...ROOMY, maxPayload: 2000 });

    expect(loaded.map(({ fileName }) => fileName[0])).toEqual(["0", "2"]);
    expect(JSON.stringify(loaded).length).toBeLessThan(2000);
  });

  test.each(["application/pdf", "image/svg+xml", "image/heic", "audio/ogg", "application/octet-stream"])(
    "loadAttachments() leaves out what is no picture for an agent: %s",
    async (mimeType) => {
      using disk = files(5);

      expect(
        await loadAttachments(
          disk.made.map((each) => ({ ...each, mimeType })),
          ROOMY,
        ),
      ).toEqual([]);
    },
  );

  test("loadAttachments() leaves out a file that is gone", async () => {
    using disk = files(5, 6);
    const [first, second] = disk.made;
    rmSync(first?.path ?? "");

    const loaded = await loadAttachments(disk.made, ROOMY);

    expect(loaded).toHaveLength(1);
    expect(loaded[0]?.fileName).toBe(`${second?.sha256.slice(0, 12)}.jpeg`);
  });
});

describe("an answer with files", () => {
  /** What is prepared is of the kind that its name begins with. */
  const prepare: MediaPreparer["prepare"] = async ({ reference }) => {
    const [as = ""] = reference.split("-");
    if (as === "bad") return { kind: "refused", reason: `no file here (${reference})` };
    return { kind: "file", media: { as: as as MediaType, path: reference, mimeType: "x/y" } };
  };

  async function answered(text: string, ...references: readonly string[]) {
    const media = references.map((reference) => ({ reference, asVoice: false }));
    using world = setUp({ prepare, ask: async () => ({ text, media }) });
    await world.handle(inbound());
    // The formatter may have to be loaded first.
    while (world.lanes.running > 0) await world.settled();
    return { sent: world.sent(), state: Object.keys(world.store.inbox.counts())[0] };
  }

  const only = (text: string) => ({ text, file: undefined });

  test.each(["image-1", "video-1", "document-1"])("one file and one short text: %s", async (name) => {
    expect((await answered("here it is", name)).sent).toEqual([{ text: "here it is", file: name }]);
  });

  test.each(["voice-1", "audio-1", "sticker-1"])("never a caption: text, then %s", async (name) => {
    expect((await answered("here it is", name)).sent).toEqual([only("here it is"), { text: "", file: name }]);
  });

  test("a text of 1024 characters is a caption, a longer one comes before the file", async () => {
    const fits = "x".repeat(1024);

    expect((await answered(fits, "image-1")).sent).toEqual([{ text: fits, file: "image-1" }]);
    expect((await answered(`${fits}x`, "image-1")).sent).toEqual([
      only(`${fits}x`),
      { text: "", file: "image-1" },
    ]);
  });

  test("a text of several messages comes before the file, whole and in order", async () => {
    const text = "word ".repeat(2000).trim();

    const { sent } = await answered(text, "image-1");

    expect(sent.at(-1)).toEqual({ text: "", file: "image-1" });
    expect(sent.slice(0, -1).every(({ file: path }) => path === undefined)).toBe(true);
    expect(
      sent
        .slice(0, -1)
        .map((each) => each.text)
        .join(" "),
    ).toBe(text);
  });

  test("several files come behind the text, in their order", async () => {
    expect((await answered("here", "image-1", "document-2", "voice-3")).sent).toEqual([
      only("here"),
      { text: "", file: "image-1" },
      { text: "", file: "document-2" },
      { text: "", file: "voice-3" },
    ]);
  });

  test.each(["", "NO_REPLY", " \n"])("P6: a file with nothing to say (%j) is sent alone", async (text) => {
    const { sent, state } = await answered(text, "image-1");

    expect(sent).toEqual([{ text: "", file: "image-1" }]);
    expect(state).toBe("answered");
  });

  test.each(["**NO_REPLY**", "&#78;O_REPLY"])(
    "P6: a silent word is no caption, in the dress of %s",
    async (text) => {
      expect((await answered(text, "image-1")).sent).toEqual([{ text: "", file: "image-1" }]);
    },
  );

  test("a file that is refused is told, behind the text", async () => {
    const reason = only("(A file was not sent: no file here (bad-1))");

    expect((await answered("here", "bad-1")).sent).toEqual([only("here"), reason]);
    expect((await answered("", "bad-1")).sent).toEqual([reason]);
  });

  test("of several files the refused are told before the others", async () => {
    expect((await answered("here", "image-1", "bad-2", "image-3")).sent).toEqual([
      only("here"),
      only("(A file was not sent: no file here (bad-2))"),
      { text: "", file: "image-1" },
      { text: "", file: "image-3" },
    ]);
  });

  test("one file of two that is left takes the caption, and the refusal comes behind", async () => {
    expect((await answered("here", "bad-1", "image-2")).sent).toEqual([
      { text: "here", file: "image-2" },
      only("(A file was not sent: no file here (bad-1))"),
    ]);
  });

  test("P8: a stop while a file is prepared leaves the message waiting, with nothing sent", async () => {
    using world = setUp({
      ask: async () => ({ text: "here", media: [{ reference: "x", asVoice: false }] }),
      prepare: (_reference, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
    });
    await world.handle(inbound());

    world.stop.abort();
    await world.settled();

    expect(world.sent()).toEqual([]);
    expect(world.store.inbox.counts()).toEqual({ pending: 1 });
  });
});

describe("the question that an answer quotes", () => {
  const long = "word ".repeat(2000);

  test.each<[AnswerOptions["quote"], isOvertaken: boolean, quotes: string | undefined]>([
    ["auto", false, undefined],
    ["auto", true, "wamid.1"],
    ["always", false, "wamid.1"],
    ["always", true, "wamid.1"],
    ["never", false, undefined],
    ["never", true, undefined],
  ])("%s, overtaken: %s", async (quote, isOvertaken, quotes) => {
    const gate = Promise.withResolvers<Answer>();
    using world = setUp({
      options: { quote },
      ask: async ({ message }) => (message.wamid === "wamid.1" ? gate.promise : silent),
    });
    await world.handle(inbound({ wamid: "wamid.1" }));
    await world.handle(
      isOvertaken
        ? inbound({ wamid: "wamid.2" })
        : inbound({ wamid: "wamid.2", content: { type: "reaction", target: "wamid.1", emoji: "👍" } }),
    );

    gate.resolve({ text: long, media: [] });
    await world.settled();

    const [first, ...others] = world.sent();
    expect(first?.quotes).toBe(quotes);
    expect(others.length).toBeGreaterThan(0);
    expect(others.every((each) => each.quotes === undefined)).toBe(true);
  });

  test("is quoted by the file, when that comes first", async () => {
    using world = setUp({
      options: { quote: "always" },
      ask: async () => ({ text: "", media: [{ reference: "f", asVoice: false }] }),
      prepare: async () => ({ kind: "file", media: { as: "voice", path: "f", mimeType: "audio/ogg" } }),
    });

    await world.handle(inbound());

    expect(world.sent()).toEqual([{ text: "", file: "f", quotes: "wamid.A" }]);
  });

  test("is not quoted by silence or a refusal", async () => {
    using world = setUp({
      options: { quote: "always", denyMessage: "not for you" },
      ask: async () => silent,
    });

    await world.handle(inbound(), inbound({ wamid: "wamid.B", from: { phone: BOB } }));

    expect(world.sent()).toEqual([{ text: "not for you", file: undefined }]);
  });
});

/** A queue with answers, and what is sent of it. */
function delivery(script: SendOutcome[]) {
  const folder = mkdtempSync(join(tmpdir(), "wa-answer-media-test-"));
  const store = Store.open(folder);
  const stop = new AbortController();
  const clock = new TestClock();
  const sent: { readonly text: string; readonly quotes: string | undefined }[] = [];
  const deliverer = new Deliverer(
    {
      outbox: store.outbox,
      sender: {
        send: async ({ text, quotes }: Outgoing) => {
          sent.push({ text, quotes });
          return script.shift() ?? { kind: "accepted", wamid: `wamid.OUT${sent.length}` };
        },
        findSent: async () => ({ kind: "absent" }),
      },
      lanes: new Lanes(4),
      clock,
      log: pino({ level: "silent" }),
    },
    { by: "daemon", settleMs: 20_000 },
    stop.signal,
  );
  return {
    outbox: store.outbox,
    store,
    sent,
    drain: () => deliverer.drain(ANN),
    queue: (...messages: readonly Omit<NewOutgoing, "to">[]) =>
      enqueue(
        store.outbox,
        messages.map((message) => ({ to: { phone: ANN }, ...message })),
        NOW,
      ),
    states: () => store.outbox.list({ all: true, limit: 100 }).map(({ state }) => state),
    [Symbol.dispose]() {
      stop.abort();
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const refused = (code: string): SendOutcome => ({ kind: "refused", code, error: "refused" });

describe("a quote that WhatsApp refuses", () => {
  test.each(["131009", "100"])("%s: the answer is sent again without, in its place", async (code) => {
    using world = delivery([refused(code)]);
    await world.queue({ text: "1", quotes: "wamid.Q" }, { text: "2" });

    await world.drain();

    expect(world.sent).toEqual([
      { text: "1", quotes: "wamid.Q" },
      { text: "1", quotes: undefined },
      { text: "2", quotes: undefined },
    ]);
    expect(world.states()).toEqual(["accepted", "accepted"]);
  });

  test("without it the refusal counts, once and for the whole answer", async () => {
    using world = delivery([refused("131009"), refused("131009")]);
    await world.queue({ text: "1", quotes: "wamid.Q" }, { text: "2" });

    await world.drain();

    expect(world.sent).toHaveLength(2);
    expect(world.states()).toEqual(["dead", "dead"]);
  });

  test("any other refusal counts at once", async () => {
    using world = delivery([refused("131026")]);
    await world.queue({ text: "1", quotes: "wamid.Q" });

    await world.drain();

    expect(world.sent).toHaveLength(1);
    expect(world.states()).toEqual(["dead"]);
  });

  test("P7: a quoted send of unknown outcome is not repeated for the quote's sake", async () => {
    using world = delivery([{ kind: "unknown", error: "timeout" }]);
    await world.queue({ text: "1", quotes: "wamid.Q" });

    await world.drain();

    expect(world.sent).toHaveLength(1);
    expect(world.states()).toEqual(["doubt"]);
  });
});

describe("a file in the outbox", () => {
  const media: OutgoingMedia = { as: "voice", path: "/state/media/out.ogg", mimeType: "audio/ogg" };

  test("comes out as it went in", async () => {
    using world = delivery([]);
    await world.queue({ text: "", media, quotes: "wamid.Q" });

    expect(await world.outbox.claim(ANN, "daemon", NOW)).toMatchObject({
      text: "",
      media,
      quotes: "wamid.Q",
    });
  });

  test("a file without a caption can be queued again", async () => {
    using world = delivery([refused("131053")]);
    const [id = 0] = await world.queue({ text: "", media });
    await world.drain();
    expect(world.states()).toEqual(["dead"]);

    expect(await world.outbox.revive(id, NOW)).toBe(true);
  });

  test("of an answer with a file both are queued again", async () => {
    using world = delivery([refused("131053")]);
    const [id = 0] = await world.queue({ text: "here" }, { text: "", media });
    await world.drain();

    await world.outbox.revive(id, NOW);

    expect(world.states()).toEqual(["queued", "queued"]);
  });

  test("P9: a file without a caption loses its name and path in time", async () => {
    using world = delivery([]);
    const [id = 0] = await world.queue({ text: "", media: { ...media, filename: "diagnosis.pdf" } });
    await world.drain();

    await world.store.sweep(NOW + 1, 0);

    expect(world.outbox.get(id)?.media).toBeUndefined();
  });
});

describe("where an answer goes", () => {
  const body = (to: Outgoing["to"]) => outgoingBody({ to, text: "hi", trackingId: "wr-1" }, undefined);

  test("a user id is never in `to`, a number never without its plus", () => {
    expect(body({ bsuid: "US.1" })).toMatchObject({ recipient: "US.1", recipient_type: "individual" });
    expect(body({ bsuid: "US.1" })).not.toHaveProperty("to");
    expect(body({ phone: ANN, bsuid: "US.1" })).toMatchObject({ to: `+${ANN}` });
    expect(body({ phone: ANN, bsuid: "US.1" })).not.toHaveProperty("recipient");
    expect(body({ phone: ANN })).not.toHaveProperty("recipient");
  });

  test("whoever it is, one of both is there, and `to` is a number", () => {
    const identity = fc
      .record(
        {
          phone: fc.stringMatching(/^[1-9]\d{6,14}$/),
          bsuid: fc.stringMatching(/^[A-Z]{2}\.[A-Za-z0-9]{1,40}$/),
        },
        { requiredKeys: [] },
      )
      .filter(({ phone, bsuid }) => phone !== undefined || bsuid !== undefined);
    fc.assert(
      fc.property(identity, (to) => {
        const made = body(to);

        expect("to" in made !== "recipient" in made).toBe(true);
        if ("to" in made) expect(made["to"]).toMatch(/^\+\d+$/);
        else expect(made["recipient"]).toBe(to.bsuid);
      }),
    );
  });

  test("a person with a user id alone is answered under it, until the number is known", async () => {
    using world = setUp();

    await world.handle(inbound({ wamid: "wamid.1", from: { bsuid: "US.1" } }));
    await world.handle(inbound({ wamid: "wamid.2", from: { phone: "15550100008", bsuid: "US.1" } }));
    await world.handle(inbound({ wamid: "wamid.3", from: { bsuid: "US.1" } }));

    const rows = world.store.outbox.list({ all: true, limit: 10 });
    const bodies = rows.map(({ phone, bsuid }) =>
      body({ ...(phone !== null && { phone }), ...(bsuid !== null && { bsuid }) }),
    );
    expect(bodies.map((made) => made["to"] ?? made["recipient"])).toEqual([
      "US.1",
      "+15550100008",
      "+15550100008",
    ]);
    expect(new Set(rows.map(({ contact }) => contact)).size).toBe(1);
    expect(new Set(world.turns.map(({ session }) => session))).toEqual(new Set(["main-wa-US.1"]));
  });
});
