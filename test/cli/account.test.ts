import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Store } from "../../src/store/store.ts";
import { inbound } from "../inbound.ts";
import { read, World } from "./world.ts";

const WABA = "900100200300400";
const TEMPLATES = {
  data: [
    {
      name: "order_ready",
      language: "en_US",
      status: "APPROVED",
      category: "UTILITY",
      components: [
        { type: "HEADER", format: "IMAGE" },
        { type: "BODY", text: "Hello {{first_name}}, order {{order}} of {{first_name}} is ready" },
        { type: "BUTTONS", buttons: [{ type: "URL", text: "Track", url: "https://example.com/{{1}}" }] },
      ],
      brand_new: { field: true },
    },
    { name: "plain", components: "?" },
    { nameless: true },
  ],
  paging: { cursors: { after: "x" } },
};
const NUMBERS = {
  data: [
    {
      id: "100000000000001",
      display_phone_number: "+1 555-010-0000",
      verified_name: "Bakery",
      quality_rating: "GREEN",
    },
    { id: 5, display_phone_number: "+49 1511 2345678" },
  ],
};

/** A stand-in that knows the account too. */
async function withAccount() {
  const world = await World.start();
  const answer = (body: unknown) => ({ status: 200, body: JSON.stringify(body) });
  world.kapso.fault = ({ path }) => {
    if (path.startsWith("/platform/v1/whatsapp/phone_numbers/"))
      return answer({ data: { business_account_id: WABA } });
    if (path === `/meta/whatsapp/v24.0/${WABA}/message_templates`) return answer(TEMPLATES);
    return path === `/meta/whatsapp/v24.0/${WABA}/phone_numbers` ? answer(NUMBERS) : undefined;
  };
  return world;
}

describe("wa-cli templates and numbers", () => {
  test("templates tells language, status and parameters of each", async () => {
    await using world = await withAccount();

    const ran = await world.run(["templates", "--json"]);
    const text = await world.run(["templates"]);

    expect(JSON.parse(ran.out)).toEqual([
      {
        name: "order_ready",
        language: "en_US",
        status: "APPROVED",
        category: "UTILITY",
        parameters: ["header.image", "body.first_name", "body.order", "button.0.1"],
      },
      { name: "plain", parameters: [] },
    ]);
    expect(text.out).toContain("order_ready  en_US  APPROVED  UTILITY  header.image, body.first_name");
  });

  test("numbers marks ours, and shows them whole only with --reveal", async () => {
    await using world = await withAccount();

    const ran = await world.run(["numbers"]);
    const revealed = await world.run(["numbers", "--reveal"]);

    expect(ran.out).toContain("* +155…0000  Bakery, quality GREEN");
    expect(ran.out).not.toMatch(/555-010|1511/);
    expect(revealed.out).toContain("+49 1511 2345678");
  });

  test.each([
    [401, 4],
    [429, 7],
    [500, 7],
  ])("an answer %i of the provider's ends with code %i", async (status, code) => {
    await using world = await World.start();
    world.kapso.fault = () => ({ status, body: '{"error":"no"}' });

    for (const command of ["templates", "numbers"]) {
      const ran = await world.run([command, "--json"]);
      expect(ran.code).toBe(code);
      expect(read(ran)).toMatchObject({ exitCode: code });
    }
  });

  test("an account that is not told is said so", async () => {
    await using world = await World.start();

    const ran = await world.run(["templates"]);

    expect(ran.code).toBe(1);
    expect(ran.err).toContain("→ wa-cli preflight");
  });
});

describe("wa-cli media get", () => {
  const WAMID = "wamid.MEDIA000001";

  async function withFile() {
    const world = await World.start();
    const bytes = Buffer.from("%PDF-1.4 an invoice");
    const id = world.kapso.media.add({ bytes, mimeType: "application/pdf" });
    const store = Store.open(world.state);
    await store.inbox.accept(
      [
        inbound({ wamid: WAMID, content: { type: "document", media: { id } } }),
        inbound({ wamid: "wamid.NOFILE000001" }),
      ],
      "poll",
      Date.now(),
    );
    store[Symbol.dispose]();
    return { world, id, bytes, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
  }

  test("fetches the file of a message, then has it; --out puts a copy where it is told and overwrites nothing", async () => {
    await using set = await withFile();
    const out = join(set.world.home, "invoice.pdf");

    const first = await set.world.run(["media", "get", WAMID, "--json"]);
    const again = await set.world.run(["media", "get", "…MEDIA000001", "--out", out, "--json"]);
    const third = await set.world.run(["media", "get", set.id, "--out", out]);

    expect(read(first)).toMatchObject({ mimeType: "application/pdf", from: "provider" });
    expect(read(again)).toMatchObject({ path: out, from: "stored" });
    expect(readFileSync(out)).toEqual(set.bytes);
    expect(third.code).toBe(2);
    expect(set.world.kapso.requests.filter(({ kind }) => kind === "download")).toHaveLength(1);
  });

  test("what lies on this disk needs no account", async () => {
    await using set = await withFile();
    await set.world.run(["media", "get", WAMID]);

    const ran = await set.world.run(["media", "get", WAMID, "--json"], { env: { KAPSO_API_KEY: "" } });

    expect(ran).toMatchObject({ code: 0 });
    expect(read(ran)).toMatchObject({ from: "stored", bytes: set.bytes.length });
  });

  test("a copy that can not be written says why", async () => {
    await using set = await withFile();
    const out = join(set.world.home, "x".repeat(300));

    const ran = await set.world.run(["media", "get", WAMID, "--out", out]);

    expect(ran.code).toBe(1);
    expect(ran.err).toContain("ENAMETOOLONG");
  });

  test("by the id of a file that no stored message names", async () => {
    await using world = await World.start();
    const id = world.kapso.media.add({ bytes: Buffer.from("%PDF-1.4 x"), mimeType: "application/pdf" });

    const ran = await world.run(["media", "get", id, "--json"]);

    expect(read(ran)).toMatchObject({ from: "provider", bytes: 10 });
    expect(existsSync(String(read(ran)["path"]))).toBe(true);
  });

  test.each([
    ["wamid.NOFILE000001", 1],
    ["wamid.UNKNOWN00001", 1],
    ["99999999999", 1],
    ["x", 2],
  ])("%s has none: code %i with a next step", async (id, code) => {
    await using set = await withFile();

    const ran = await set.world.run(["media", "get", id]);

    expect(ran).toMatchObject({ code, out: "" });
    expect(ran.err).toMatch(/→ \S/);
  });
});
