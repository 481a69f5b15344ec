import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { StateError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import {
  Listener,
  LIMITS,
  type Handler,
  type Limits,
  type WebAnswer,
  type WebRequest,
} from "../../src/source/listener.ts";

const HOST = "127.0.0.1";
const KB = 1024;
const MB = 1024 * KB;

/** Paths that the tests ask for. */
const PATHS = ["/", "/a%20b", "/good", "/bad", "/0", "/1", "/2", "/3"];

const echo: Handler = async ({ method, path, body }) => ({
  status: 200,
  body: `${method} ${path} ${body.length}`,
});

interface Setup {
  readonly limits?: Partial<Limits>;
  readonly handle?: Handler;
}

async function setUp({ limits = {}, handle = echo }: Setup = {}) {
  const stack = new AsyncDisposableStack();
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const listener = await Listener.open({ host: HOST, port: 0 }, { log, limits: { ...LIMITS, ...limits } });
  stack.use(listener);
  const serving = listener.serve(PATHS, handle);
  const clients: Client[] = [];
  stack.defer(() => clients.forEach((client) => client.end()));
  return {
    listener,
    serving,
    logged,
    connect: async () => {
      const client = await Client.connect(listener.port);
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** Somebody on a socket, who may be as rude as he likes. */
class Client {
  text = "";
  isClosed = false;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data: Buffer) => (this.text += data.toString("latin1")));
    // He learns of the end by `close`; what the error was says nothing about the listener.
    socket.on("error", () => {});
    socket.on("close", () => (this.isClosed = true));
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect(port, HOST);
    const client = new Client(socket);
    await once(socket, "connect");
    return client;
  }

  write(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Everything that came, once this is in it. */
  async until(expected: string | RegExp): Promise<string> {
    const isThere = () => this.text.match(expected) !== null;
    while (!isThere() && !this.isClosed) await this.#news();
    if (!isThere()) throw new Error(`Closed before ${String(expected)}, after: ${this.text}`);
    return this.text;
  }

  async closed(): Promise<string> {
    while (!this.isClosed) await this.#news();
    return this.text;
  }

  async #news(): Promise<void> {
    const heard = Promise.withResolvers<void>();
    const hear = () => heard.resolve();
    this.#socket.once("data", hear).once("close", hear);
    await heard.promise;
    this.#socket.off("data", hear).off("close", hear);
  }
}

const head = (fields: string, path = "/") => `POST ${path} HTTP/1.1\r\nHost: test\r\n${fields}\r\n\r\n`;
const post = (body: string, path = "/") => head(`Content-Length: ${Buffer.byteLength(body)}`, path) + body;
const chunk = (data: string) => `${data.length.toString(16)}\r\n${data}\r\n`;
/** A request of which the last byte never comes. */
const unfinished = (bytes: number) => head(`Content-Length: ${bytes + 1}`) + "x".repeat(bytes);

/** A good request, and how long its answer took. */
async function ask(
  port: number,
  body = "hello",
): Promise<{ readonly text: string; readonly tookMs: number }> {
  const startedAt = performance.now();
  const client = await Client.connect(port);
  client.write(post(body));
  try {
    const text = await client.until(/\r\n\r\n[^]+/);
    return { text, tookMs: performance.now() - startedAt };
  } finally {
    client.end();
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const many = <T>(count: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

const src = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** A listener alone in a process, where nobody else's memory is counted. */
async function setUpApart(limits: Partial<Limits>) {
  const program = `
    import { silentLog } from ${src("log.ts")};
    import { LIMITS, Listener } from ${src("source/listener.ts")};
    const limits = { ...LIMITS, ...${JSON.stringify(limits)} };
    const listener = await Listener.open({ host: "${HOST}", port: 0 }, { log: silentLog, limits });
    listener.serve(["/"], async ({ body }) => ({ status: 200, body: "length " + body.length }));
    process.on("message", async () => {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
      gc();
      const { heapUsed, external } = process.memoryUsage();
      process.send(heapUsed + external);
    });
    process.on("disconnect", () => process.exit());
    process.send(listener.port);`;
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "--eval", program], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const heard = async () => Number((await once(child, "message"))[0]);
  const port = await heard();
  const clients: Client[] = [];
  return {
    port,
    connect: async () => {
      const client = await Client.connect(port);
      clients.push(client);
      return client;
    },
    /** Bytes in use after everything that can go is gone. */
    memory: async () => {
      child.send("measure");
      return heard();
    },
    [Symbol.asyncDispose]: async () => {
      clients.forEach((client) => client.end());
      child.disconnect();
      await once(child, "exit");
    },
  };
}

describe("Listener", () => {
  test("gives the request as it came, bytes and all, and answers as it is told", async () => {
    const requests: WebRequest[] = [];
    await using world = await setUp({
      handle: async (request) => {
        requests.push(request);
        return { status: 207, type: "application/json", body: '{"é":1}', headers: { "X-Mine": "1" } };
      },
    });
    const client = await world.connect();
    const body = Buffer.from([0, 255, 254, 13, 10, 128]);

    client.write("POST /a%20b?hub.mode=x&y=%26?z HTTP/1.1\r\nHost: test\r\nX-Given: One\r\n");
    client.write("Content-Length: 6\r\n\r\n");
    client.write(body);
    const answer = await client.until('{"');

    expect(requests).toMatchObject([{ method: "POST", path: "/a%20b", headers: { "x-given": "One" } }]);
    expect(requests[0]?.body).toEqual(body);
    expect([...(requests[0]?.query ?? [])]).toEqual([
      ["hub.mode", "x"],
      ["y", "&?z"],
    ]);
    expect(answer).toMatch(/^HTTP\/1\.1 207 /);
    expect(answer).toContain("Content-Type: application/json; charset=utf-8\r\n");
    expect(answer).toContain("Content-Length: 8\r\n");
    expect(answer).toContain("X-Content-Type-Options: nosniff\r\n");
    expect(answer).toContain("X-Mine: 1\r\n");
  });

  test("gives a chunked body in one piece", async () => {
    await using world = await setUp({
      handle: async ({ body }) => ({ status: 200, body: `<${body.toString()}>` }),
    });
    const client = await world.connect();

    client.write(head("Transfer-Encoding: chunked"));
    for (const piece of ["one ", "two ", "three"]) {
      client.write(chunk(piece));
      await pause(5);
    }
    client.write("0\r\n\r\n");

    expect(await client.until(/<.*>/)).toContain("<one two three>");
  });

  test("says 503 where somebody will serve", async () => {
    await using listener = await Listener.open({ host: HOST, port: 0 }, { log: silentLog });
    listener.reserve(PATHS);

    expect((await ask(listener.port)).text).toMatch(/^HTTP\/1\.1 503 /);
  });

  test("says 404 where nobody ever served, and 503 after he stopped", async () => {
    await using listener = await Listener.open({ host: HOST, port: 0 }, { log: silentLog });

    const before = await ask(listener.port);
    const serving = listener.serve(PATHS, echo);
    const during = await ask(listener.port);
    serving[Symbol.dispose]();
    const after = await ask(listener.port);

    expect(before.text).toMatch(/^HTTP\/1\.1 404 /);
    expect(after.text).toMatch(/^HTTP\/1\.1 503 /);
    expect(after.text).toMatch(/\r\nRetry-After: \d+\r\n/);
    expect(during.text).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("a port that is taken: an error that names the address and what to do", async () => {
    await using world = await setUp();
    const { port } = world.listener;

    const opened = Listener.open({ host: HOST, port }, { log: silentLog });

    await expect(opened).rejects.toThrow(StateError);
    await expect(opened).rejects.toMatchObject({
      message: expect.stringContaining(`${HOST}:${port}`),
      hint: expect.stringContaining("webhook.addr"),
    });
  });

  test("a port that is free again is taken again at once", async () => {
    const first = await Listener.open({ host: HOST, port: 0 }, { log: silentLog });
    const { port } = first;
    first.serve(PATHS, echo);
    await ask(port);
    await first[Symbol.asyncDispose]();

    await using second = await Listener.open({ host: HOST, port }, { log: silentLog });
    second.serve(PATHS, echo);

    expect((await ask(port)).text).toContain("200 OK");
  });

  test("without a host it listens on every interface", async () => {
    await using listener = await Listener.open({ host: undefined, port: 0 }, { log: silentLog });
    listener.serve(PATHS, echo);

    expect((await ask(listener.port)).text).toContain("200 OK");
  });

  test("a handler that throws: 500, a line in the log, and the connection goes on", async () => {
    await using world = await setUp({
      handle: async ({ path }) => {
        if (path === "/bad") throw new Error("a fault of ours");
        return { status: 200, body: "fine" };
      },
    });
    const client = await world.connect();

    client.write(post("x", "/bad"));
    const answer = await client.until(" 500 ");
    client.write(post("x", "/good"));
    await client.until("fine");

    expect(answer).not.toContain("a fault of ours");
    expect(world.logged).toMatchObject([{ level: 50, err: { message: "a fault of ours" } }]);
  });

  test("two requests on one connection, one after the other", async () => {
    await using world = await setUp();
    const client = await world.connect();

    client.write(post("one", "/1"));
    await client.until("POST /1 3");
    client.write(post("three", "/2"));
    await client.until("POST /2 5");

    expect(client.text).not.toContain("Connection: close");
    expect(client.isClosed).toBe(false);
  });

  test("requests sent ahead are answered in their order", async () => {
    const paces = [30, 0, 15, 0];
    await using world = await setUp({
      handle: async (request) => {
        await pause(paces[Number(request.path.slice(1))] ?? 0);
        return echo(request);
      },
    });
    const client = await world.connect();

    client.write(post("a", "/0") + post("bb", "/1") + post("ccc", "/2") + post("dddd", "/3"));
    const text = await client.until("POST /3 4");

    expect(text.match(/POST \/\d \d/g)).toEqual(["POST /0 1", "POST /1 2", "POST /2 3", "POST /3 4"]);
  });

  test.each([
    ["garbage", "\u0000\u0001\u0002 what?\r\n\r\n", 400],
    ["another protocol", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000", 400],
    ["a body of two lengths", head("Content-Length: 1\r\nContent-Length: 2"), 400],
    ["a body of two kinds", head("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400],
    ["a length that is none", head("Content-Length: -1"), 400],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["too many headers", head(`X-Long: ${"x".repeat(20 * KB)}`), 431],
    ["a too long address", `GET /${"x".repeat(20 * KB)} HTTP/1.1\r\nHost: test\r\n\r\n`, 431],
  ])("refuses %s, ends the connection and goes on", async (_what, bytes, status) => {
    await using world = await setUp();
    const client = await world.connect();

    client.write(bytes);

    expect(await client.closed()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect((await ask(world.listener.port)).text).toContain("200 OK");
    expect(world.logged).toEqual([]);
  });
});

describe("Listener, too long a body", () => {
  const limits = { maxBodyBytes: 100 * KB };

  test("takes as much as there may be", async () => {
    await using world = await setUp({ limits });

    expect((await ask(world.listener.port, "x".repeat(100 * KB))).text).toContain("POST / 102400");
  });

  test("says 413 to a length, before any of it came", async () => {
    const requests: WebRequest[] = [];
    await using world = await setUp({
      limits,
      handle: async (request) => {
        requests.push(request);
        return { status: 200 };
      },
    });
    const client = await world.connect();

    client.write(head(`Content-Length: ${100 * KB + 1}`));

    expect(await client.closed()).toMatch(/^HTTP\/1\.1 413 [^]*\r\nConnection: close\r\n/);
    expect(requests).toEqual([]);
  });

  test("says 413 in a chunked body as soon as it is too long", async () => {
    await using world = await setUp({ limits });
    const client = await world.connect();

    client.write(head("Transfer-Encoding: chunked"));
    for (let sent = 0; sent <= 100; sent += 10) client.write(chunk("x".repeat(10 * KB)));

    expect(await client.closed()).toMatch(/^HTTP\/1\.1 413 /);
    expect((await ask(world.listener.port)).text).toContain("200 OK");
  });

  test("says 413 to a sender who goes on sending", async () => {
    await using world = await setUp({ limits });
    const client = await world.connect();

    client.write(head(`Content-Length: ${20 * MB}`));
    for (let sent = 0; sent < 20 && !client.isClosed; sent++) client.write(Buffer.alloc(MB));

    expect(await client.closed()).toMatch(/^HTTP\/1\.1 413 /);
  });

  test("an endless body ends within about a second", async () => {
    await using world = await setUp({ limits });
    const client = await world.connect();
    const startedAt = performance.now();

    client.write(head("Transfer-Encoding: chunked"));
    const timer = setInterval(() => client.write(chunk("x".repeat(50 * KB))), 2);
    await client.closed();
    clearInterval(timer);

    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});

describe.concurrent("Listener, slow senders", () => {
  const limits = { headersTimeoutMs: 200, requestTimeoutMs: 400, keepAliveMs: 300 };

  test.each([
    ["nothing at all", ""],
    ["half a line", "POST /"],
    ["half the headers", "POST / HTTP/1.1\r\nHost: test\r\n"],
    ["half the body", unfinished(10)],
    ["half a chunked body", head("Transfer-Encoding: chunked") + chunk("hello")],
  ])("ends a connection on which comes %s", async (_what, bytes) => {
    await using world = await setUp({ limits });
    const client = await world.connect();
    const startedAt = performance.now();

    client.write(bytes);
    const answer = await client.closed();

    if (answer !== "") expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  test.each([
    ["headers", "POST / HTTP/1.1\r\n", "X-More: 1\r\n"],
    ["body", head("Content-Length: 1000000"), "x"],
    ["chunked body", head("Transfer-Encoding: chunked"), chunk("x")],
  ])("P10: ends a connection on which the %s never stop coming", async (_what, start, drop) => {
    await using world = await setUp({ limits });
    const client = await world.connect();
    const startedAt = performance.now();

    client.write(start);
    const timer = setInterval(() => client.write(drop), 20);
    await client.closed();
    clearInterval(timer);

    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect((await ask(world.listener.port)).text).toContain("200 OK");
  });

  test.each(["", "POST /", "POST / HTTP/1.1\r\nHost: test\r\n"])(
    "headers have less time than a body: %j",
    async (bytes) => {
      await using world = await setUp({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 20_000 } });
      const [client, uploader] = await many(2, world.connect);
      uploader?.write(unfinished(10));
      const startedAt = performance.now();

      client?.write(bytes);
      await client?.closed();

      expect(performance.now() - startedAt).toBeLessThan(5000);
      await pause(500);
      uploader?.write("x");
      expect(await uploader?.until("200 OK")).toContain("POST / 11");
    },
  );

  test("ends a connection that is kept alive and not used", async () => {
    await using world = await setUp({ limits });
    const client = await world.connect();

    client.write(post("hello"));
    await client.until("200 OK");
    const startedAt = performance.now();
    await client.closed();

    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  test("an answer may take longer than the request may", async () => {
    await using world = await setUp({
      limits,
      handle: async () => {
        await pause(900);
        return { status: 200, body: "late" };
      },
    });

    expect((await ask(world.listener.port)).text).toContain("late");
  });
});

describe("Listener, under pressure", () => {
  test("P10: with 2,000 idle connections a new one is answered at once", async () => {
    await using world = await setUp({ limits: { maxConnections: 200 } });
    const { port } = world.listener;

    const idle = [];
    for (let round = 0; round < 20; round++) {
      idle.push(...(await many(100, world.connect)));
      // The kernel keeps at most 511 that the listener, in the same process as we, has not yet taken.
      await pause(10);
    }
    const { text, tookMs } = await ask(port);

    expect(text).toContain("200 OK");
    expect(tookMs).toBeLessThan(2000);
    await pause(50);
    const open = idle.map((client, index) => (client.isClosed ? -1 : index)).filter((index) => index >= 0);
    expect(open.length).toBeGreaterThan(100);
    expect(open.length).toBeLessThanOrEqual(200);
    // Those that waited longest had to go.
    expect(Math.min(...open)).toBeGreaterThanOrEqual(1700);
  });

  test("P10: a connection whose answer is being made does not have to go", async () => {
    const answer = Promise.withResolvers<WebAnswer>();
    await using world = await setUp({ limits: { maxConnections: 5 }, handle: () => answer.promise });
    const busy = await many(3, world.connect);
    for (const client of busy) client.write(post("hello"));
    await pause(50);

    await many(50, world.connect);
    answer.resolve({ status: 200, body: "kept" });

    for (const client of busy) expect(await client.until("kept")).toContain("200 OK");
  });

  test("P10: when every connection is being answered, the newcomer goes", async () => {
    const answer = Promise.withResolvers<WebAnswer>();
    await using world = await setUp({ limits: { maxConnections: 3 }, handle: () => answer.promise });
    const busy = await many(3, world.connect);
    for (const client of busy) client.write(post("hello"));
    await pause(50);

    const newcomer = await world.connect();
    await newcomer.closed();
    answer.resolve({ status: 200, body: "kept" });

    for (const client of busy) await client.until("kept");
  });

  test("P10: many slow big bodies stay under the limit, and a good request is answered", async () => {
    await using world = await setUp({ limits: { maxBodyBytes: 100 * KB, maxBufferedBytes: 500 * KB } });
    const { port } = world.listener;

    const slow = [];
    for (let round = 0; round < 20; round++) {
      const clients = await many(10, world.connect);
      for (const client of clients) client.write(unfinished(90 * KB));
      slow.push(...clients);
    }
    await pause(100);

    expect((await ask(port, "x".repeat(90 * KB))).text).toContain(`POST / ${90 * KB}`);
    // Who is let go reads why first.
    await pause(50);
    expect(slow.filter(({ isClosed }) => !isClosed).length).toBeLessThanOrEqual(5);
    expect(slow.slice(-100).some(({ isClosed }) => !isClosed)).toBe(true);
    for (const { isClosed, text } of slow) if (isClosed) expect(text).toMatch(/ 503 .*\r\nRetry-After: 2/s);
  });

  test("P10: big bodies at the same time are taken or asked to come again, none is broken off", async () => {
    await using world = await setUp({ limits: { maxBodyBytes: 22 * MB, maxBufferedBytes: 48 * MB } });
    const url = `http://${HOST}:${world.listener.port}/`;
    const body = Buffer.alloc(20 * MB, "x");

    const answers = await many(12, async () => {
      const { status, headers } = await fetch(url, { method: "POST", body });
      return [status, headers.get("retry-after")];
    });

    expect(answers.filter(([status]) => status === 200).length).toBeGreaterThan(0);
    expect(answers.filter(([status]) => status !== 200)).toEqual(
      answers.filter(([status]) => status !== 200).map(() => [503, "2"]),
    );
  });

  test("P10: many slow chunked bodies, too", async () => {
    await using world = await setUp({ limits: { maxBodyBytes: 100 * KB, maxBufferedBytes: 500 * KB } });
    const pieces = head("Transfer-Encoding: chunked") + chunk("x".repeat(KB)).repeat(90);

    const slow = [];
    for (let round = 0; round < 20; round++) {
      const clients = await many(10, world.connect);
      for (const client of clients) client.write(pieces);
      slow.push(...clients);
    }
    await pause(100);

    expect((await ask(world.listener.port, "x".repeat(90 * KB))).text).toContain(`POST / ${90 * KB}`);
    // Who is let go reads why first.
    await pause(50);
    expect(slow.filter(({ isClosed }) => !isClosed).length).toBeLessThanOrEqual(5);
  });

  test("gives back the room of what was answered, refused, broken off or let go", async () => {
    await using world = await setUp({
      limits: { maxBodyBytes: 100 * KB, maxBufferedBytes: 300 * KB },
      handle: async (request) => {
        if (request.path === "/bad") throw new Error("a fault of ours");
        return echo(request);
      },
    });
    const { port } = world.listener;

    for (let round = 0; round < 10; round++) {
      const [kept, failed, long, broken] = await many(4, world.connect);
      kept?.write(post("x".repeat(50 * KB)));
      failed?.write(post("x".repeat(50 * KB), "/bad"));
      long?.write(head("Transfer-Encoding: chunked") + chunk("x".repeat(90 * KB)).repeat(2));
      broken?.write(unfinished(50 * KB));
      await kept?.until("200 OK");
      await failed?.until(" 500 ");
      await long?.closed();
      broken?.end();
    }
    await pause(50);
    const patient = await world.connect();
    patient.write(unfinished(100));
    const together = await many(3, () => ask(port, "x".repeat(90 * KB)));
    patient.write("x");

    for (const { text } of together) expect(text).toContain("200 OK");
    // Had anything not been given back, this one would have had to go.
    expect(await patient.until("200 OK")).toContain("POST / 101");
  });

  test("P10: requests sent ahead give back their room", async () => {
    await using world = await setUp({ limits: { maxBodyBytes: 100 * KB, maxBufferedBytes: 300 * KB } });

    for (let round = 0; round < 10; round++) {
      const client = await world.connect();
      client.write(post("x".repeat(50 * KB), "/1") + post("x", "/2"));
      await client.until("POST /2 1");
      client.end();
    }

    expect((await ask(world.listener.port)).text).toContain("200 OK");
  });

  test("P10: a body in small pieces takes no more memory than one in few", async () => {
    await using world = await setUpApart({});
    const client = await world.connect();
    const pieces = Buffer.from(chunk("x".repeat(200)).repeat(700));
    const before = await world.memory();

    client.write(head("Transfer-Encoding: chunked"));
    for (let sent = 0; sent < 20; sent++) client.write(pieces);
    await pause(500);
    const grownBy = (await world.memory()) - before;
    client.write("0\r\n\r\n");

    expect(await client.until("200 OK")).toContain("length 2800000");
    expect(grownBy).toBeLessThan(15 * MB);
  });

  test("P10: a body in crumbs is given up before it takes the time of others", async () => {
    await using world = await setUp();
    const client = await world.connect();

    client.write(head("Transfer-Encoding: chunked") + chunk("x").repeat(2000));

    expect(await client.closed()).toBe("");
    expect((await ask(world.listener.port)).text).toContain("200 OK");
  });

  test("a client that leaves in the middle of a body is forgotten without a word", async () => {
    const requests: WebRequest[] = [];
    await using world = await setUp({
      handle: async (request) => {
        requests.push(request);
        return { status: 200, body: "fine" };
      },
    });

    for (const bytes of [unfinished(KB), head("Transfer-Encoding: chunked") + chunk("x"), "POST / HT"]) {
      const client = await world.connect();
      client.write(bytes);
      await pause(20);
      client.end();
    }
    await pause(20);

    expect(requests).toEqual([]);
    expect(world.logged).toEqual([]);
    expect((await ask(world.listener.port)).text).toContain("fine");
  });

  test("a client that leaves before its answer is forgotten without a word", async () => {
    const answer = Promise.withResolvers<WebAnswer>();
    const asked = Promise.withResolvers<void>();
    await using world = await setUp({
      handle: async () => {
        asked.resolve();
        return answer.promise;
      },
    });
    const client = await world.connect();

    client.write(post("hello"));
    await asked.promise;
    client.end();
    await pause(20);
    answer.resolve({ status: 200, body: "too late" });
    await pause(20);

    expect(world.logged).toEqual([]);
    expect((await ask(world.listener.port)).text).toContain("too late");
  });

  test("P10: 200 slow uploads stay under the limit, and leave no memory behind", async () => {
    await using world = await setUpApart({ maxBodyBytes: MB, maxBufferedBytes: 4 * MB });
    const start = Buffer.from(head(`Content-Length: ${MB}`));
    const part = Buffer.alloc(MB - 1, "x");
    const upload = async () => {
      const clients = await many(20, world.connect);
      for (const client of clients) client.write(start);
      for (const client of clients) client.write(part);
      await pause(50);
      const used = await world.memory();
      for (const client of clients) client.end();
      return used;
    };
    await upload();
    const before = await world.memory();

    const during = [];
    for (let round = 0; round < 10; round++) during.push(await upload());
    await pause(50);

    expect(Math.max(...during) - before).toBeLessThan(8 * MB);
    expect((await world.memory()) - before).toBeLessThan(2 * MB);
    expect((await ask(world.port)).text).toContain("200 OK");
  });
});

describe.concurrent("Listener, its end", () => {
  test("comes at once when nobody is there", async () => {
    const world = await setUp();
    const startedAt = performance.now();

    await world[Symbol.asyncDispose]();

    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  test("comes within about a second, with idle, slow and busy connections", async () => {
    const world = await setUp({ handle: () => new Promise<WebAnswer>(() => {}) });
    const clients = await many(20, world.connect);
    const bytes = ["", "POST /", unfinished(10), post("never answered")];
    clients.forEach((client, index) => client.write(bytes[index % bytes.length] ?? ""));
    await pause(50);
    const startedAt = performance.now();

    await world.listener[Symbol.asyncDispose]();

    expect(performance.now() - startedAt).toBeLessThan(2000);
    for (const client of clients) await client.closed();
    await expect(Client.connect(world.listener.port)).rejects.toThrow("ECONNREFUSED");
  });

  test("lets an answer out that is nearly there", async () => {
    const world = await setUp({
      handle: async () => {
        await pause(200);
        return { status: 200, body: "just in time" };
      },
    });
    const client = await world.connect();
    client.write(post("hello"));
    await pause(50);

    await world.listener[Symbol.asyncDispose]();

    expect(await client.closed()).toContain("just in time");
  });

  test("twice is once", async () => {
    const world = await setUp();

    await world.listener[Symbol.asyncDispose]();

    await expect(world.listener[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });

  test("frees the port for others", async () => {
    const world = await setUp();
    const { port } = world.listener;
    await world.listener[Symbol.asyncDispose]();

    const other = createServer().listen(port, HOST);
    await once(other, "listening");

    const address: AddressInfo | string | null = other.address();
    expect(address).toMatchObject({ port });
    other.close();
  });
});
