import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../cli/program.ts";
import { Store } from "../../src/store/store.ts";
import { accountEnv } from "../account.ts";
import { until } from "../poller/daemon.ts";
import { OPEN, read, TO, World } from "./world.ts";

const BIN = fileURLToPath(new URL("../../cli/bin.ts", import.meta.url));
const KEY = ["--idempotency-key", "invoice-4711"];

interface Ended {
  readonly code: number | null;
  readonly out: string;
}

/** A real `wa-cli`. */
function start(
  world: World,
  args: readonly string[],
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: world.home,
    KAPSO_STATE_DIR: world.state,
    WA_SETTLE: "1s",
    ...accountEnv(world.kapso),
    ...OPEN,
  };
  const child = spawn(process.execPath, [BIN, ...args], { env });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const ended = once(child, "close").then(([code]: (number | null)[]) => ({ code: code ?? null, out }));
  return { child, ended };
}

const keyed = (text: string) => ["send", "--to", TO, "--text", text, ...KEY, "--json"];

describe("wa-cli send --idempotency-key", () => {
  test("the second time tells what became of the first, and sends nothing", async () => {
    await using world = await World.start();

    const first = await world.run(keyed("hi"));
    const second = await world.run(keyed("hi"));
    const text = await world.run(keyed("hi").slice(0, -1));

    expect([first.code, second.code, text.code]).toEqual([0, 0, 0]);
    expect(read(second)).toEqual({ ...read(first), repeated: true });
    expect(text.out).toMatch(/already sent/i);
    expect(world.texts).toEqual(["hi"]);
  });

  test("without a key, or with another one, the same text is another message", async () => {
    await using world = await World.start();

    await world.run(keyed("hi"));
    await world.send("hi");
    await world.run(["send", "--to", TO, "--text", "hi", "--idempotency-key", "other"]);

    expect(world.texts).toEqual(["hi", "hi", "hi"]);
  });

  describe("2: the same key with another", () => {
    const NAMES = ["json", "config", "wait", "timeout", "dryRun", "idempotencyKey"];
    const WAMID = "wamid.HBgL";
    const [file, text] = [
      ["--media", "1.txt"],
      ["--text", "hi"],
    ];
    /** Each option with two values; what else it takes goes before. */
    const OPTIONS: Readonly<
      Record<string, readonly [readonly string[], readonly string[], readonly string[]]>
    > = {
      to: [text, ["--to", TO], ["--to", "+15559876543"]],
      text: [[], ["--text", "hi"], ["--text", "ho"]],
      media: [[], file, ["--media", "2.txt"]],
      as: [file, [], ["--as", "document"]],
      caption: [file, ["--caption", "a"], ["--caption", "b"]],
      filename: [file, ["--filename", "a.txt"], ["--filename", "b.txt"]],
      location: [[], ["--location", "1,2"], ["--location", "1,3"]],
      contact: [[], ["--contact", "1.vcf"], ["--contact", "2.vcf"]],
      react: [["👍"], ["--react", `${WAMID}1`], ["--react", `${WAMID}2`]],
      replyTo: [text, ["--reply-to", `${WAMID}1`], ["--reply-to", `${WAMID}2`]],
      buttons: [text, ["--buttons", "Yes"], ["--buttons", "No"]],
      list: [text, ["--list", "1.toml"], ["--list", "2.toml"]],
      link: [text, ["--link", "a=https://e.com/1"], ["--link", "a=https://e.com/2"]],
      template: [[], ["--template", "one"], ["--template", "two"]],
      lang: [
        ["--template", "one"],
        ["--lang", "de"],
        ["--lang", "en"],
      ],
      param: [
        ["--template", "one"],
        ["--param", "1=a"],
        ["--param", "1=b"],
      ],
      markdown: [text, [], ["--no-markdown"]],
      // The words.
      "": [["--react", WAMID], ["👍"], ["👎"]],
    };

    test("option that there is", () => {
      const send = createProgram(
        { ...process, signal: new AbortController().signal },
        async () => 0,
      ).commands.find((command) => command.name() === "send");
      const names = send?.options.map((option) => option.attributeName());
      expect([...Object.keys(OPTIONS), ...NAMES].toSorted()).toEqual(["", ...(names ?? [])].toSorted());
    });

    test.each(Object.entries(OPTIONS))("%s", async (name, [rest, one, other]) => {
      await using world = await World.start();
      for (const each of ["1", "2"]) {
        writeFileSync(join(world.home, `${each}.txt`), "x");
        writeFileSync(join(world.home, `${each}.vcf`), "BEGIN:VCARD\nFN:Ana\nEND:VCARD");
        writeFileSync(join(world.home, `${each}.toml`), 'button = "b"\nrows = ["a"]');
      }
      const line = (args: readonly string[]) => [
        "send",
        ...(name === "to" ? [] : ["--to", TO]),
        ...[...rest, ...args].map((arg) => (/^\d\.\w+$/.test(arg) ? join(world.home, arg) : arg)),
        ...KEY,
      ];

      const first = await world.run(line(one));
      const same = await world.run(line(one));
      const ran = await world.run(line(other));

      expect([first, same]).toMatchObject([{ code: 0 }, { code: 0 }]);
      expect(ran).toMatchObject({ code: 2, err: expect.stringContaining("another message") });
      expect(world.kapso.sent).toHaveLength(1);
    });

    test("text on standard input, for a list too", async () => {
      await using world = await World.start();
      writeFileSync(join(world.home, "list"), 'button = "b"\nrows = ["a"]');
      for (const args of [[], ["--list", join(world.home, "list")]]) {
        const line = ["send", "--to", TO, ...args, "--idempotency-key", `key-${args.length}`];

        expect((await world.run(line, { stdin: "hi" })).code).toBe(0);
        expect((await world.run(line, { stdin: "hi" })).code).toBe(0);
        expect((await world.run(line, { stdin: "ho" })).code).toBe(2);
      }
      expect(world.kapso.sent).toHaveLength(2);
    });
  });

  test("how it is run does not make another message of it", async () => {
    await using world = await World.start();
    await world.run(keyed("hi"));

    for (const args of [
      [...keyed("hi").slice(0, -1), "--timeout", "5"],
      ["send", TO, "hi", ...KEY],
    ])
      expect((await world.run(args)).code).toBe(0);
    expect((await world.run(["send", "--to", TO, ...KEY], { stdin: "hi" })).code).toBe(0);
    expect(world.texts).toEqual(["hi"]);
  });

  test("the number may be spelled otherwise", async () => {
    await using world = await World.start();
    await world.run(keyed("hi"));

    expect((await world.run(["send", "--to", "001 (555) 123-4567", "--text", "hi", ...KEY])).code).toBe(0);
    expect(world.texts).toEqual(["hi"]);
  });

  test("a refusal is told again with its code", async () => {
    await using world = await World.start();
    world.refuse(400, { error: { message: "No", code: 131026 } });
    expect((await world.run(keyed("hi"))).code).toBe(5);
    world.heal();

    expect((await world.run(keyed("hi"))).code).toBe(5);
    expect(world.texts).toEqual([]);
  });

  test("7 left nothing: the same key sends it then", async () => {
    await using world = await World.start();
    world.refuse(429, {}, { "Retry-After": "60" });
    expect((await world.run(keyed("hi"))).code).toBe(7);
    world.heal();

    expect((await world.run(keyed("hi"))).code).toBe(0);
    expect(world.texts).toEqual(["hi"]);
  });

  test("killed after it was taken back: the same key sends it", async () => {
    await using world = await World.start();
    await world.run(keyed("hi"));
    const db = new DatabaseSync(join(world.state, "relay.db"));
    db.exec("UPDATE outbox SET state = 'dead', code = 'withdrawn', wamid = NULL");
    db.close();

    expect((await world.run(keyed("hi"))).code).toBe(0);
    expect(world.texts).toEqual(["hi", "hi"]);
  });

  test("a window that closed since, or a cap, does not change what is told", async () => {
    await using world = await World.start();
    await world.run(keyed("hi"));

    const env = { WA_SEND_CHECK_WINDOW: "true", WA_SEND_ALLOW_TO: "roles", WA_SEND_PER_DAY: "1" };
    expect((await world.run(keyed("hi"), { env })).code).toBe(0);
    expect(world.texts).toEqual(["hi"]);
  });

  test("500 although WhatsApp took it: 6, found out by the next call, and sent once", async () => {
    await using world = await World.start();
    const env = { WA_SETTLE: "1s" };
    world.kapso.fault = ({ kind }) => (kind === "send" ? { status: 500, afterEffect: true } : undefined);
    const first = await world.run(keyed("hi"), { env });
    world.heal();

    const second = await world.run(keyed("hi"), { env });

    expect(first.code).toBe(6);
    expect(second.code).toBe(0);
    expect(read(second)["wamids"]).toEqual([world.kapso.sent[0]?.wamid]);
    expect(world.texts).toEqual(["hi"]);
  });

  test("500 before it took effect: the next call settles it, and it leaves once", async () => {
    await using world = await World.start();
    const env = { WA_SETTLE: "1s" };
    world.refuse(500, {});
    expect((await world.run(keyed("hi"), { env })).code).toBe(6);
    world.heal();

    expect((await world.run(keyed("hi"), { env })).code).toBe(0);
    expect((await world.run(keyed("hi"), { env })).code).toBe(0);
    expect(world.texts).toEqual(["hi"]);
  });

  test.each([
    ["a place", ["--location", "1.5,2.5"]],
    ["buttons", ["--text", "Go?", "--buttons", "Yes|No"]],
    ["a template", ["--template", "t", "--param", "1=a"]],
    ["a reaction", ["--react", "wamid.X", "👍"]],
  ])("500 although WhatsApp took %s: recognised in Kapso's list", async (_, args) => {
    await using world = await World.start();
    const line = ["send", "--to", TO, ...args, ...KEY];
    world.kapso.fault = ({ kind }) => (kind === "send" ? { status: 500, afterEffect: true } : undefined);
    expect((await world.run(line)).code).toBe(6);
    world.heal();

    expect((await world.run(line)).code).toBe(0);
    expect(world.kapso.sent).toHaveLength(1);
  });

  test("many processes at once with one key: one message, and all are told so", async () => {
    await using world = await World.start();

    const ended = await Promise.all(Array.from({ length: 8 }, async () => start(world, keyed("hi")).ended));

    expect(ended.map(({ code }) => code)).toEqual(Array.from({ length: 8 }, () => 0));
    expect(
      new Set(ended.map(({ out }) => String((JSON.parse(out) as { wamids: unknown }).wamids))).size,
    ).toBe(1);
    expect(world.texts).toEqual(["hi"]);
  });

  // The moments of start-up, of queueing, of the request, of its answer and of the end.
  test.each(Array.from({ length: 12 }, (_, n) => 40 + n * 45))(
    "kill -9 after about %i ms, then the same command: one message",
    async (killMs) => {
      await using world = await World.start();
      world.kapso.fault = ({ kind }) => (kind === "send" ? { afterEffect: true, delayMs: 150 } : undefined);
      const { child, ended } = start(world, keyed("hi"));
      await new Promise((resolve) => setTimeout(resolve, killMs + Math.random() * 45));
      child.kill("SIGKILL");
      await ended;

      const second = await start(world, keyed("hi")).ended;

      expect(second).toMatchObject({ code: 0 });
      expect(world.texts).toEqual(["hi"]);
    },
  );

  test.each([[true], [false]])(
    "kill -9 in the middle of the request (took effect: %s): one message",
    async (afterEffect) => {
      await using world = await World.start();
      let sends = 0;
      world.kapso.fault = ({ kind }) =>
        kind === "send" && ++sends === 1 ? { afterEffect, lose: true, delayMs: 3000 } : undefined;
      const { child, ended } = start(world, keyed("hi"));
      await until("a request", () => sends === 1);
      child.kill("SIGKILL");
      await ended;

      const second = await start(world, keyed("hi")).ended;
      const third = await world.run(keyed("hi"));

      expect(second).toMatchObject({ code: 0 });
      expect(third.code).toBe(0);
      expect(world.texts).toEqual(["hi"]);
    },
  );
});

describe("wa-cli send: several processes", () => {
  test("to one person at once: one request at a time, in the order in which they were queued", async () => {
    await using world = await World.start();
    let [open, most] = [0, 0];
    world.kapso.fault = ({ kind }) => {
      if (kind !== "send") return undefined;
      most = Math.max(most, ++open);
      setTimeout(() => open--, 60);
      return { afterEffect: true, delayMs: 60 };
    };

    const ended = await Promise.all(
      Array.from(
        { length: 6 },
        async (_, n) => start(world, ["send", "--to", TO, "--text", `text ${n}`]).ended,
      ),
    );

    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(most).toBe(1);
    using store = Store.open(world.state);
    const queued = store.outbox.list({ all: true, limit: 10 }).map(({ text }) => text);
    expect(world.texts).toEqual(queued);
  });

  test("no key and no text in what the state folder holds beside the database", async () => {
    await using world = await World.start();
    await world.send("a private text");

    for (const name of readdirSync(world.state).filter((file) => !file.startsWith("relay.db")))
      expect(readFileSync(join(world.state, name), "latin1")).not.toContain("private");
    for (const name of readdirSync(world.state))
      expect(readFileSync(join(world.state, name), "latin1")).not.toContain(world.kapso.apiKey);
  });
});

/** Every file that a command line loads. */
async function loaded(args: readonly string[]): Promise<string> {
  const hook = `import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { process.stderr.write("loads " + url + "\\n"); return next(url, context); } });`;
  const child = spawn(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, BIN, ...args],
    {
      env: { PATH: process.env["PATH"] ?? "" },
    },
  );
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(child, "close");
  return text;
}

test.each([[["--version"]], [["send", "--help"]], [["--help"]]])("%j loads nothing heavy", async (args) => {
  const files = await loaded(args);

  expect(files).toContain("cli/program.ts");
  expect(files).not.toMatch(
    /zod|undici|smol-toml|marked|sqlite|src\/(store|media|whatsapp\/client|config\/config)|commands\//,
  );
});

test("send of a text loads no code of files, lists or contact cards", async () => {
  expect(await loaded(["send", "--to", TO, "--text", "hi", "--dry-run"])).not.toMatch(
    /src\/media\/|send\/(media|vcard|list-file|rich-content)|marked|file-type|sharp|modelcontextprotocol/,
  );
});
