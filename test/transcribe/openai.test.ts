import { describe, expect, test } from "vitest";
import { json, KEY, spoken, SttServer, World, written } from "./world.ts";

const segment = (start: number, end: number, silent: unknown) => ({ start, end, no_speech_prob: silent });

describe("OpenAI's API", () => {
  test("gets the recording as a form, with the key and the usual model", async () => {
    await using world = new World();
    await using server = await SttServer.start();
    const sound = "OggS\r\n--\0\xFF\r\n\r\n";
    const file = world.recording(sound, {
      mimeType: "audio/ogg; codecs=opus",
    });

    const transcript = await world
      .transcriber({ baseUrl: `${server.url}/v1` })
      .transcribe(file, world.signal.signal);

    expect(transcript).toEqual({ kind: "text", text: "hello" });
    const [request] = server.requests;
    expect(request).toMatchObject({ method: "POST", headers: { authorization: `Bearer ${KEY}` } });
    expect(request?.url.pathname).toBe("/v1/audio/transcriptions");
    expect(await request?.form()).toEqual({
      model: "whisper-1",
      response_format: "verbose_json",
      file: { name: "audio.ogg", type: "audio/ogg", text: Buffer.from(sound).toString("latin1") },
    });
  });

  test("gets model and language when they are set, and no key when there is none", async () => {
    await using world = new World();
    await using server = await SttServer.start();
    const options = { baseUrl: `${server.url}/own/path`, model: "mine", language: "de", apiKey: undefined };

    await world.transcriber(options).transcribe(world.recording(), world.signal.signal);

    const [request] = server.requests;
    expect(request?.url.pathname).toBe("/own/path/audio/transcriptions");
    expect(request?.headers.authorization).toBeUndefined();
    expect(await request?.form()).toMatchObject({ model: "mine", language: "de" });
  });

  test("Groq has a model of its own", async () => {
    await using world = new World();
    await using server = await SttServer.start();

    await world
      .transcriber({ provider: "groq", baseUrl: `${server.url}/openai/v1` })
      .transcribe(world.recording(), world.signal.signal);

    expect(await server.requests[0]?.form()).toMatchObject({ model: "whisper-large-v3" });
  });

  test.each([
    ["audio/mpeg", "audio.mp3", "audio/mpeg"],
    ["audio/mp4", "audio.m4a", "audio/mp4"],
    ["Audio/OPUS", "audio.ogg", "audio/ogg"],
    ["audio/x\r\nX-Evil: 1", "audio.ogg", "application/octet-stream"],
    ["", "audio.ogg", "application/octet-stream"],
  ])("a recording of type %j is called %s", async (mimeType, name, type) => {
    await using world = new World();
    await using server = await SttServer.start();

    await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording("sound", { mimeType }), world.signal.signal);

    expect(await server.requests[0]?.form()).toMatchObject({ file: { name, type, text: "sound" } });
  });

  // OpenAI's gpt-4o-transcribe, in its own words.
  test("a model without the long answer is asked for the short one, from then on at once", async () => {
    await using world = new World();
    const refusal = {
      error: {
        message:
          "response_format 'verbose_json' is not compatible with model 'm'. Use 'json' or 'text' instead.",
        type: "invalid_request_error",
        param: "response_format",
        code: "unsupported_value",
      },
    };
    await using server = await SttServer.start(json(refusal, 400), spoken("short"));
    const transcriber = world.transcriber({ baseUrl: server.url, model: "gpt-4o-transcribe" });

    const first = await transcriber.transcribe(world.recording("a"), world.signal.signal);
    const second = await transcriber.transcribe(world.recording("b"), world.signal.signal);

    for (const transcript of [first, second]) expect(transcript).toEqual({ kind: "text", text: "short" });
    const forms = await Promise.all(server.requests.map(async (request) => request.form()));
    expect(forms.map((form) => form["response_format"])).toEqual(["verbose_json", "json", "json"]);
    expect(world.clock.sleeps).toEqual([]);
  });

  test("a server that refuses both is not asked for ever", async () => {
    await using world = new World();
    await using server = await SttServer.start(json({ error: "response_format" }, 400));

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript.kind).toBe("none");
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    ["nothing but the text", written(" bonjour \n", "text/plain; charset=utf-8"), "bonjour"],
    ["text and no segments", json({ text: " hi " }), "hi"],
    ["segments that are none", json({ text: "hi", segments: "none" }), "hi"],
    ["segments without figures", json({ text: "hi", segments: [{ id: 1 }, null] }), "hi"],
  ])("%s is enough", async (_, reply, text) => {
    await using world = new World();
    await using server = await SttServer.start(reply);

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "text", text });
  });

  test.each([
    ["a page", written("<html>Login</html>", "text/html")],
    ["broken JSON", written('{"text": "hel', "application/json")],
    ["JSON without a text", json({ transcript: "hello" })],
    ["another type of text", json({ text: 5 })],
    ["nothing", written("", "application/json")],
    ["too much", written(" ".repeat(9_000_000), "text/plain")],
  ])("%s is no transcription, and asked for once", async (_, reply) => {
    await using world = new World();
    await using server = await SttServer.start(reply);

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({
      kind: "none",
      reason: "the transcription service gave an answer that could not be read",
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe("the guard against silence", () => {
  const many = Array.from({ length: 23 }, (_, index) => segment(index * 5, index * 5 + 5, 0.02));

  test.each([
    ["one silent segment of many passes", [...many, segment(115, 120, 0.99)], "text"],
    ["all of them silent", [segment(0, 5, 0.9), segment(5, 9, 0.95)], "none"],
    ["a long silence outweighs short words", [segment(0, 1, 0.01), segment(1, 60, 0.95)], "none"],
    ["a short silence does not", [segment(0, 59, 0.01), segment(59, 60, 0.95)], "text"],
    ["segments without length count alike", [segment(0, 0, 0.9), segment(0, 0, 0.1)], "text"],
    ["just the threshold is silence", [segment(0, 4, 0.85)], "none"],
    ["figures that are none do not count", [segment(0, 5, "0.99"), segment(5, 6, 0.1)], "text"],
  ])("%s", async (_, segments, kind) => {
    await using world = new World();
    await using server = await SttServer.start(json({ text: "Thanks for watching!", segments }));

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript.kind).toBe(kind);
  });

  test("0 takes every transcript", async () => {
    await using world = new World();
    await using server = await SttServer.start(json({ text: "hm", segments: [segment(0, 5, 1)] }));

    const transcript = await world
      .transcriber({ baseUrl: server.url, noSpeechThreshold: 0 })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "text", text: "hm" });
  });

  test.each(["", "  \n "])("the text %j is no speech", async (text) => {
    await using world = new World();
    await using server = await SttServer.start(json({ text }));

    const transcript = await world
      .transcriber({ baseUrl: server.url, noSpeechThreshold: 0 })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason: "no speech was recognised in it" });
  });
});

test("a server may think longer in silence than others may", async () => {
  await using world = new World({ silenceMs: 200 });
  await using server = await SttServer.start((response) => setTimeout(() => spoken("hello")(response), 700));

  const transcript = await world
    .transcriber({ baseUrl: server.url })
    .transcribe(world.recording(), world.signal.signal);

  expect(transcript).toEqual({ kind: "text", text: "hello" });
  expect(server.requests).toHaveLength(1);
});
