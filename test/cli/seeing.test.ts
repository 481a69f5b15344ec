import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inbound } from "../inbound.ts";
import { enqueue } from "../store/enqueue.ts";
import { ANSWER, BSUID, PHONE, QUESTION, seed } from "./seed.ts";
import { read, World } from "./world.ts";

async function seeded() {
  const world = await World.start();
  const store = await seed(world.state, Date.now());
  return {
    world,
    store,
    async [Symbol.asyncDispose]() {
      store[Symbol.dispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

const hopsOf = (given: unknown) => (given as { hops: { hop: string }[] }).hops.map(({ hop }) => hop);

describe("wa-cli trace", () => {
  test.each([
    QUESTION,
    QUESTION.slice(-12),
    `…${QUESTION.slice(-12)}`,
    `...${QUESTION.slice(-8)}`,
    "#1",
    "1",
    ANSWER,
  ])("%s: every hop with its time, from the question to the blue ticks", async (id) => {
    await using set = await seeded();

    const ran = await set.world.run(["trace", id, "--json"]);

    expect(ran.code).toBe(0);
    const { message, parts } = read(ran) as { message: unknown; parts: unknown[] };
    expect(message).toMatchObject({ from: "+155…4567", name: "Ann", kind: "text", state: "answered" });
    expect(hopsOf(message)).toEqual([
      "sent",
      "received",
      "judged",
      "asked",
      "answered",
      "settled",
      "received",
    ]);
    expect(parts).toMatchObject([{ id: 1, state: "accepted", status: "read" }]);
    expect(hopsOf(parts[0])).toEqual(["queued", "tried", "accepted", "delivered", "sent", "read"]);
    expect(ran.out).not.toContain("Invoice");
  });

  test("for people: which sources brought it, as whom it was let in, what the answer came to", async () => {
    await using set = await seeded();

    const { out } = await set.world.run(["trace", QUESTION]);

    expect(out).toMatch(/^…\S{12} from \+155…4567 \(Ann\): text, answered$/m);
    expect(out).toMatch(/^ {2}\d{4}-\S+Z {2}received {2}by webhook$/m);
    expect(out).toMatch(/judged {4}let in as member$/m);
    expect(out).toMatch(/^reply #1 to \+155…4567: part 1 of 1, text, read, …\S{12}$/m);
    expect(out).not.toContain("\u001B");
  });

  test("what waits says for what, what was given up says why, and what was refused by which rule", async () => {
    await using set = await seeded();

    const dead = await set.world.run(["trace", "#2"]);
    const refused = await set.world.run(["messages", "--search", "buy", "--json", "--reveal"]);
    const [{ id = "" } = {}] = JSON.parse(refused.out) as { id?: string }[];

    expect(dead.out).toContain("given up  131026: Undeliverable");
    expect((await set.world.run(["trace", id])).out).toContain("nobody lists them in security.roles");
    const pending = set.store.records.messages({ limit: 9 }).find(({ row }) => row.state === "pending");
    const traced = await set.world.run(["trace", pending?.row.wamid ?? ""]);
    expect(traced.out).toMatch(/not yet +waits +wa-poller does not run/);
  });

  test.each([
    ["wamid.NOSUCH", 1],
    ["#99", 1],
    ["abc", 2],
    ["AAAAAAAA\nA", 1],
  ])("%j is not there: code %i with a next step", async (id, code) => {
    await using set = await seeded();

    const ran = await set.world.run(["trace", id]);

    expect(ran.code).toBe(code);
    expect(ran.err).toMatch(/^wa-cli: → \S/m);
  });
});

describe("a message of ours", () => {
  const to = { phone: PHONE };
  const picture = { as: "image", path: "/nowhere.png", mimeType: "image/png" } as const;

  test.each([
    [{ to, text: "x" }, "text"],
    [{ to, text: "", media: picture }, "image"],
    [{ to, text: "[location: 1,2]", content: { type: "location", latitude: 1, longitude: 2 } }, "location"],
    [
      { to, text: "[reacted with 👍]", content: { type: "reaction", target: "wamid.X", emoji: "👍" } },
      "reaction",
    ],
    [
      {
        to,
        text: "y\n[link: a, https://example.com]",
        content: { type: "link", text: "y", title: "a", url: "https://example.com" },
      },
      "link",
    ],
    [
      {
        to,
        text: "[template: hello]",
        content: { type: "template", name: "hello", language: "en_US", body: [], buttons: [] },
      },
      "template",
    ],
  ] as const)("%j is told as what it is", async (message, kind) => {
    await using set = await seeded();
    const [id] = await enqueue(set.store.outbox, [message], Date.now());

    const traced = await set.world.run(["trace", `#${id}`, "--json"]);
    const listed = await set.world.run(["messages", "--limit", "1", "--json"]);

    expect(read(traced)).toMatchObject({ parts: [{ kind }] });
    expect(JSON.parse(listed.out)).toMatchObject([{ id: `#${id}`, kind }]);
  });

  test("what waits until the person writes says so, and no time", async () => {
    await using set = await seeded();
    const held = {
      messages: [{ to: { phone: "15557770000" }, text: "later" }],
      heldFrom: 0,
      since: { toPerson: 0, toAll: 0 },
      judge: () => undefined,
    };
    const admitted = await set.store.outbox.admit(held, Date.now());
    const [id] = admitted.kind === "queued" ? admitted.ids : [];

    const { out } = await set.world.run(["trace", `#${id}`]);

    expect(out).toMatch(/not yet +waits +until the person writes$/m);
  });

  test("has no file, and media get says what it is", async () => {
    await using set = await seeded();
    const content = { type: "location", latitude: 1, longitude: 2 } as const;
    await enqueue(set.store.outbox, [{ to, text: "[location: 1,2]", content }], Date.now());
    const claim = await set.store.outbox.claim(PHONE, "daemon", Date.now());
    if (claim) await set.store.outbox.accepted(claim, { wamid: "wamid.LOCATION01" }, Date.now());

    const ran = await set.world.run(["media", "get", "wamid.LOCATION01"]);

    expect(ran.code).toBe(1);
    expect(ran.err).toContain('of the kind "location"');
  });
});

describe("wa-cli messages", () => {
  const texts = (out: string) => (JSON.parse(out) as { text: string }[]).map(({ text }) => text);

  test.each<readonly [readonly string[], readonly string[]]>([
    [[], ["Buy now", "Is the Invoice paid?", "Yes, since Monday.", "And the next?", "Are you there?"]],
    [
      ["--since", "1d"],
      ["Is the Invoice paid?", "Yes, since Monday.", "And the next?", "Are you there?"],
    ],
    [
      ["--with", "+1 (555) 123-4567"],
      ["Is the Invoice paid?", "Yes, since Monday.", "And the next?"],
    ],
    [
      ["--with", BSUID, "--limit", "2"],
      ["Yes, since Monday.", "And the next?"],
    ],
    [["--search", "INVOICE"], ["Is the Invoice paid?"]],
    [["--search", "50%_"], []],
  ])("%j", async (args, expected) => {
    await using set = await seeded();

    const ran = await set.world.run(["messages", "--json", ...args]);

    expect(ran.code).toBe(0);
    expect(texts(ran.out)).toEqual(expected);
  });

  test("says when a text was deleted", async () => {
    await using set = await seeded();
    await set.store.sweep(Date.now() + 1000, 0);

    const ran = await set.world.run(["messages", "--with", `+${PHONE}`]);
    const asJson = await set.world.run(["messages", "--with", `+${PHONE}`, "--json"]);

    expect(ran.out).toContain("(text deleted after state.keep_text)");
    expect(JSON.parse(asJson.out)).toMatchObject([
      { from: "person", text: null, textDeleted: true },
      { from: "us", text: null, textDeleted: true },
      { from: "person", text: "And the next?", textDeleted: false },
    ]);
  });

  test.each<readonly [readonly string[], number]>([
    [["--with", "me"], 2],
    [["--with", "+15550000000"], 1],
    [["--since", "soon"], 2],
    [["--limit", "0"], 2],
    [["--search", "--reveal"], 2],
  ])("%j ends with code %i", async (args, code) => {
    await using set = await seeded();

    expect(await set.world.run(["messages", ...args])).toMatchObject({ code, out: "" });
  });
});

describe("wa-cli contacts", () => {
  test("tells who, in which role, how long the window stays open and when they wrote last", async () => {
    await using set = await seeded();

    const ran = await set.world.run(["contacts", "--json"], { env: { KAPSO_ALLOWED_NUMBERS: PHONE } });

    expect(JSON.parse(ran.out)).toMatchObject([
      {
        phone: "+155…4567",
        bsuid: "US.1349…",
        name: "Ann",
        username: "ann.bakes",
        role: "member",
        windowOpen: true,
      },
      { phone: "+49151…5678", windowOpen: false, windowLeftMs: 0 },
      { phone: "+155…6543", windowOpen: false },
    ]);
    expect(ran.out).not.toContain(PHONE);
  });

  test("shows the role that the guard gives: the number's before the user id's", async () => {
    await using set = await seeded();
    const file = join(set.world.home, "roles.toml");
    writeFileSync(file, `[security.roles]\nadmin = ["${BSUID}"]\nmember = ["+${PHONE}"]\n`);

    const ran = await set.world.run(["contacts", "--config", file, "--json"]);

    expect(JSON.parse(ran.out)).toMatchObject([{ role: "member" }, {}, {}]);
  });

  test("an edit opens no window here either: send would refuse", async () => {
    await using set = await seeded();
    const stranger = "4915112345678";
    const edit = inbound({
      wamid: "wamid.edit",
      from: { phone: stranger },
      content: { type: "edit", target: "wamid.T", content: { type: "text", text: "Buy today" } },
      sentAt: Date.now(),
    });
    await set.store.inbox.accept([edit], "poll", Date.now());

    const ran = await set.world.run(["contacts", "--reveal", "--json"]);

    const rows = JSON.parse(ran.out) as { phone: string }[];
    expect(rows.find(({ phone }) => phone === `+${stranger}`)).toMatchObject({ windowOpen: false });
  });

  test("--reveal shows numbers whole", async () => {
    await using set = await seeded();

    const { out } = await set.world.run(["contacts", "--reveal"]);

    expect(out).toMatch(
      /^\+15551234567 US\.13491208655302741918 \(Ann, @ann\.bakes\): may not write, window open 23 h/m,
    );
  });
});
