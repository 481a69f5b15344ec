import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LogFile } from "../../src/log-file.ts";
import { inbound } from "../inbound.ts";
import { enqueue } from "../store/enqueue.ts";
import { everyCommand } from "./commands.ts";
import { ANSWER, BSUID, PHONE, QUESTION, seed, wamidOf } from "./seed.ts";
import { World } from "./world.ts";

const SECRETS = {
  OPENCLAW_TOKEN: "gateway-token-4711",
  KAPSO_WEBHOOK_SECRET: "webhook-secret-4711",
  KAPSO_WEBHOOK_VERIFY_TOKEN: "verify-token-4711",
  KAPSO_WEBHOOK_OLD_SECRETS: "old-secret-4711,older-secret-4711",
};
/** In the address of somebody else's webhook. */
const THEIR_TOKEN = "their-token-4711";
const NUMBER = "+1 (555) 123-4567";
/** A message of somebody who is called like a number. */
const NAMED = wamidOf(PHONE, "3EB0C0FFEE09");

/** Every command → what is given to it. */
const SHOWN: Readonly<Record<string, readonly (readonly string[])[]>> = {
  status: [[], ["--check"]],
  preflight: [[]],
  "outbox list": [["--all"]],
  "outbox retry": [["1"], ["2"], ["3"]],
  "outbox drop": [["1"], ["2"]],
  "webhook list": [[]],
  "webhook register": [["--url", "https://bot.example.com/webhook"]],
  "webhook remove": [[]],
  trace: [[QUESTION], [ANSWER], [NAMED], ["#2"], ["#3"]],
  messages: [[]],
  contacts: [[]],
  "config show": [["--all"]],
  "config path": [[]],
  logs: [["--lines", "500"]],
  "media get": [[QUESTION], [ANSWER]],
  templates: [[]],
  numbers: [[]],
  "skill install": [["--dir", "~/skills"]],
  "skill path": [[]],
};
const EXCUSED: Readonly<Record<string, string>> = {
  send: "the whole id is what its caller needs, to quote the message",
  init: "says again what is typed into it; its tests look for secrets",
  "skill show": "prints a file of ours, with an example of a number",
  completions: "prints a script of ours",
  mcp: "answers with what the others print; its tests look at that",
};

const variants = Object.entries(SHOWN).flatMap(([command, all]) =>
  all.flatMap((options) => [[], ["--json"]].map((more) => [...command.split(" "), ...options, ...more])),
);

/** People in every place where a command may come upon them. */
async function fill(world: World) {
  const store = await seed(world.state, Date.now());
  const from = { phone: PHONE, bsuid: BSUID };
  const quotes = { wamid: NAMED, quotes: QUESTION };
  await store.inbox.accept(
    [inbound({ from, name: NUMBER, username: PHONE, ...quotes, sentAt: Date.now() })],
    "poll",
    Date.now(),
  );
  await enqueue(store.outbox, [{ to: { phone: PHONE }, text: "x" }], Date.now());
  const taken = await store.outbox.claim(PHONE, "daemon", Date.now());
  if (taken)
    await store.outbox.retryAt(taken, 0, { error: `Recipient +${PHONE} is not known (${QUESTION})` });
  const log = new LogFile(world.state, { secrets: [] });
  log.write(
    `{"level":50,"time":1,"to":"+${PHONE}","msg":"refused for ${PHONE} with ${SECRETS.OPENCLAW_TOKEN}"}\n`,
  );
  world.kapso.webhooks.push({
    id: "theirs",
    url: `https://theirs.example.com/hook?token=${THEIR_TOKEN}`,
    secret_key: "their-secret",
    kind: "kapso",
    events: [],
    active: true,
    payload_version: "v2",
  });
  world.kapso.fault = ({ path }) => {
    if (path.endsWith("/100000000000001"))
      return { status: 200, body: '{"data":{"business_account_id":"9001"}}' };
    return path.endsWith("/9001/phone_numbers")
      ? { status: 200, body: JSON.stringify({ data: [{ id: "1", display_phone_number: `+${PHONE}` }] }) }
      : undefined;
  };
  return { taken, [Symbol.dispose]: () => [log, store].forEach((each) => each[Symbol.dispose]()) };
}

test("every command is tried, or is excused", () => {
  expect(Object.keys({ ...SHOWN, ...EXCUSED }).toSorted()).toEqual(
    everyCommand()
      .map(({ path }) => path)
      .toSorted(),
  );
});

describe("no command shows a secret or a whole number", () => {
  test.each(variants.map((args) => [args]))("%j", async (args) => {
    await using world = await World.start();
    using filled = await fill(world);
    const env = {
      ...SECRETS,
      KAPSO_ALLOWED_NUMBERS: `+${PHONE}`,
      KAPSO_DENY_MESSAGE: `Write to ${NUMBER}`,
      OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:1",
    };

    const ran = await world.run(args, { env });

    const shown = ran.out + ran.err;
    expect(filled.taken).toBeDefined();
    expect(shown).not.toBe("");
    expect(ran.code, shown).not.toBe(2);
    const secrets = Object.values(SECRETS).flatMap((value) => value.split(","));
    for (const secret of [...secrets, THEIR_TOKEN, "their-secret"]) expect(shown).not.toContain(secret);
    for (const number of [PHONE, NUMBER, "15559876543", "4915112345678", BSUID, QUESTION, ANSWER, NAMED])
      expect(shown).not.toContain(number);
    // However it is spelled, and as it stands in ids of messages.
    expect(shown.replaceAll(/[ ().-]/g, "")).not.toContain(PHONE);
    expect(shown).not.toContain(Buffer.from(PHONE).toString("base64").slice(0, 12));
    expect(shown).not.toContain("\u001B");
  });

  test.each<readonly [string, string, Readonly<Record<string, string>>]>([
    ['"+155…4567" is in both', `[security.roles]\nowner = ["+${PHONE}"]\nmember = ["${NUMBER}"]\n`, {}],
    ["(it is +155…4567)", `[security]\nallowed_numbers = [${PHONE}]\n`, {}],
    ['"x•••••••4567" is neither', "", { KAPSO_ALLOWED_NUMBERS: `x${PHONE}` }],
    ['"••••••••••••9999" is neither', "", { WA_SEND_ALLOW_TO: `${PHONE}99999` }],
    ['"tel:•••••••4567" is no', "", { WA_SEND_OWN_NUMBER: `tel:${PHONE}` }],
  ])("nor when the configuration is wrong: %s", async (problem, toml, env) => {
    await using world = await World.start();
    const file = join(world.home, "config.toml");
    writeFileSync(file, toml);

    for (const args of [["status"], ["status", "--json"], ["config"], ["preflight"]]) {
      const { code, out, err } = await world.run([...args, "--config", file], { env });

      expect(code).toBe(3);
      expect(err).toContain(problem);
      // As an example it stands there.
      expect((out + err).replaceAll(/such as \W+15551234567/g, "")).not.toMatch(/555\D*123/);
    }
  });

  test.each([["contacts"], ["messages"], ["trace", NAMED], ["config"]])(
    "%s --reveal shows whole what a person or the owner wrote",
    async (...args) => {
      await using world = await World.start();
      using _ = await fill(world);

      const ran = await world.run([...args, "--reveal"], { env: { KAPSO_DENY_MESSAGE: NUMBER } });

      expect(ran.out).toMatch(/\+1 \(?555\)? 123-4567/);
    },
  );
});
