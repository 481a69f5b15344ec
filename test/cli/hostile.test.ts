import fc from "fast-check";
import { expect, test } from "vitest";
import { LogFile } from "../../src/log-file.ts";
import { Store } from "../../src/store/store.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import { inbound } from "../inbound.ts";
import { enqueue } from "../store/enqueue.ts";
import { everyCommand } from "./commands.ts";
import { PHONE } from "./seed.ts";
import { World, type Ran } from "./world.ts";

/** Everything but a line feed and the codes of our colours, on a terminal. */
const OBEYED = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
const COLOURS = /\u001B\[(?:2|31|32|33)m([^\u001B\n]*)\u001B\[0m/g;
const END = "C0FFEE4711";

/** What is told to commands that others' words can reach. */
const SHOWN: Readonly<Record<string, readonly (readonly string[])[]>> = {
  status: [[], ["--check"]],
  preflight: [[]],
  "outbox list": [["--all"]],
  "webhook list": [[]],
  trace: [[END], ["#1"], ["#2"]],
  messages: [[], ["--reveal"]],
  contacts: [[], ["--reveal"]],
  "config show": [["--all"], ["--reveal"]],
  logs: [["--lines", "500"]],
  templates: [[]],
  numbers: [[], ["--reveal"]],
  send: [["--to", `+${PHONE}`, "--text", "x"]],
};
/** Why nothing of others is in what these print. */
const OWN: Readonly<Record<string, string>> = {
  "media get": "tells a path of this machine, and a type that was found in the file",
  "outbox retry": "tells a number and a state",
  "outbox drop": "tells a number and a state",
  "webhook register": "tells an id, as webhook list does, and the address that was given",
  "webhook remove": "tells an id, as webhook list does",
  "config path": "tells a path of this machine",
  init: "has tests of its own, and speaks through say()",
  completions: "prints a script of ours",
  "skill install": "tells a path of this machine",
  "skill path": "tells a path of this machine",
  "skill show": "prints a file of ours",
  mcp: "answers in JSON, with what the others print",
};
const PIECES = [
  "\u001B[31m",
  "\u001B[2J",
  "\u001B]52;c;ZXZpbA==\u0007",
  "\u009B2A",
  "\r",
  "\n",
  "\r\n",
  "\u0085",
  "\u2028",
  "\u202E",
  "\u2066",
  "\0",
  "\t",
  "\u007F",
  "Eve",
  "), answered, …ABCDEF",
  `\n2026-11-21T18:27:10.000Z  +155…2222 (Ann), answered, …${END}\n  forged`,
  "\n#7 dead to +155…2222",
  "\n* +155…0000",
];
const hostile = fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: "binary" })), {
  minLength: 1,
  maxLength: 6,
});

/** A world in which everybody says `word` wherever they can. */
async function worldOf(word: string) {
  const world = await World.start();
  const now = Date.now();
  const store = Store.open(world.state);
  const from = { phone: PHONE };
  const file = { type: "document", media: { mimeType: word, filename: word } } as const;
  const common = { from, name: word, username: word, sentAt: now - 5000 };
  await store.inbox.accept(
    [
      inbound({
        ...common,
        wamid: `wamid.${word.replaceAll("\0", "")}${END}`,
        text: word,
        quotes: `wamid.${word}`,
      }),
      inbound({ ...common, wamid: "wamid.2", content: { type: "unknown", kind: word } }),
      inbound({ ...common, wamid: "wamid.3", content: file }),
      inbound({ from: { phone: "4915112345678" }, wamid: "wamid.4", name: word, text: word, sentAt: now }),
    ],
    "webhook",
    now,
  );
  await enqueue(store.outbox, [{ to: from, text: word }], now);
  const doubtful = await store.outbox.claim(PHONE, "daemon", now);
  if (doubtful) await store.outbox.dead(doubtful, { code: word, error: word }, now);
  await enqueue(store.outbox, [{ to: from, text: word }], now);
  const sent = await store.outbox.claim(PHONE, "daemon", now);
  if (sent) await store.outbox.accepted(sent, { wamid: `wamid.${word}` }, now);
  const state = JSON.stringify({ kind: word, message: word, hint: word, url: word });
  for (const name of ["gateway", "poll", "webhook", "funnel"]) await store.facts.set(name, state, now);
  await store.facts.set("health", String(now), now);
  await store.facts.set("daemon", JSON.stringify({ pid: 1, version: word, startedAt: now }), now);
  const log = new LogFile(world.state, { secrets: [] });
  for (const level of [30, 50])
    log.write(
      `${JSON.stringify({ level, time: 1, component: word, msg: word, err: { message: word }, a: [word] })}\n`,
    );
  world.kapso.webhooks.push({
    id: word,
    url: `https://a.example/${word}`,
    kind: word,
    events: [word],
    active: true,
    secret_key: "x",
    payload_version: word,
  });
  world.kapso.fault = ({ path, kind }) => answer(path, kind, word);
  const lock = DaemonLock.tryAcquire(world.state);
  return {
    world,
    async [Symbol.asyncDispose]() {
      lock?.[Symbol.dispose]();
      log[Symbol.dispose]();
      store[Symbol.dispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

function answer(path: string, kind: string, word: string) {
  const body = (data: unknown) => ({ status: 200, body: JSON.stringify(data) });
  if (kind === "send") return body({ messages: [{ id: `wamid.${word}` }] });
  if (path.endsWith("/100000000000001"))
    return body({ data: { business_account_id: "9001", display_phone_number: word, status: word } });
  if (path.endsWith("/9001/message_templates"))
    return body({ data: [{ name: word, language: word, status: word, category: word }] });
  if (path.endsWith("/9001/phone_numbers"))
    return body({
      data: [
        { id: "1", display_phone_number: word, verified_name: word, quality_rating: word, status: word },
      ],
    });
  if (kind === "list") return { status: 400, body: JSON.stringify({ error: { code: 1, message: word } }) };
  return undefined;
}

/** What each command prints, by its command line. */
async function runAll(word: string): Promise<ReadonlyMap<string, Ran>> {
  await using set = await worldOf(word);
  const found = new Map<string, Ran>();
  for (const [command, variants] of Object.entries(SHOWN))
    for (const options of variants)
      for (const more of [[], ["--json"], ["--a-terminal"]]) {
        const isTerminal = more.includes("--a-terminal");
        const args = [...command.split(" "), ...options, ...(isTerminal ? [] : more)];
        const env = {
          KAPSO_DENY_MESSAGE: word.replaceAll("\0", ""),
          OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:1",
        };
        found.set([...args, ...more].join(" "), await set.world.run(args, { env, isTerminal }));
      }
  return found;
}

/** Lines that are a row; texts of messages are indented. */
function rowsOf(line: string, { out, err }: Ran): number {
  const lines = (out + err).split("\n");
  return lines.filter((each) => !line.startsWith("messages") || !each.startsWith("  ")).length;
}

test("every command that shows words of others is tried with hostile ones, or is excused", () => {
  expect(Object.keys({ ...SHOWN, ...OWN }).toSorted()).toEqual(
    everyCommand()
      .map(({ path }) => path)
      .toSorted(),
  );
});

test("words of others are obeyed by no terminal: no control character but our colours, and no row more", async () => {
  const tame = await runAll("word");
  for (const [line, { out, err }] of tame) expect(out + err, line).toContain("word");

  await fc.assert(
    fc.asyncProperty(hostile, async (pieces) => {
      for (const [line, ran] of await runAll(`Eve${pieces.join("")}`)) {
        const isTerminal = line.endsWith("--a-terminal");
        const seen = ran.out + ran.err;
        expect(isTerminal ? seen.replaceAll(COLOURS, "$1") : seen, line).not.toMatch(OBEYED);
        const before = tame.get(line);
        expect(rowsOf(line, ran), `${line}\n${seen}`).toBe(before && rowsOf(line, before));
        if (line.endsWith("--json") && !line.startsWith("logs")) JSON.parse(ran.out);
      }
    }),
    { numRuns: 6, examples: [[PIECES]] },
  );
}, 120_000);

test.each([
  [["trace", "zzzzzz\u001B]0;t\u0007\nforged"]],
  [["--\u001B[2J"]],
  [["messages", "--with", "\u202Ex\nforged"]],
])("what was typed wrong is repeated in one line that nothing obeys: %j", async (args) => {
  await using world = await World.start();

  for (const more of [[], ["--json"]]) {
    const ran = await world.run([...args, ...more]);

    expect(ran.code).not.toBe(0);
    expect(ran.out + ran.err).not.toMatch(OBEYED);
    expect(ran.out + ran.err).not.toMatch(/^forged/m);
  }
});
