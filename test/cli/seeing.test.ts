import { describe, expect, test } from "vitest";
import { inbound } from "../inbound.ts";
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
