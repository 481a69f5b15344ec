import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { accountEnv } from "../account.ts";
import { Daemon, until } from "../poller/daemon.ts";
import { environment } from "./gateway-config.ts";
import { startGateway, type OpenClawGateway } from "./gateway.ts";
import { startModel, type Model } from "./model.ts";

const CLI = fileURLToPath(new URL("../../cli/bin.ts", import.meta.url));
const ASKING = "15550300001";
const FRIEND = "15550300002";

describe("the skill in the real OpenClaw gateway, with wa-cli on its PATH", () => {
  const bin = mkdtempSync(join(tmpdir(), "wa-skill-bin-"));
  let model: Model;
  let gateway: OpenClawGateway;
  let kapso: StandInKapso;
  let daemon: Daemon;

  beforeAll(async () => {
    model = await startModel();
    kapso = await StandInKapso.start();
    gateway = await startGateway({ model, bin });
    daemon = new Daemon({ kapso, gateway, env: { OPENCLAW_TOKEN: gateway.token } });
    // As a person's own shell would start it, with the account in its surroundings.
    const settings = { ...accountEnv(kapso), KAPSO_STATE_DIR: join(daemon.folder, "state") };
    const lines = Object.entries(settings).map(([name, value]) => `export ${name}='${value}'`);
    const command = `exec '${process.execPath}' '${CLI}' "$@"`;
    writeFileSync(join(bin, "wa-cli"), ["#!/bin/sh", ...lines, command, ""].join("\n"), { mode: 0o755 });
    const env = environment(gateway.dir, bin);
    await promisify(execFile)(join(bin, "wa-cli"), ["skill", "install"], { env });
    // What is on its PATH the gateway looks up at its start.
    await gateway.restart();
  });
  afterAll(async () => {
    for (const part of [daemon, gateway, kapso, model]) await part[Symbol.asyncDispose]();
    rmSync(bin, { recursive: true, force: true });
  });

  test("it is listed as ready, with wa-cli found", async () => {
    const { stdout } = await gateway.openclaw("skills", "list", "--json");

    const listed = JSON.parse(stdout.slice(stdout.indexOf("{"))) as {
      readonly skills: readonly { readonly name: string }[];
    };
    expect(listed.skills.find(({ name }) => name === "whatsapp")).toMatchObject({
      eligible: true,
      emoji: "💬",
    });
  });

  test("an agent's wa-cli send reaches WhatsApp, and the agent learns what became of it", async () => {
    const command = `wa-cli send --to +${FRIEND} --text 'Dinner at **eight**?' --json`;
    daemon.start();
    // Who has not written lately is sent nothing: neither WhatsApp nor `send.allow_to` has it.
    kapso.receive({ from: FRIEND, text: "hello" });
    await until("the answer to the friend", () => kapso.sent.length === 1, 90_000);

    kapso.receive({ from: ASKING, text: `[[exec=${command}]]` });
    await until("both messages", () => kapso.sent.length === 3, 90_000);

    const to = (number: string) => kapso.sent.slice(1).filter((sent) => sent.to === number);
    expect(kapso.sent[0]?.to).toBe(FRIEND);
    expect(to(FRIEND).map(({ text }) => text)).toEqual(["Dinner at *eight*?"]);
    const { toolResults = [], system = "" } = model.requests.at(-1) ?? {};
    expect(toolResults.join("\n")).toContain(to(FRIEND)[0]?.wamid);
    expect(toolResults.join("\n")).toContain('"status":"accepted"');
    expect(to(ASKING)[0]?.text).toContain("TOOL: ");
    // The model was told of the skill, and where its text is.
    expect(system).toMatch(/whatsapp.*SKILL\.md/s);
  });

  test("a refused command sends nothing, and the agent reads why", async () => {
    const before = kapso.sent.length;
    kapso.receive({ from: ASKING, text: `[[exec=wa-cli send --to 555 --text hi; echo "exit $?"]]` });

    await until("the answer", () => kapso.sent.length > before, 90_000);

    expect(kapso.sent.slice(before).map(({ to }) => to)).toEqual([ASKING]);
    expect(model.requests.at(-1)?.toolResults.join("\n")).toMatch(/no international number.*exit 2/s);
  });
});
