import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Media, MediaContent } from "../../src/content.ts";
import { CloudMediaFetcher, type FetcherOptions } from "../../src/media/fetcher.ts";
import { FOLDER_LIMITS, MediaFolder } from "../../src/media/folder.ts";
import type { LookedUp, LookUp } from "../../src/media/retrieval.ts";
import { TestClock } from "../clock.ts";
import { voiceMessage } from "./ogg.ts";
import { downloader, FileServer, listeningLog, never, PNG, tempFolder } from "./stand-in.ts";

const KEY = { "X-API-Key": "secret-key" };
const HASH = createHash("sha256").update(PNG).digest();

const content = (media: Media): MediaContent => ({ type: "image", media });
const noLookUp: LookUp = async () => Promise.reject(new Error("not to be asked"));

describe("CloudMediaFetcher", () => {
  let stack: AsyncDisposableStack;
  let state: ReturnType<typeof tempFolder>;
  let log: ReturnType<typeof listeningLog>;
  let clock: TestClock;
  beforeEach(() => {
    stack = new AsyncDisposableStack();
    state = stack.use(tempFolder());
    log = listeningLog();
    clock = new TestClock(Date.now);
  });
  afterEach(async () => {
    expect(state.files().filter((name) => name.endsWith(".part"))).toEqual([]);
    await stack.disposeAsync();
  });

  const serve = async (answer: RequestListener) => stack.use(await FileServer.start(answer));
  const messages = () => log.lines.map(({ message }) => message);

  /** One whose waits are over at once. */
  function fetcher(
    servers: readonly FileServer[],
    {
      lookUp = noLookUp,
      quotaBytes = FOLDER_LIMITS.quotaBytes,
      ...options
    }: FetcherOptions & { lookUp?: LookUp; quotaBytes?: number } = {},
  ) {
    const folder = new MediaFolder(state.path, { log, limits: { ...FOLDER_LIMITS, quotaBytes } });
    const sleep = clock.sleep.bind(clock);
    vi.spyOn(clock, "sleep").mockImplementation(async (ms, signal) => {
      const slept = sleep(ms, signal);
      clock.skip();
      return slept;
    });
    const from = stack.use(downloader(servers));
    return new CloudMediaFetcher({ downloader: from, folder, lookUp, clock, log }, options);
  }

  /** Answers a path with this, else with the picture; functions in turn, the last one again and again. */
  const answers = (paths: Record<string, readonly (number | Buffer)[]> = {}): RequestListener => {
    const asked = new Map<string, number>();
    return ({ url = "" }, response) => {
      const count = asked.get(url) ?? 0;
      asked.set(url, count + 1);
      const list = paths[url] ?? [PNG];
      const answer = list[Math.min(count, list.length - 1)] ?? 500;
      if (typeof answer === "number") response.writeHead(answer).end(`failed at ${url}`);
      else response.end(answer);
    };
  };

  const found = (url: string, more: object = {}): LookedUp => ({ kind: "found", url, ...more });

  test("gets a file by its address, with a name for people", async () => {
    const server = await serve(answers());

    const result = await fetcher([server]).fetch(
      content({ id: "1", url: `${server.origin}/1`, filename: "../../my\0 cat.png", mimeType: "image/jpeg" }),
      "wamid.1",
      never,
    );

    expect(result).toEqual({
      kind: "file",
      file: {
        path: expect.stringMatching(/\/media\/[0-9a-f]{32}\.png$/),
        mimeType: "image/png",
        bytes: PNG.length,
        sha256: HASH.toString("hex"),
      },
    });
    expect(log.lines).toEqual([]);
  });

  test("gets one by its id when there is no address", async () => {
    const server = await serve(answers());
    const lookUp = vi.fn<LookUp>(async () => found(`${server.origin}/by-id`));

    expect(await fetcher([server], { lookUp }).fetch(content({ id: "77" }), "wamid.1", never)).toMatchObject({
      kind: "file",
    });
    expect(lookUp.mock.calls.map(([id]) => id)).toEqual(["77"]);
    expect(server.paths).toEqual(["/by-id"]);
  });

  test("tells the length of a voice message", async () => {
    const server = await serve(answers({ "/1": [voiceMessage(12)] }));

    expect(
      await fetcher([server]).fetch(content({ url: `${server.origin}/1` }), "wamid.1", never),
    ).toMatchObject({
      file: { mimeType: "audio/ogg", seconds: 12 },
    });
  });

  test.each([404, 410, 403, 400])(
    "an address that answers %i is no end when there is an id",
    async (status) => {
      const server = await serve(answers({ "/old": [status] }));
      const lookUp = async () => found(`${server.origin}/new`);

      const result = await fetcher([server], { lookUp }).fetch(
        content({ id: "1", url: `${server.origin}/old` }),
        "wamid.1",
        never,
      );

      expect(result).toMatchObject({ kind: "file" });
      expect(server.paths).toEqual(["/old", "/new"]);
      expect(clock.sleeps).toEqual([]);
    },
  );

  test("nor is one at a server that is not on the list, which is named in the log", async () => {
    const server = await serve(answers());
    const lookUp = async () => found(`${server.origin}/new`);

    const result = await fetcher([server], { lookUp }).fetch(
      content({ id: "1", url: "https://files.example/?t=hush" }),
      "wamid.1",
      never,
    );

    expect(result).toMatchObject({ kind: "file" });
    expect(log.lines).toMatchObject([
      { message: "media file not loaded", fields: { kind: "foreign", host: "files.example" } },
    ]);
    expect(JSON.stringify(log.lines)).not.toContain("hush");
  });

  test("an address that ran out is looked up once more, and no oftener", async () => {
    const server = await serve(answers({ "/old": [404], "/dead": [404] }));
    const once = vi
      .fn<LookUp>()
      .mockResolvedValueOnce(found(`${server.origin}/old`))
      .mockResolvedValueOnce(found(`${server.origin}/new`));
    const ever = vi.fn<LookUp>(async () => found(`${server.origin}/dead`));

    expect(
      await fetcher([server], { lookUp: once }).fetch(content({ id: "1" }), "wamid.1", never),
    ).toMatchObject({ kind: "file" });
    expect(
      await fetcher([server], { lookUp: ever }).fetch(
        content({ id: "1", url: `${server.origin}/old` }),
        "wamid.2",
        never,
      ),
    ).toEqual({ kind: "failed", reason: "no longer available" });
    expect(ever).toHaveBeenCalledTimes(2);
  });

  test("without an id a dead address is the end", async () => {
    const server = await serve(answers({ "/1": [404] }));

    expect(await fetcher([server]).fetch(content({ url: `${server.origin}/1` }), "wamid.1", never)).toEqual({
      kind: "failed",
      reason: "no longer available",
    });
  });

  test("a provider that had no file itself is not asked", async () => {
    expect(await fetcher([]).fetch(content({ filename: "x" }), "wamid.1", never)).toEqual({
      kind: "failed",
      reason: "the provider does not give it",
    });
  });

  test("a server that fails twice is asked three times", async () => {
    const server = await serve(answers({ "/1": [503, 500, PNG] }));

    expect(
      await fetcher([server]).fetch(content({ url: `${server.origin}/1` }), "wamid.1", never),
    ).toMatchObject({ kind: "file" });
    expect(clock.sleeps).toHaveLength(2);
    expect(clock.sleeps[0]).toBeGreaterThanOrEqual(500);
    expect(clock.sleeps[1]).toBeGreaterThan(999);
  });

  test("and no oftener; what it says stays here", async () => {
    const server = await serve(answers({ "/1": [500], "/2": [429] }));
    const media = fetcher([server]);

    const first = await media.fetch(content({ url: `${server.origin}/1` }), "wamid.1", never);
    const second = await media.fetch(content({ url: `${server.origin}/2` }), "wamid.2", never);

    expect(first).toEqual({ kind: "failed", reason: "the server answered with HTTP 500" });
    expect(second).toEqual({ kind: "failed", reason: "the server answered with HTTP 429" });
    expect(server.requests).toHaveLength(6);
  });

  test("a server that keeps failing gets one more try by the id, since that may lead elsewhere", async () => {
    const server = await serve(answers({ "/1": [500], "/2": [500] }));
    const lookUp = async () => found(`${server.origin}/2`);

    const result = await fetcher([server], { lookUp }).fetch(
      content({ id: "1", url: `${server.origin}/1` }),
      "wamid.1",
      never,
    );

    expect(result).toMatchObject({ kind: "failed" });
    expect(server.paths).toEqual(["/1", "/1", "/1", "/2"]);
  });

  test("a connection that breaks is tried again", async () => {
    let tries = 0;
    const server = await serve((_request, response) => {
      if (++tries > 1) return void response.end(PNG);
      response.writeHead(200, { "Content-Length": 100 }).write("half");
      setTimeout(() => response.destroy(), 10);
    });

    expect(await fetcher([server]).fetch(content({ url: server.origin }), "wamid.1", never)).toMatchObject({
      kind: "file",
    });
    expect(state.files()).toHaveLength(1);
  });

  test.each<[string, () => LookedUp | Promise<never>, string, number]>([
    ["is unknown", () => ({ kind: "gone" }), "no longer available", 1],
    ["is refused", () => ({ kind: "failed", error: "no right" }), "the provider does not give it", 1],
    [
      "can not be asked for now",
      () => ({ kind: "later", error: "HTTP 500" }),
      "the provider does not answer",
      3,
    ],
    [
      "can not be asked for",
      async () => Promise.reject(new Error("broken")),
      "the provider does not answer",
      3,
    ],
  ])("an id that %s", async (_what, answer, reason, times) => {
    const lookUp = vi.fn<LookUp>(async () => answer());

    expect(await fetcher([], { lookUp }).fetch(content({ id: "1" }), "wamid.1", never)).toEqual({
      kind: "failed",
      reason,
    });
    expect(lookUp).toHaveBeenCalledTimes(times);
    expect(messages()).toContain("media file not found by its id");
  });

  test("a file that is too large is not taken, whoever says so", async () => {
    const server = await serve((_request, response) => response.end(Buffer.alloc(2_000_000)));
    const lookUp = async () => found(`${server.origin}/x`, { bytes: 30_000_000 });
    const media = fetcher([server], { lookUp, maxBytes: 1_048_576 });

    const failed = { kind: "failed", reason: "larger than 1 MB" };
    expect(await media.fetch(content({ id: "1" }), "wamid.1", never)).toEqual(failed);
    expect(server.requests).toEqual([]);
    expect(await media.fetch(content({ id: "1", url: server.origin }), "wamid.2", never)).toEqual(failed);
    expect(server.requests).toHaveLength(1);
  });

  test("a hash that does not fit is told, in either notation, and the file is kept", async () => {
    const server = await serve(answers());
    const media = fetcher([server], {
      lookUp: async () => found(server.origin, { sha256: HASH.toString("base64") }),
    });
    const by = async (claim: Media, wamid: string) => media.fetch(content(claim), wamid, never);

    expect(
      await by({ url: server.origin, sha256: HASH.toString("hex").toUpperCase() }, "wamid.1"),
    ).toMatchObject({ kind: "file" });
    expect(await by({ id: "1" }, "wamid.2")).toMatchObject({ kind: "file" });
    expect(messages()).toEqual([]);
    expect(await by({ url: server.origin, sha256: "00" }, "wamid.3")).toMatchObject({ kind: "file" });
    expect(messages()).toEqual(["media file is not what its message claims"]);
  });

  test("the key is sent once somebody asks who we are, and to nobody else", async () => {
    const storage = await serve(answers());
    const server = await serve(({ headers }, response) => {
      if (headers["x-api-key"] === undefined) response.writeHead(401).end();
      else response.writeHead(302, { Location: storage.origin }).end();
    });
    const media = fetcher([server, storage], {
      headersWhenRefused: ({ host }) => (host === server.host ? KEY : {}),
    });

    expect(await media.fetch(content({ url: server.origin }), "wamid.1", never)).toMatchObject({
      kind: "file",
    });
    expect(server.requests.map(({ headers }) => headers["x-api-key"])).toEqual([undefined, "secret-key"]);
    expect(storage.requests.map(({ headers }) => headers["x-api-key"])).toEqual([undefined]);
  });

  test("headers that belong to every hop are sent at once", async () => {
    const server = await serve(answers());
    const media = fetcher([server], { headers: () => ({ Authorization: "Bearer t" }) });

    await media.fetch(content({ url: server.origin }), "wamid.1", never);

    expect(server.requests[0]?.headers.authorization).toBe("Bearer t");
  });

  test("two that want the file of one message get it, and it is fetched once", async () => {
    const server = await serve(answers());
    const media = fetcher([server]);
    const one = content({ url: server.origin });

    const [first, second] = await Promise.all([
      media.fetch(one, "wamid.1", never),
      media.fetch(one, "wamid.1", never),
    ]);

    expect(first).toEqual(second);
    expect(first).toMatchObject({ kind: "file" });
    expect(server.requests).toHaveLength(1);
  });

  test("a file is not fetched again after a restart", async () => {
    const server = await serve(answers());
    const one = content({ url: server.origin, filename: "cat.png" });

    const first = await fetcher([server]).fetch(one, "wamid.1", never);
    const second = await fetcher([server]).fetch(one, "wamid.1", never);

    expect(second).toEqual(first);
    expect(server.requests).toHaveLength(1);
  });

  test("who waits for another's file may give up, and is next when that fails", async () => {
    const server = await serve(answers({ "/1": [404] }));
    const media = fetcher([server]);
    const stop = new AbortController();
    const dead = media.fetch(content({ url: `${server.origin}/1` }), "wamid.1", never);
    const waiting = media.fetch(content({ url: `${server.origin}/2` }), "wamid.1", stop.signal);
    const next = media.fetch(content({ url: `${server.origin}/3` }), "wamid.1", never);

    stop.abort(new Error("stopped"));

    await expect(waiting).rejects.toThrow("stopped");
    expect(await dead).toMatchObject({ kind: "failed" });
    expect(await next).toMatchObject({ kind: "file" });
  });

  test("P10: no more than so many are fetched at once", async () => {
    let now = 0;
    let most = 0;
    const server = await serve((_request, response) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        response.end(PNG);
      }, 20);
    });
    const media = fetcher([server], { maxParallel: 2 });

    const results = await Promise.all(
      Array.from({ length: 7 }, async (_, index) =>
        media.fetch(content({ url: server.origin }), `wamid.${index}`, never),
      ),
    );

    expect(results.every(({ kind }) => kind === "file")).toBe(true);
    expect(most).toBe(2);
  });

  test("P10: it takes no longer than it may, whoever is slow", async () => {
    const server = await serve(() => {});
    const deaf: LookUp = async (_id, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("given up")));
      });
    const media = fetcher([server], { lookUp: deaf, timeoutMs: 100 });

    const failed = { kind: "failed", reason: "not loaded within 0.1 seconds" };
    expect(await media.fetch(content({ url: server.origin }), "wamid.1", never)).toEqual(failed);
    expect(await media.fetch(content({ id: "1" }), "wamid.2", never)).toEqual(failed);
  });

  test("P10: with a full folder nothing is fetched", async () => {
    const server = await serve(answers());
    const media = fetcher([server], { quotaBytes: PNG.length });

    expect(await media.fetch(content({ url: server.origin }), "wamid.1", never)).toMatchObject({
      kind: "file",
    });
    expect(await media.fetch(content({ url: server.origin }), "wamid.2", never)).toEqual({
      kind: "failed",
      reason: "there is no room for more files at the moment",
    });
    expect(server.requests).toHaveLength(1);
  });

  test("rejects with the signal's reason when it aborts, at once or later", async () => {
    const server = await serve((_request, response) => void response.write("half"));
    const media = fetcher([server]);
    const stop = new AbortController();
    const result = media.fetch(content({ url: server.origin }), "wamid.1", stop.signal);
    setTimeout(() => stop.abort(new Error("stopped")), 50);

    await expect(result).rejects.toThrow("stopped");
    await expect(media.fetch(content({ url: server.origin }), "wamid.1", stop.signal)).rejects.toThrow(
      "stopped",
    );
  });

  test("a folder that can not be used is a failure that is told to the operator", async () => {
    const server = await serve(answers());
    writeFileSync(join(state.path, "media"), "a file");

    expect(await fetcher([server]).fetch(content({ url: server.origin }), "wamid.1", never)).toEqual({
      kind: "failed",
      reason: "it could not be stored",
    });
    expect(messages()).toEqual(["media file not stored"]);
  });

  test("a process that is killed leaves nothing that is taken for a file, and a sweep removes it", async () => {
    const server = await serve(({ url }, response) => {
      if (url === "/whole") response.end(PNG);
      else response.write("half a file");
    });
    const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, state.path, server.origin], {
      cwd: join(import.meta.dirname, "../.."),
      stdio: "inherit",
    });
    const gone = new Promise((resolve) => child.once("exit", resolve));
    await vi.waitFor(() => expect(halves()).toEqual(["half a file"]), 10_000);
    child.kill("SIGKILL");
    await gone;

    const folder = new MediaFolder(state.path, { log });
    expect(await folder.find("wamid.1")).toBeUndefined();
    expect(
      await fetcher([server]).fetch(content({ url: `${server.origin}/whole` }), "wamid.1", never),
    ).toMatchObject({ kind: "file" });
    for (const path of parts()) utimesSync(path, 0, 0);
    await folder.sweep(Date.now());

    expect(state.files()).toEqual([expect.stringMatching(/\.png$/)]);
  });

  const parts = () =>
    state
      .files()
      .filter((name) => name.endsWith(".part"))
      .map((name) => join(state.path, "media", name));
  const halves = () => parts().map((path) => readFileSync(path, "utf8"));
});

/** Begins a download that does not end. */
const CHILD = `
  import { Downloader } from "./src/media/download.ts";
  import { CloudMediaFetcher } from "./src/media/fetcher.ts";
  import { MediaFolder } from "./src/media/folder.ts";
  import { silentLog } from "./src/log.ts";
  import { systemClock } from "./src/clock.ts";
  const [, state, url] = process.argv;
  const downloader = new Downloader({ hosts: [], allowPrivate: [new URL(url).host] });
  const folder = new MediaFolder(state, { log: silentLog });
  const lookUp = async () => ({ kind: "gone" });
  const fetcher = new CloudMediaFetcher({ downloader, folder, lookUp, clock: systemClock, log: silentLog });
  await fetcher.fetch({ type: "image", media: { url } }, "wamid.1", new AbortController().signal);
`;
