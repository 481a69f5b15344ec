import { createServer } from "node:http";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { voiceMessage } from "../media/ogg.ts";
import { PNG } from "../media/stand-in.ts";
import { until } from "./daemon.ts";
import { createWorld, person, type Setup } from "./world.ts";

const STRANGER = person(999);

/** An agent with a folder of its own, from which it may send. */
async function setUp(setup: Setup = {}) {
  const world = await createWorld({
    ...setup,
    env: { WA_MEDIA_SEND_FROM: "~/workspace", KAPSO_POLL_INTERVAL: "1s", ...setup.env },
  });
  const workspace = join(world.daemon.folder, "workspace");
  mkdirSync(workspace);
  return { ...world, workspace };
}

/** A speech service that heard the same in everything. */
async function speechService(text: string) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    request.resume().once("end", () => {
      requests.push(`${request.method} ${request.url}`);
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ text, segments: [{ start: 0, end: 3, no_speech_prob: 0.01 }] }));
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

describe("wa-poller with files", () => {
  test("a picture is fetched, shown to the agent at once, and kept where the agent can open it", async () => {
    await using world = await setUp();
    const { kapso, daemon, gateway } = world;
    const id = kapso.media.add({ bytes: PNG, mimeType: "image/jpeg" });
    kapso.receive({
      from: person(1),
      fields: { type: "image", image: { id, caption: "my\ndog" }, text: undefined },
    });

    daemon.start();
    await until("an answer", () => kapso.sent.length === 1);

    const [turn] = gateway.asked;
    const [line, file = ""] = turn?.message.split("\n") ?? [];
    const path = /^\[file: (?<path>.*) \(image\/png, 1 KB\)\]$/.exec(file)?.groups?.["path"] ?? "";
    expect(line).toBe('[image: caption "my dog"]');
    expect(path.startsWith(join(daemon.folder, "state", "media"))).toBe(true);
    expect(readFileSync(path)).toEqual(PNG);
    expect(turn?.attachments).toMatchObject([{ mimeType: "image/png", content: PNG.toString("base64") }]);
  });

  test("P4: a stranger's picture and voice message cost no request", async () => {
    await using world = await setUp({
      env: { KAPSO_SECURITY_MODE: "allowlist", KAPSO_ALLOWED_NUMBERS: person(1) },
    });
    const { kapso, daemon } = world;
    for (const type of ["image", "audio"]) {
      const id = kapso.media.add({ bytes: PNG, mimeType: "image/png" });
      kapso.receive({ from: STRANGER, fields: { type, [type]: { id }, text: undefined } });
    }
    kapso.receive({ from: person(1), text: "and me?" });

    daemon.start();
    await until("an answer", () => kapso.sent.length === 1);

    expect(kapso.requests.filter(({ kind }) => kind === "media" || kind === "download")).toEqual([]);
    expect(daemon.log).toContain('"state":"denied"');
  });

  test("a voice message is written down by the service that is set up", async () => {
    await using speech = await speechService("see you at eight");
    await using world = await setUp({
      env: { KAPSO_TRANSCRIBE_PROVIDER: "openai", WA_TRANSCRIBE_BASE_URL: speech.url },
    });
    const { kapso, daemon, gateway } = world;
    const id = kapso.media.add({ bytes: voiceMessage(42), mimeType: "audio/ogg" });
    kapso.receive({
      from: person(1),
      fields: { type: "audio", audio: { id, voice: true }, text: undefined },
    });

    daemon.start();
    await until("an answer", () => kapso.sent.length === 1);

    expect(gateway.asked.map(({ message }) => message)).toEqual(["[voice 0:42] see you at eight"]);
    expect(speech.requests).toEqual(["POST /v1/audio/transcriptions"]);
  });

  test("without a service the agent is told why there is no text, and where the recording is", async () => {
    await using world = await setUp();
    const { kapso, daemon, gateway } = world;
    const id = kapso.media.add({ bytes: voiceMessage(5), mimeType: "audio/ogg" });
    kapso.receive({
      from: person(1),
      fields: { type: "audio", audio: { id, voice: true }, text: undefined },
    });

    daemon.start();
    await until("an answer", () => kapso.sent.length === 1);

    expect(gateway.asked[0]?.message).toMatch(
      /^\[voice 0:05: no text, transcription is not set up.*\]\n\[file: /,
    );
  });

  test("a file that can not be had is said to be missing, and the caption is answered", async () => {
    await using world = await setUp();
    const { kapso, daemon, gateway } = world;
    kapso.receive({
      from: person(1),
      fields: { type: "document", document: { id: "404", filename: "a.pdf" }, text: undefined },
    });

    daemon.start();
    await until("an answer", () => kapso.sent.length === 1);

    expect(gateway.asked[0]?.message).toMatch(/^\[document: "a\.pdf"\]\n\[the file could not be had: .+\]$/);
  });

  test("an agent sends a picture of its folder with a caption, and nothing from elsewhere", async () => {
    let path = "";
    await using world = await setUp({
      echo: {
        reply: ({ message }) =>
          message === "show me" ? `Here it is\nMEDIA:${path}` : `Look\nMEDIA:${message.replace(/^at /, "")}`,
      },
      env: { WA_MEDIA_SEND_FROM: "~/workspace,~/.config" },
    });
    const { kapso, daemon, workspace } = world;
    path = join(workspace, "chart.png");
    const key = join(daemon.folder, ".config", "wa-relay", "kapso-api-key");
    mkdirSync(dirname(key), { recursive: true });
    writeFileSync(key, "sk-4711");
    writeFileSync(path, PNG);
    kapso.receive({ from: person(1), text: "show me" });

    daemon.start();
    await until("a picture", () => kapso.sent.length === 1);
    kapso.receive({ from: person(1), text: "at /etc/hostname" });
    await until("a refusal", () => kapso.sent.length === 3);
    kapso.receive({ from: person(1), text: `at ${key}` });
    await until("a refusal", () => kapso.sent.length === 5);

    const [picture, ...texts] = kapso.sent;
    expect(picture).toMatchObject({ text: "Here it is", media: { type: "image" } });
    expect(kapso.media.uploads).toMatchObject([{ bytes: PNG, mimeType: "image/png" }]);
    expect(texts.map(({ text, media }) => [media, text])).toEqual([
      [undefined, "Look"],
      [undefined, expect.stringMatching(/^\(A file was not sent: .+\)$/)],
      [undefined, "Look"],
      [undefined, expect.stringMatching(/^\(A file was not sent: .+\)$/)],
    ]);
  });

  test("the agent reads what is quoted, and an answer quotes its question when others came in between", async () => {
    const first = Promise.withResolvers<void>();
    await using world = await setUp({
      echo: {
        reply: async ({ message }) => {
          if (message === "one") await first.promise;
          return `re ${message}`;
        },
      },
    });
    const { kapso, daemon, gateway } = world;
    const one = kapso.receive({ from: person(1), text: "one" });
    daemon.start();
    await until("the first turn", () => gateway.asked.length === 1);
    kapso.receive({ from: person(1), text: "two" });
    await until("the second is stored", () => daemon.log.includes("polling works"));
    await until("it is listed", () => world.lists() >= 3);
    first.resolve();
    await until("two answers", () => kapso.sent.length === 2);
    kapso.receive({
      from: person(1),
      text: "what do you mean?",
      fields: { context: { id: kapso.sent[0]?.wamid } },
    });
    await until("three answers", () => kapso.sent.length === 3);

    expect(kapso.sent.map(({ quotes }) => quotes)).toEqual([one, undefined, undefined]);
    expect(gateway.asked[2]?.message).toBe('[in reply to your message: "re one"]\nwhat do you mean?');
  });
});
