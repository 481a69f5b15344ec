import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import type { RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Downloader, Order } from "../../src/media/download.ts";
import { downloader, FileServer, never, tempFolder } from "./stand-in.ts";

const KEY = { "X-API-Key": "secret-key" };
const PICTURE = Buffer.from("picture".repeat(1000));

const redirect = (to: string, status = 302): RequestListener => {
  return (_request, response) => response.writeHead(status, { Location: to }).end("moved");
};
const picture: RequestListener = (_request, response) => response.end(PICTURE);

describe("Downloader", () => {
  let stack: AsyncDisposableStack;
  let folder: ReturnType<typeof tempFolder>;
  beforeEach(() => {
    stack = new AsyncDisposableStack();
    folder = stack.use(tempFolder());
  });
  afterEach(async () => {
    const left = folder.files();
    await stack.disposeAsync();
    // Whatever became of it, nothing of a broken download is left.
    expect(left.filter((name) => name !== "file")).toEqual([]);
  });

  const serve = async (answer: RequestListener) => stack.use(await FileServer.start(answer));
  const to = () => join(folder.path, "file");
  const get = async (from: Downloader, url: string, order: Partial<Order> = {}, signal = never) =>
    stack.use(from).get({ url, path: to(), maxBytes: 100_000, ...order }, signal);

  test("leaves the whole file, closed to others, with its size and hash", async () => {
    const server = await serve(picture);

    const result = await get(downloader([server]), `${server.origin}/a?b=c`);

    const sha256 = createHash("sha256").update(PICTURE).digest("hex");
    expect(result).toEqual({ kind: "file", bytes: PICTURE.length, sha256 });
    expect(readFileSync(to())).toEqual(PICTURE);
    expect(statSync(to()).mode & 0o777).toBe(0o600);
    expect(server.paths).toEqual(["/a?b=c"]);
    expect(server.requests[0]?.headers["user-agent"]).toMatch(/^wa-relay\//);
  });

  test("follows three redirects between allowed servers, relative ones too", async () => {
    const last = await serve(picture);
    const first = await serve((request, response) => {
      const next = { "/1": "/2", "/2": "3", "/3": `${last.origin}/file` }[request.url ?? ""];
      response.writeHead(302, { Location: next }).end();
    });

    expect(await get(downloader([first, last]), `${first.origin}/1`)).toMatchObject({ kind: "file" });
    expect(first.paths).toEqual(["/1", "/2", "/3"]);
  });

  test("a fourth redirect is one too many", async () => {
    const server = await serve(redirect("/again"));

    expect(await get(downloader([server]), server.origin)).toMatchObject({ kind: "status", status: 302 });
    expect(server.requests).toHaveLength(4);
  });

  test("a redirect to a server that is not on the list is not followed", async () => {
    const foreign = await serve(picture);
    const server = await serve(redirect(`${foreign.origin}/?token=hush`));

    const result = await get(downloader([server]), server.origin, { headers: () => KEY });

    expect(result).toMatchObject({ kind: "foreign", host: foreign.host });
    expect(JSON.stringify(result)).not.toContain("hush");
    expect(foreign.requests).toEqual([]);
  });

  test.each([
    "http://api.kapso.ai/file",
    "http://10.0.0.1/file",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/file",
    "file:///etc/passwd",
    "https://",
    "//",
  ])("a redirect to %s is not followed", async (target) => {
    const server = await serve(redirect(target));

    expect(await get(downloader([server], { hosts: ["api.kapso.ai"] }), server.origin)).toMatchObject({
      kind: "foreign",
    });
  });

  test("a redirect without a target is a failure", async () => {
    const server = await serve((_request, response) => response.writeHead(302).end());

    expect(await get(downloader([server]), server.origin)).toMatchObject({ kind: "foreign", host: "" });
  });

  test.each(["https://10.0.0.1/x", "https://[::ffff:127.0.0.1]/x", "https://0x7f.1/x"])(
    "%s is private even when its host is on the list",
    async (url) => {
      expect(await get(downloader([], { hosts: [new URL(url).hostname] }), url)).toMatchObject({
        kind: "private",
      });
    },
  );

  test.each(["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"])(
    "a name of the list that leads to %s is not connected to",
    async (address) => {
      const resolve = async () => [{ address, family: address.includes(":") ? 6 : 4 }];

      const result = await get(
        downloader([], { resolve, hosts: ["files.example"] }),
        "https://files.example/x",
      );

      expect(result).toMatchObject({ kind: "private", host: "files.example" });
    },
  );

  test("one private address among public ones is enough", async () => {
    const resolve = async () => [
      { address: "8.8.8.8", family: 4 },
      { address: "10.0.0.1", family: 4 },
    ];

    expect(
      await get(downloader([], { resolve, hosts: ["files.example"] }), "https://files.example/"),
    ).toMatchObject({
      kind: "private",
    });
  });

  test("a name is judged at each connection: one that leads elsewhere the next time is stopped", async () => {
    const server = await serve((_request, response) => response.setHeader("Connection", "close").end("x"));
    const port = server.host.replace(/.*:/, "");
    const asked: string[] = [];
    const resolve = async (hostname: string) => {
      asked.push(hostname);
      return [{ address: "127.0.0.1", family: 4 }];
    };
    const from = downloader([], { resolve, names: [`kapso.test:${port}`], hosts: ["files.example"] });

    expect(await get(from, `http://kapso.test:${port}/`)).toMatchObject({ kind: "file" });
    expect(await get(from, "https://files.example/", { path: `${to()}2` })).toMatchObject({
      kind: "private",
    });
    expect(asked).toEqual(["kapso.test", "files.example"]);
  });

  test("a name that leads nowhere is a failure of the network", async () => {
    const failing = async () => Promise.reject(Object.assign(new Error("no"), { code: "EAI_AGAIN" }));
    const from = downloader([], { resolve: failing, hosts: ["files.example"] });
    const empty = downloader([], { resolve: async () => [], hosts: ["files.example"] });

    expect(await get(from, "https://files.example/")).toMatchObject({ kind: "network", code: "EAI_AGAIN" });
    expect(await get(empty, "https://files.example/")).toMatchObject({ kind: "network", code: "ENOTFOUND" });
  });

  test("a key goes to its own server and to no other", async () => {
    const other = await serve(picture);
    const server = await serve(redirect(other.origin));

    const result = await get(downloader([server, other]), server.origin, {
      headers: ({ host }) => (host === server.host ? KEY : {}),
    });

    expect(result).toMatchObject({ kind: "file" });
    expect(server.requests[0]?.headers).toMatchObject({ "x-api-key": "secret-key" });
    expect(other.requests[0]?.headers).not.toHaveProperty("x-api-key");
  });

  test.each([
    [404, "gone"],
    [410, "gone"],
    [204, "status"],
    [206, "status"],
    [403, "status"],
    [500, "status"],
  ])("HTTP %i: %s", async (status, kind) => {
    const server = await serve((_request, response) => response.writeHead(status).end());

    expect(await get(downloader([server]), server.origin)).toMatchObject({ kind });
  });

  test("a body of the allowed size is taken, one byte more is not", async () => {
    const server = await serve(picture);
    const from = downloader([server]);

    expect(await get(from, server.origin, { maxBytes: PICTURE.length - 1 })).toMatchObject({
      kind: "too-large",
    });
    expect(await get(from, server.origin, { maxBytes: PICTURE.length })).toMatchObject({ kind: "file" });
  });

  test("what says that it is too large is not read", async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": 26 * 1_048_576 }).flushHeaders();
    });

    const result = await get(downloader([server]), server.origin, { maxBytes: 25 * 1_048_576 });

    expect(result).toEqual({ kind: "too-large", reason: "larger than 25 MB" });
  });

  test("a body without an end is cut off at the limit", async () => {
    let written = 0;
    const server = await serve((_request, response) => {
      const chunk = Buffer.alloc(16_384);
      const more = () => {
        while (!response.destroyed && response.write(chunk)) written += chunk.length;
      };
      response.on("drain", more);
      more();
    });

    expect(await get(downloader([server]), server.origin)).toMatchObject({ kind: "too-large" });
    expect(written).toBeLessThan(20_000_000);
  });

  test("more bytes than were announced are not read, fewer are a failure", async () => {
    const short = await serve((request) => {
      request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more");
    });
    const long = await serve((request) => {
      request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello");
    });

    expect(await get(downloader([long]), long.origin)).toMatchObject({ kind: "network" });
    expect(existsSync(to())).toBe(false);
    const result = await get(downloader([short]), short.origin);
    if (result.kind === "file") expect(result.bytes).toBe(5);
    else expect(result.kind).toBe("network");
  });

  test("a body that is cut in the middle of a chunk is a failure", async () => {
    const server = await serve((_request, response) => {
      response.write("half a file");
      setTimeout(() => response.destroy(), 20);
    });

    expect(await get(downloader([server]), server.origin)).toMatchObject({ kind: "network" });
    expect(existsSync(to())).toBe(false);
  });

  test("neither a silent nor a slow server is waited for longer than the limit", async () => {
    const silent = await serve(() => {});
    const slow = await serve((_request, response) => trickle(response));

    expect(await get(downloader([silent]), silent.origin, { timeoutMs: 100 })).toMatchObject({
      kind: "timeout",
    });
    expect(await get(downloader([slow]), slow.origin, { timeoutMs: 200 })).toMatchObject({ kind: "timeout" });
    expect(existsSync(to())).toBe(false);
  });

  test("a body that stops is given up before that", async () => {
    const server = await serve((_request, response) => void response.write("half a file"));

    const result = await get(downloader([server], { idleMs: 300 }), server.origin);

    expect(result).toMatchObject({ kind: "network", code: "UND_ERR_BODY_TIMEOUT" });
  });

  test("nor is a name that nobody answers for", async () => {
    const resolve = () => new Promise<never>(() => {});

    const result = await get(
      downloader([], { resolve, hosts: ["files.example"] }),
      "https://files.example/",
      { timeoutMs: 100 },
    );

    expect(result).toMatchObject({ kind: "timeout" });
  });

  test("rejects with the signal's reason when it aborts, and leaves nothing", async () => {
    const stop = new AbortController();
    const server = await serve((_request, response) => trickle(response));
    const result = get(downloader([server]), server.origin, {}, stop.signal);
    setTimeout(() => stop.abort(new Error("stopped")), 100);

    await expect(result).rejects.toThrow("stopped");
    expect(existsSync(to())).toBe(false);
  });

  test("a file that can not be written is no fault of the server's", async () => {
    const server = await serve(picture);
    const path = join(folder.path, "missing", "file");

    expect(await get(downloader([server]), server.origin, { path })).toMatchObject({ kind: "disk" });
  });

  test("a refused connection is a failure of the network, and its words name no address", async () => {
    const server = await serve(picture);
    const { origin, host } = server;
    const from = downloader([server]);
    await server[Symbol.asyncDispose]();

    const result = await get(from, `${origin}/?token=hush`);

    expect(result).toMatchObject({ kind: "network", code: "ECONNREFUSED" });
    expect(JSON.stringify(result)).not.toContain(host);
  });
});

/** A byte now and then. */
function trickle(response: ServerResponse): void {
  const timer = setInterval(() => response.write("x"), 10);
  response.on("close", () => clearInterval(timer));
}
