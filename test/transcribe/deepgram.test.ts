import { describe, expect, test } from "vitest";
import { json, KEY, SttServer, World } from "./world.ts";

const results = (...transcripts: readonly string[]) => ({
  metadata: { request_id: "r" },
  results: {
    channels: transcripts.map((transcript) => ({ alternatives: [{ transcript, confidence: 0.9 }] })),
  },
});

describe("Deepgram", () => {
  test("gets the recording itself, and recognises the language", async () => {
    await using world = new World();
    await using server = await SttServer.start(json(results(" hola ")));

    const transcript = await world
      .transcriber({ provider: "deepgram", baseUrl: `${server.url}/v1` })
      .transcribe(world.recording("OggS\0\r\n"), world.signal.signal);

    expect(transcript).toEqual({ kind: "text", text: "hola" });
    const [request] = server.requests;
    expect(request).toMatchObject({
      method: "POST",
      headers: { authorization: `Token ${KEY}`, "content-type": "audio/ogg" },
    });
    expect(request?.url.pathname).toBe("/v1/listen");
    expect(Object.fromEntries(request?.url.searchParams ?? [])).toEqual({
      model: "nova-3",
      smart_format: "true",
      detect_language: "true",
    });
    expect(request?.body.toString()).toBe("OggS\0\r\n");
  });

  test("gets the language that is set, and the model, whatever is in its name", async () => {
    await using world = new World();
    await using server = await SttServer.start(json(results("x")));
    const options = { baseUrl: server.url, model: "a&b=c", language: "pt-BR" };

    await world
      .transcriber({ provider: "deepgram", ...options })
      .transcribe(world.recording(), world.signal.signal);

    expect(Object.fromEntries(server.requests[0]?.url.searchParams ?? [])).toEqual({
      model: "a&b=c",
      smart_format: "true",
      language: "pt-BR",
    });
  });

  test.each([
    ["an empty transcript", results(""), "no speech was recognised in it"],
    ["no channel", results(), "no speech was recognised in it"],
    ["no alternative", { results: { channels: [{}] } }, "no speech was recognised in it"],
    ["another shape", { results: [] }, "the transcription service gave an answer that could not be read"],
    ["no object", "hello", "the transcription service gave an answer that could not be read"],
  ])("%s has no text", async (_, body, reason) => {
    await using world = new World();
    await using server = await SttServer.start(json(body));

    const transcript = await world
      .transcriber({ provider: "deepgram", baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason });
  });

  test("its word for a refusal is in the log", async () => {
    await using world = new World();
    const refusal = { err_code: "INVALID_AUTH", err_msg: `Invalid credentials ${KEY}.` };
    await using server = await SttServer.start(json(refusal, 401));

    const transcript = await world
      .transcriber({ provider: "deepgram", baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason: "the transcription service refused our access" });
    expect(world.logged).toContain("HTTP 401 (INVALID_AUTH)");
    expect(world.logged).not.toContain(KEY);
  });
});
