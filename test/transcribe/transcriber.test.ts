import { describe, expect, test, vi } from "vitest";
import { createTranscriber } from "../../src/transcribe/transcriber.ts";
import { freePort } from "../free-port.ts";
import { hang, json, KEY, reset, spoken, SttServer, World, type Reply } from "./world.ts";

const OK = { kind: "text", text: "hello" };
const trouble = (status: number, headers?: Readonly<Record<string, string>>) =>
  json({ error: { message: `Wrong key ${KEY} at https://api.example/v1` } }, status, headers);

test("createTranscriber() without a provider gives none", async () => {
  await using world = new World();
  const parts = {
    fetch: () => Promise.reject(new Error("not asked")),
    clock: world.clock,
    log: world.log,
    env: {},
  };

  expect(createTranscriber(undefined, parts)).toBeUndefined();
});

describe("further tries", () => {
  test.each<readonly [string, Reply]>([
    ["HTTP 429", trouble(429)],
    ["HTTP 500", trouble(500)],
    ["HTTP 503", trouble(503)],
    ["a reset connection", reset],
    [
      "an answer that breaks off",
      (response) => {
        response.writeHead(200, { "Content-Length": "1000" }).write("{");
        setTimeout(() => response.socket?.resetAndDestroy(), 20);
      },
    ],
  ])("%s is tried again", async (_, reply) => {
    await using world = new World();
    await using server = await SttServer.start(reply, reply, spoken("hello"));

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual(OK);
    expect(server.requests).toHaveLength(3);
    const [first = 0, second = 0] = world.clock.sleeps;
    expect(first).toBeGreaterThanOrEqual(500);
    expect(first).toBeLessThanOrEqual(1000);
    expect(second).toBeGreaterThanOrEqual(1000);
    expect(second).toBeLessThanOrEqual(2000);
    expect(world.lines.map(({ level }) => level)).toEqual(["warn", "warn", "debug"]);
  });

  test("end after three", async () => {
    await using world = new World();
    await using server = await SttServer.start(trouble(502));

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason: "the transcription service has trouble (HTTP 502)" });
    expect(server.requests).toHaveLength(3);
    expect(world.lines.map(({ level }) => level)).toEqual(["warn", "warn", "error"]);
  });

  test("nobody there is tried again, and told without the address", async () => {
    await using world = new World();
    const baseUrl = `http://127.0.0.1:${await freePort()}`;

    const transcript = await world
      .transcriber({ baseUrl })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason: "the transcription service could not be reached" });
    expect(world.clock.sleeps).toHaveLength(2);
  });

  test.each([
    [400, "the transcription service could not take the recording (HTTP 400)"],
    [401, "the transcription service refused our access"],
    [402, "the account at the transcription service has no credit left"],
    [403, "the transcription service refused our access"],
    [404, "transcription is not set up correctly"],
    [413, "the recording is too large for the transcription service"],
    [415, "the transcription service could not take the recording (HTTP 415)"],
    [302, "transcription is not set up correctly"],
  ])("HTTP %i is final", async (status, reason) => {
    await using world = new World();
    await using server = await SttServer.start(trouble(status, { Location: "http://127.0.0.1:1/" }));

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason });
    expect(server.requests).toHaveLength(1);
    expect(world.clock.sleeps).toEqual([]);
  });

  test("an empty account is final although it comes as 429", async () => {
    await using world = new World();
    await using server = await SttServer.start(json({ error: { code: "insufficient_quota" } }, 429));

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toMatchObject({
      reason: "the account at the transcription service has no credit left",
    });
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ["7", 7000],
    ["0", 0],
    ["soon", 0],
  ])("Retry-After: %s is waited for", async (after, atLeast) => {
    await using world = new World();
    await using server = await SttServer.start(trouble(429, { "Retry-After": after }), spoken("hello"));

    const transcript = await world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual(OK);
    expect(world.clock.sleeps[0]).toBeGreaterThanOrEqual(Math.max(atLeast, 500));
    expect(world.clock.sleeps[0]).toBeLessThanOrEqual(Math.max(atLeast, 1000));
  });

  test.each(["120", new Date(Date.now() + 3_600_000).toUTCString()])(
    "Retry-After: %s is too long for somebody who waits",
    async (after) => {
      await using world = new World();
      await using server = await SttServer.start(trouble(429, { "Retry-After": after }));

      const transcript = await world
        .transcriber({ baseUrl: server.url })
        .transcribe(world.recording(), world.signal.signal);

      expect(transcript).toEqual({ kind: "none", reason: "the transcription service is busy" });
      expect(server.requests).toHaveLength(1);
    },
  );

  test("a server that hangs is left after the time, and not asked again", async () => {
    await using world = new World();
    await using server = await SttServer.start(hang);

    const transcript = await world
      .transcriber({ baseUrl: server.url, timeoutMs: 800 })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason: "it could not be transcribed within 0.8 s" });
    expect(server.requests).toHaveLength(1);
  });

  test("a body that trickles for ever is left after the time too", async () => {
    await using world = new World();
    await using server = await SttServer.start((response) => {
      const timer = setInterval(() => response.write(" "), 20);
      response.on("close", () => clearInterval(timer));
    });

    const transcript = await world
      .transcriber({ baseUrl: server.url, timeoutMs: 800 })
      .transcribe(world.recording(), world.signal.signal);

    expect(transcript.kind).toBe("none");
  });
});

describe("what is not sent", () => {
  test.each([
    [{ bytes: 1_048_577 }, "the recording is too large to be transcribed (1.1 MB of at most 1 MB)"],
    [{ bytes: 31_457_280 }, "the recording is too large to be transcribed (30 MB of at most 1 MB)"],
    [{ bytes: 0 }, "the recording is empty"],
    [{ path: "/nowhere/gone.ogg" }, "the recording could not be read"],
  ])("%j", async (given, reason) => {
    await using world = new World();
    await using server = await SttServer.start();

    const transcript = await world
      .transcriber({ baseUrl: server.url, maxBytes: 1_048_576 })
      .transcribe(world.recording("sound", given), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason });
    expect(server.requests).toEqual([]);
  });
});

describe("the memory", () => {
  const twice = async (world: World, server: SttServer, cacheTtlMs: number, laterMs: number) => {
    const transcriber = world.transcriber({ baseUrl: server.url, cacheTtlMs });
    const first = await transcriber.transcribe(world.recording("same"), world.signal.signal);
    world.clock.time += laterMs;
    const second = await transcriber.transcribe(world.recording("same"), world.signal.signal);
    return [first, second];
  };

  test.each([
    ["the same recording is sent once", 60_000, 59_999, 1],
    ["until its time is over", 60_000, 60_000, 2],
    ["0 forgets at once", 0, 0, 2],
  ])("%s", async (_, ttlMs, laterMs, requests) => {
    await using world = new World();
    await using server = await SttServer.start();

    expect(await twice(world, server, ttlMs, laterMs)).toEqual([OK, OK]);
    expect(server.requests).toHaveLength(requests);
  });

  test("silence is remembered, a failure is not", async () => {
    await using world = new World();
    await using silent = await SttServer.start(spoken(""));
    await using failing = await SttServer.start(trouble(400), spoken("hello"));

    await twice(world, silent, 60_000, 0);
    const [, second] = await twice(world, failing, 60_000, 0);

    expect(silent.requests).toHaveLength(1);
    expect(second).toEqual(OK);
  });

  test("the oldest go when there are too many", async () => {
    await using world = new World();
    await using server = await SttServer.start(spoken("x".repeat(900_000)));
    const transcriber = world.transcriber({ baseUrl: server.url });
    const hear = async (sound: string) => transcriber.transcribe(world.recording(sound), world.signal.signal);

    for (const sound of ["a", "b", "c"]) await hear(sound);
    await hear("c");
    await hear("b");
    expect(server.requests).toHaveLength(3);
    await hear("a");

    expect(server.requests).toHaveLength(4);
  });
});

describe("side by side", () => {
  /** Replies when it is told to. */
  function gate(): { readonly reply: Reply; readonly open: () => void } {
    const waiting: (() => void)[] = [];
    return {
      reply: (response) => waiting.push(() => spoken("hello")(response)),
      open: () => waiting.splice(0).forEach((reply) => reply()),
    };
  }
  const arrived = async (server: SttServer, count: number) =>
    vi.waitFor(() => expect(server.requests).toHaveLength(count));

  test("the same recording is sent once for all who ask, also without a memory", async () => {
    await using world = new World();
    const { reply, open } = gate();
    await using server = await SttServer.start(reply);
    const transcriber = world.transcriber({ baseUrl: server.url, cacheTtlMs: 0 });

    const all = [1, 2, 3].map(async () =>
      transcriber.transcribe(world.recording("same"), world.signal.signal),
    );
    await arrived(server, 1);
    open();

    expect(await Promise.all(all)).toEqual([OK, OK, OK]);
    expect(server.requests).toHaveLength(1);
  });

  test("who leaves takes nothing from the others", async () => {
    await using world = new World();
    const { reply, open } = gate();
    await using server = await SttServer.start(reply);
    const transcriber = world.transcriber({ baseUrl: server.url });
    const impatient = new AbortController();

    const left = transcriber.transcribe(world.recording("same"), impatient.signal);
    const rejected = expect(left).rejects.toThrow("enough");
    const stays = transcriber.transcribe(world.recording("same"), world.signal.signal);
    await arrived(server, 1);
    impatient.abort(new Error("enough"));
    await rejected;
    open();

    expect(await stays).toEqual(OK);
    expect(server.requests).toHaveLength(1);
  });

  test("when all have left the request is dropped, and who comes then starts anew", async () => {
    await using world = new World();
    await using server = await SttServer.start(hang, spoken("hello"));
    const transcriber = world.transcriber({ baseUrl: server.url });

    const left = transcriber.transcribe(world.recording("same"), world.signal.signal);
    const rejected = expect(left).rejects.toThrow("stop");
    await arrived(server, 1);
    world.signal.abort(new Error("stop"));
    await rejected;

    expect(await transcriber.transcribe(world.recording("same"), new AbortController().signal)).toEqual(OK);
    expect(world.lines.filter(({ level }) => level !== "debug")).toEqual([]);
  });

  test("no more than two are sent at once, in order, and who waits may leave", async () => {
    await using world = new World();
    const { reply, open } = gate();
    await using server = await SttServer.start(reply);
    const transcriber = world.transcriber({ baseUrl: server.url });
    const impatient = new AbortController();
    const hear = async (sound: string, signal = world.signal.signal) =>
      transcriber.transcribe(world.recording(sound), signal);

    const two = [hear("a"), hear("b")];
    await arrived(server, 2);
    const leaves = expect(hear("c", impatient.signal)).rejects.toThrow("enough");
    const last = hear("d");
    impatient.abort(new Error("enough"));
    await leaves;
    expect(server.requests).toHaveLength(2);
    open();
    expect(await Promise.all(two)).toEqual([OK, OK]);
    await arrived(server, 3);
    open();

    expect(await last).toEqual(OK);
    expect(await server.requests[2]?.form()).toMatchObject({ file: { text: "d" } });
  });

  test("an abort while it waits for the next try rejects", async () => {
    await using world = new World();
    await using server = await SttServer.start(trouble(500));
    world.clock.sleep = async (_, signal) => {
      world.signal.abort(new Error("stop"));
      signal.throwIfAborted();
    };

    const outcome = world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), world.signal.signal);

    await expect(outcome).rejects.toThrow("stop");
    expect(server.requests).toHaveLength(1);
  });

  test("a signal that is aborted already sends nothing", async () => {
    await using world = new World();
    await using server = await SttServer.start();

    const outcome = world
      .transcriber({ baseUrl: server.url })
      .transcribe(world.recording(), AbortSignal.abort(new Error("stop")));

    await expect(outcome).rejects.toThrow("stop");
    expect(server.requests).toEqual([]);
  });
});

describe("what is told", () => {
  test.each<readonly [string, Reply]>([
    ["a refusal that repeats the key", trouble(401)],
    ["a code that is the key", json({ error: { code: KEY } }, 400)],
    ["trouble", trouble(500)],
    ["a reset connection", reset],
    ["a page", json({ page: KEY })],
  ])("%s: no key in logs or reasons, no address in reasons", async (_, reply) => {
    await using world = new World();
    await using server = await SttServer.start(reply);

    const transcript = await world
      .transcriber({ baseUrl: server.url, debug: true })
      .transcribe(world.recording(), world.signal.signal);

    const told = JSON.stringify(transcript);
    expect(told).not.toMatch(/127\.0\.0\.1|https?:|api\.example/);
    expect(told + world.logged).not.toContain(KEY);
  });

  test("debug logs figures, and never what was said", async () => {
    await using world = new World();
    const segments = [{ start: 0, end: 2, no_speech_prob: 0.25 }];
    await using server = await SttServer.start(json({ text: "my pin is 1234", segments }));

    await world
      .transcriber({ baseUrl: server.url, debug: true })
      .transcribe(world.recording(), world.signal.signal);

    expect(world.lines).toEqual([
      {
        level: "info",
        message: "recording was transcribed",
        fields: expect.objectContaining({
          provider: "openai",
          kind: "text",
          chars: 14,
          noSpeech: 0.25,
          seconds: 42,
        }),
      },
    ]);
    expect(world.logged).not.toContain("pin");
  });
});
