import { describe, expect, test } from "vitest";
import { Store } from "../../src/store/store.ts";
import { inbound } from "../inbound.ts";
import { PNG } from "../media/stand-in.ts";
import { pause, until } from "./daemon.ts";
import { setUp } from "./http-world.ts";
import { person } from "./world.ts";

const HOUR = 3_600_000;
const KEY = { "Idempotency-Key": "invoice-4711" };

/** The person wrote so long ago, to a daemon that has stopped since. */
async function wroteBefore(folder: string, phone: string, ageMs: number): Promise<void> {
  using store = Store.open(folder);
  const sentAt = Date.now() - ageMs;
  const [kept] = await store.inbox.accept(
    [inbound({ from: { phone }, wamid: `wamid.${phone}`, text: "hello", sentAt })],
    "poll",
    sentAt,
  );
  await store.inbox.settle(kept?.seq ?? 0, { state: "passed", replies: [] }, sentAt);
}

describe.concurrent("whom an agent may write to by HTTP", { timeout: 90_000 }, () => {
  test("nobody who has no role and did not write: refused by the rule's name, and no file is fetched", async () => {
    await using world = await setUp({ env: { WA_SEND_ALLOW_TO: "roles,recent" } });
    const { kapso, post, start } = world;
    await start();

    const text = await post("/send", { to: person(1), text: "Buy now" });
    const file = await post("/send-media", { to: person(1), base64: PNG.toString("base64") });

    for (const { status, answer } of [text, file])
      expect([status, answer]).toEqual([
        422,
        {
          success: false,
          status: "refused",
          code: "send.allow_to",
          error: expect.stringContaining("security.roles"),
        },
      ]);
    expect(kapso.media.uploads).toEqual([]);
    expect(kapso.requests.filter(({ kind }) => kind === "send")).toEqual([]);
  });

  test("whoever wrote gets as many answers as it takes, whatever the caps are", async () => {
    await using world = await setUp({
      env: { WA_SEND_ALLOW_TO: "roles", WA_SEND_PER_RECIPIENT: "1", WA_SEND_PER_DAY: "1" },
    });
    const { kapso, agent, post, start } = world;
    await start();
    kapso.receive({ from: person(1), text: "count" });
    await until("the message", () => agent.posts.length === 1);

    const answers = [1, 2, 3].map(async (each) => post("/send", { to: person(1), text: `${each}` }));

    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(kapso.sent).toHaveLength(3);
  });

  test("what nobody asked for is capped, and the refusal names the key", async () => {
    await using world = await setUp({ env: { WA_SEND_PER_RECIPIENT: "1" } });
    const { kapso, post, start } = world;
    await start();

    const first = await post("/send", { to: person(1), text: "one" });
    const second = await post("/send", { to: person(1), text: "two" });

    expect([first.status, second.status]).toEqual([200, 429]);
    expect(second.answer).toMatchObject({ status: "refused", code: "send.per_recipient" });
    expect(second.headers.get("retry-after")).toBe("60");
    expect(kapso.sent.map(({ text }) => text)).toEqual(["one"]);
  });

  test("a closed window is refused before WhatsApp does, with Meta's code; or the message waits for them", async () => {
    await using world = await setUp();
    const { kapso, daemon, post, start } = world;
    await wroteBefore(daemon.env["KAPSO_STATE_DIR"] ?? "", person(1), 25 * HOUR);
    await start();

    const refused = await post("/send", { to: person(1), text: "late" });

    expect(refused).toMatchObject({ status: 422, answer: { status: "failed", code: "131047" } });
    expect(kapso.requests.filter(({ kind }) => kind === "send")).toEqual([]);
  });

  test("with send.on_closed a template asks, and the message leaves when they write", async () => {
    await using world = await setUp({ env: { WA_SEND_ON_CLOSED: "template:come_back" } });
    const { kapso, agent, daemon, post, start } = world;
    await wroteBefore(daemon.env["KAPSO_STATE_DIR"] ?? "", person(1), 25 * HOUR);
    await start();

    const held = await post("/send", { to: person(1), text: "your parcel is here" });
    await until("the template", () => kapso.sent.length === 1);
    kapso.receive({ from: person(1), text: "yes?" });
    await until("the message", () => kapso.sent.length === 2);

    expect(held).toMatchObject({ status: 202, answer: { success: true, status: "held" } });
    expect(kapso.sent.map(({ text }) => text)).toEqual([
      expect.not.stringContaining("parcel"),
      "your parcel is here",
    ]);
    await until("the question", () => agent.texts.includes("yes?"));
  });

  test("our own number is never written to", async () => {
    await using world = await setUp();
    const { kapso, post, start } = world;
    await start();
    await until("the number is asked for", () => kapso.requests.some(({ kind }) => kind === "other"));
    await pause(200);

    const { status, answer } = await post("/send", { to: "+1 555-010-0000", text: "hello me" });

    expect([status, answer["code"]]).toEqual([422, "send.own_number"]);
  });
});

describe.concurrent("an idempotency key by HTTP", { timeout: 90_000 }, () => {
  test("P2: the same request sends once: at the same time, again, and after a kill -9", async () => {
    await using world = await setUp();
    const { kapso, daemon, post, start } = world;
    await start();
    const order = { to: person(1), text: "Paid" };

    const together = await Promise.all([1, 2, 3, 4, 5].map(async () => post("/send", order, KEY)));
    await daemon.stop("SIGKILL");
    daemon.start();
    await until("it runs again", () => daemon.log.split("polling works").length === 3);
    const after = await post("/send", order, { "Idempotency-Key": '"invoice-4711"' });

    const wamid = kapso.sent[0]?.wamid;
    expect(together.map(({ status, answer }) => [status, answer["messageId"]])).toEqual(
      Array.from({ length: 5 }, () => [200, wamid]),
    );
    expect(together.filter(({ answer }) => answer["repeated"] === true)).toHaveLength(4);
    expect(after).toMatchObject({ status: 200, answer: { messageId: wamid, repeated: true } });
    expect(kapso.sent.map(({ text }) => text)).toEqual(["Paid"]);
  });

  test("another request under it, and a key that is none, are refused", async () => {
    await using world = await setUp();
    const { kapso, post, start } = world;
    await start();
    await post("/send", { to: person(1), text: "Paid" }, KEY);

    const other = await post("/send", { to: person(2), text: "Paid" }, KEY);
    const wrong = await post("/send", { to: person(1), text: "x" }, { "Idempotency-Key": "two words" });

    expect([other.status, wrong.status]).toEqual([422, 400]);
    expect(other.answer["error"]).toContain("idempotency key");
    expect(kapso.sent).toHaveLength(1);
  });
});
