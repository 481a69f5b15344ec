import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { http, HttpResponse } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createFetch, type Fetch } from "../../src/http.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection, ApiError } from "../../src/whatsapp/connection.ts";
import { TestClock } from "../clock.ts";

const NOW = Date.UTC(2026, 10, 20, 12);
const BASE = "https://kapso.test";
const MESSAGES = `${BASE}/meta/whatsapp/v24.0/100/messages`;
const KEY = "secret-key";
const ANN = "15550100001";

const msw = setupServer();
beforeAll(() => msw.listen({ onUnhandledFrame: "error" }));
afterEach(() => {
  msw.resetHandlers();
  vi.restoreAllMocks();
});
afterAll(() => msw.close());

const never = new AbortController().signal;
const clock = new TestClock(() => NOW);
const throughMsw: Fetch = async (url, request) => {
  const { body, status, headers } = await fetch(url, request);
  return { body, status, headers };
};

function api({ fetch = throughMsw, baseUrl = BASE }: { fetch?: Fetch; baseUrl?: string } = {}): CloudApi {
  return new CloudApi(
    new ApiConnection(
      { provider: "kapso", apiKey: KEY, phoneNumberId: "100", baseUrl, graphVersion: "v24.0" },
      { fetch, clock },
    ),
  );
}

const outgoing = (given: object = {}) => ({
  to: { phone: ANN },
  text: "hello",
  trackingId: "wr-1-0",
  ...given,
});
const taken = { messaging_product: "whatsapp", messages: [{ id: "wamid.OUT1" }] };

/** Answers POSTs with `answer` and keeps what was posted. */
function posts(
  answer: () => Response = () => HttpResponse.json(taken),
): { body: unknown; headers: Headers }[] {
  const seen: { body: unknown; headers: Headers }[] = [];
  msw.use(
    http.post(MESSAGES, async ({ request }) => {
      seen.push({ body: await request.json(), headers: request.headers });
      return answer();
    }),
  );
  return seen;
}

/** Answers lists with these pages, one a request, and keeps the queries. */
function pages(...list: readonly object[]): URLSearchParams[] {
  const seen: URLSearchParams[] = [];
  msw.use(
    http.get(MESSAGES, ({ request }) => {
      seen.push(new URL(request.url).searchParams);
      expect(request.headers.get("x-api-key")).toBe(KEY);
      expect(request.headers.get("authorization")).toBeNull();
      const page = list[seen.length - 1];
      return page instanceof Response ? page : Response.json(page);
    }),
  );
  return seen;
}

const full = (rows: readonly unknown[], after?: string) => ({
  data: rows,
  paging: { cursors: { before: null, after: after ?? null } },
});
const hundred = Array.from({ length: 100 }, (_, index) => ({ id: `wamid.${index}` }));

describe("list()", () => {
  test("asks for direction, time, extras and a full page, in the order of the API", async () => {
    const seen = pages(full([]));

    await api().list({ direction: "inbound", since: NOW - 1000, until: NOW, after: "cursor+/=" }, never);

    expect(Object.fromEntries(seen[0] ?? [])).toEqual({
      direction: "inbound",
      since: "2026-11-20T11:59:59.000Z",
      until: "2026-11-20T12:00:00.000Z",
      limit: "100",
      after: "cursor+/=",
      fields: "kapso(default)",
    });
  });

  test("gives the rows and the next cursor of a full page", async () => {
    pages(full(hundred, "next"));

    const page = await api().list({ direction: "inbound", since: NOW }, never);

    expect(page).toMatchObject({ rows: hundred, after: "next" });
  });

  test("a short page is said to be short, and an empty one has nothing behind it", async () => {
    pages(full(hundred.slice(1), "next"), full([], "next"));
    const list = async () => api().list({ direction: "inbound", since: NOW }, never);

    expect(await list()).toMatchObject({ isShort: true, after: "next" });
    expect(await list()).toMatchObject({ isShort: true, after: undefined });
  });

  test.each([
    { data: hundred },
    { data: hundred, paging: null },
    { data: hundred, paging: { cursors: null } },
  ])("a full page without a cursor is the last", async (page) => {
    pages(page);

    expect((await api().list({ direction: "inbound", since: NOW }, never)).after).toBeUndefined();
  });

  test("tells the provider's time", async () => {
    const date = "Fri, 20 Nov 2026 13:30:00 GMT";
    pages(HttpResponse.json(full([]), { headers: { Date: date } }));

    const { serverTime } = await api().list({ direction: "inbound", since: NOW }, never);

    expect(serverTime).toBe(Date.parse(date));
  });

  test.each([HttpResponse.json({ rows: [] }), HttpResponse.json([]), HttpResponse.text("<html>")])(
    "an answer of another shape is an error, not an empty list",
    async (answer) => {
      pages(answer);

      await expect(api().list({ direction: "inbound", since: NOW }, never)).rejects.toThrow(ApiError);
    },
  );

  test("a refused key is an error with a hint, without the key in it", async () => {
    pages(HttpResponse.json({ error: "Invalid API key" }, { status: 401 }));

    const error: unknown = await api()
      .list({ direction: "inbound", since: NOW }, never)
      .catch((error: unknown) => error);

    expect(error).toMatchObject({ hint: expect.stringContaining("KAPSO_API_KEY") });
    expect(String(error)).not.toContain(KEY);
  });

  test("P10: an error page of any length is not read to its end", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 65_536;
        if (pulled > 200_000_000) controller.close();
        else controller.enqueue(new Uint8Array(65_536).fill(32));
      },
    });
    const fetch: Fetch = async () => ({ status: 500, headers: new Headers(), body: endless });

    await expect(api({ fetch }).list({ direction: "inbound", since: NOW }, never)).rejects.toThrow(
      "HTTP 500",
    );
    expect(pulled).toBeLessThan(2_000_000);
  });

  test("P10: a list that never ends is cut and is an error", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1_048_576;
        controller.enqueue(new Uint8Array(1_048_576).fill(32));
      },
    });
    const fetch: Fetch = async () => ({ status: 200, headers: new Headers(), body: endless });

    await expect(api({ fetch }).list({ direction: "inbound", since: NOW }, never)).rejects.toThrow(
      "longer than",
    );
    expect(pulled).toBeLessThan(20_000_000);
  });
});

describe("send()", () => {
  test("posts a text to the number with its plus, the tracking id and the key alone", async () => {
    const seen = posts();

    const outcome = await api().send(outgoing(), never);

    expect(outcome).toEqual({ kind: "accepted", wamid: "wamid.OUT1" });
    expect(seen[0]?.body).toEqual({
      messaging_product: "whatsapp",
      recipient_type: "individual",
      to: `+${ANN}`,
      type: "text",
      text: { body: "hello", preview_url: false },
      biz_opaque_callback_data: "wr-1-0",
    });
    expect(seen[0]?.headers.get("x-api-key")).toBe(KEY);
    expect(seen[0]?.headers.get("authorization")).toBeNull();
  });

  test("a phone number id that there is not stops the queue instead of giving up one message after the other", async () => {
    const error = { message: "Unsupported post request", code: 100, error_subcode: 33 };
    posts(() => HttpResponse.json({ error }, { status: 400 }));

    expect(await api().send(outgoing(), never)).toMatchObject({
      kind: "blocked",
      hint: expect.stringContaining("PHONE_NUMBER_ID"),
    });
  });

  test("P1: a stop before a file was taken is no reason to give it up", async () => {
    const stop = new AbortController();
    stop.abort(new Error("Stopped by SIGTERM"));
    const media = { as: "image", path: import.meta.filename, mimeType: "image/png" } as const;

    expect(await api().send(outgoing({ media }), stop.signal)).toMatchObject({ kind: "later" });
  });

  test("a file that is gone is given up, and said to be gone", async () => {
    const media = { as: "image", path: "/nowhere/a.png", mimeType: "image/png" } as const;

    expect(await api().send(outgoing({ media }), never)).toMatchObject({
      kind: "refused",
      error: "The file is not there any more",
    });
  });

  test("a user id goes into recipient, never into to", async () => {
    const seen = posts();

    await api().send(outgoing({ to: { bsuid: "US.77" } }), never);

    expect(seen[0]?.body).toMatchObject({ recipient: "US.77" });
    expect(seen[0]?.body).not.toHaveProperty("to");
  });

  test("with number and user id only the number is given", async () => {
    const seen = posts();

    await api().send(outgoing({ to: { phone: ANN, bsuid: "US.77" } }), never);

    expect(seen[0]?.body).toMatchObject({ to: `+${ANN}` });
    expect(seen[0]?.body).not.toHaveProperty("recipient");
  });

  test.each([
    ["no message id", () => HttpResponse.json({ messaging_product: "whatsapp" })],
    ["an empty list", () => HttpResponse.json({ messages: [] })],
    ["an empty id", () => HttpResponse.json({ messages: [{ id: "" }] })],
    ["no JSON", () => HttpResponse.text("OK")],
    ["nothing", () => new HttpResponse(null, { status: 200 })],
    ["5xx", () => HttpResponse.text("bad gateway", { status: 502 })],
    ["more than is read", () => HttpResponse.text("x".repeat(1_100_000))],
  ])("P7: the outcome is unknown when the answer has %s", async (_what, answer) => {
    posts(answer);

    expect(await api().send(outgoing(), never)).toMatchObject({ kind: "unknown" });
  });

  test("P7: the outcome is unknown when the line breaks", async () => {
    posts(() => HttpResponse.error());

    expect(await api().send(outgoing(), never)).toMatchObject({ kind: "unknown" });
  });

  test("a refusal says why", async () => {
    posts(() => HttpResponse.json({ error: { message: "(#131047) old", code: 131047 } }, { status: 400 }));

    expect(await api().send(outgoing(), never)).toMatchObject({ kind: "refused", code: "131047" });
  });

  test("P10: a server that never answers is not waited for; the outcome is unknown", async () => {
    const real = setTimeout;
    const waits: number[] = [];
    vi.spyOn(globalThis, "setTimeout").mockImplementation((run, ms = 0) => {
      if (ms < 10_000) return real(run, ms);
      waits.push(ms);
      return real(run, 20);
    });
    posts(() => new HttpResponse(new ReadableStream({ pull: () => Promise.withResolvers<void>().promise })));

    expect(await api().send(outgoing(), never)).toMatchObject({ kind: "unknown" });
    expect(waits[0]).toBeLessThanOrEqual(60_000);
  });
});

describe("findSent()", () => {
  const ours = (given: object = {}) => ({
    id: "wamid.S1",
    timestamp: "1763640000",
    type: "text",
    to: ANN,
    text: { body: "hello" },
    kapso: { direction: "outbound", status: "sent" },
    ...given,
  });
  const find = (given: object = {}, isKnown = async (_wamid: string) => false) =>
    api().findSent(outgoing(given), NOW, isKnown, never);

  test("P7: looks at what we sent, from a little before the try", async () => {
    const seen = pages(full([]), full([ours()]));

    expect(await find()).toEqual({ kind: "found", wamid: "wamid.S1" });
    expect(seen.at(-1)?.get("direction")).toBe("outbound");
    expect(Date.parse(seen.at(-1)?.get("since") ?? "")).toBeLessThan(NOW);
    expect(Date.parse(seen.at(-1)?.get("since") ?? "")).toBeGreaterThan(NOW - 600_000);
  });

  test.each([
    ["the same number with a plus", { to: `+${ANN}` }, {}, true],
    ["white space around the text", { text: { body: "hello\n" } }, {}, true],
    [
      "a Mexican number with or without its 1",
      { to: "5215512345678" },
      { to: { phone: "525512345678" } },
      true,
    ],
    [
      "a Brazilian number with or without its 9",
      { to: "5511912345678" },
      { to: { phone: "551112345678" } },
      true,
    ],
    ["a user id", { to: null, to_user_id: "US.77" }, { to: { bsuid: "US.77" } }, true],
    [
      "a user id under another number",
      { to: "15550100002", to_user_id: "US.77" },
      { to: { phone: ANN, bsuid: "US.77" } },
      true,
    ],
    ["another text", { text: { body: "hello there" } }, {}, false],
    ["another person", { to: "15550100002" }, {}, false],
    ["another user id", { to: null, to_user_id: "US.78" }, { to: { bsuid: "US.77" } }, false],
    ["what the person wrote", { kapso: { direction: "inbound" } }, {}, false],
    ["another kind", { type: "image" }, {}, false],
  ])("P7: %s", async (_what, row, message, isSame) => {
    pages(full([]), full([ours(row)]));

    expect(await find(message)).toEqual(isSame ? { kind: "found", wamid: "wamid.S1" } : { kind: "absent" });
  });

  test("P5, P7: a number of another area is another person though the end is the same", async () => {
    pages(full([]), full([ours({ to: "15151234567" })]));

    expect(await find({ to: { phone: "15551234567" } })).toEqual({ kind: "absent" });
  });

  test("P7: a number of another country is another person though the end is the same", async () => {
    pages(full([]), full([ours({ to: "49555010001" })]));

    expect(await find({ to: { phone: "15555010001" } })).toEqual({ kind: "absent" });
  });

  test("P7: what is known under another row is not taken for this one", async () => {
    pages(full([]), full([ours(), ours({ id: "wamid.S2" })]));

    expect(await find({}, async (wamid) => wamid === "wamid.S1")).toEqual({
      kind: "found",
      wamid: "wamid.S2",
    });
  });

  test("P7: is looked for on the provider's clock, learnt first when no answer has told it yet", async () => {
    const date = new Date(NOW - 1_200_000).toUTCString();
    const answer = (body: object) => HttpResponse.json(body, { headers: { Date: date } });
    const seen = pages(answer(full([])), answer(full([ours()])));

    expect(await find()).toEqual({ kind: "found", wamid: "wamid.S1" });
    const [, search] = seen;
    expect(Date.parse(search?.get("since") ?? "")).toBeLessThan(NOW - 1_200_000);
    // One of the two clocks is wrong, and nobody knows which.
    expect(Date.parse(search?.get("until") ?? "")).toBeGreaterThan(NOW);
  });

  test("P7: is looked for on every page", async () => {
    pages(full([]), full(hundred, "next"), full([ours()]));

    expect(await find()).toEqual({ kind: "found", wamid: "wamid.S1" });
  });

  test.each([
    HttpResponse.json({ error: "busy" }, { status: 500 }),
    HttpResponse.text("<html>"),
    HttpResponse.error(),
  ])("P7: a list that fails is unclear, not absent", async (answer) => {
    pages(answer);

    expect((await find()).kind).toBe("unclear");
  });

  test("P7: a list that fails on its second page is unclear, not absent", async () => {
    pages(full([]), full(hundred, "next"), HttpResponse.json({}, { status: 503 }));

    expect((await find()).kind).toBe("unclear");
  });

  test("P10: a list without an end is unclear after some pages", async () => {
    msw.use(http.get(MESSAGES, () => HttpResponse.json(full(hundred, "next"))));

    expect((await find()).kind).toBe("unclear");
  });
});

describe("markRead()", () => {
  test("marks read, with typing on demand", async () => {
    const seen = posts(() => HttpResponse.json({ success: true }));

    await api().markRead("wamid.A", { typing: true }, never);
    await api().markRead("wamid.B", { typing: false }, never);

    const read = { messaging_product: "whatsapp", status: "read" };
    expect(seen.map(({ body }) => body)).toEqual([
      { ...read, message_id: "wamid.A", typing_indicator: { type: "text" } },
      { ...read, message_id: "wamid.B" },
    ]);
  });

  test("asks nothing when the plan's requests run low, so that they are left for answers", async () => {
    const limits = { "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "5" };
    pages(HttpResponse.json(full([]), { headers: limits }));
    const seen = posts();
    const client = api();

    await client.list({ direction: "inbound", since: NOW }, never);
    await client.markRead("wamid.A", { typing: true }, never);

    expect(seen).toEqual([]);
  });
});

/** A real server on this machine. */
async function serve(listener: RequestListener) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("through createFetch()", () => {
  test("sends and lists", async () => {
    await using server = await serve((request, response) => {
      request
        .resume()
        .on("end", () => response.end(JSON.stringify(request.method === "GET" ? full([1]) : taken)));
    });
    await using fetch = createFetch();
    const client = api({ fetch, baseUrl: server.url });

    expect(await client.send(outgoing(), never)).toEqual({ kind: "accepted", wamid: "wamid.OUT1" });
    expect((await client.list({ direction: "inbound", since: NOW }, never)).rows).toEqual([1]);
    expect(server.requests[0]?.headers["x-api-key"]).toBe(KEY);
    expect(server.requests[1]?.url).toMatch(/^\/meta\/whatsapp\/v24\.0\/100\/messages\?/);
  });

  test.each([301, 302, 307, 308])(
    "P9: HTTP %i is not followed, and the key goes nowhere else",
    async (status) => {
      await using other = await serve((_request, response) => void response.end("{}"));
      await using server = await serve((request, response) => {
        request.resume();
        response.writeHead(status, { Location: `${other.url}/elsewhere` }).end();
      });
      await using fetch = createFetch();
      const client = api({ fetch, baseUrl: server.url });

      const outcome = await client.send(outgoing(), never);
      await expect(client.list({ direction: "inbound", since: NOW }, never)).rejects.toThrow(ApiError);

      expect(outcome).toMatchObject({ kind: "blocked", hint: expect.stringContaining("base_url") });
      expect(other.requests).toEqual([]);
    },
  );

  test("P7: a refused connection certainly sent nothing: later", async () => {
    const gone = await serve(() => {});
    await gone[Symbol.asyncDispose]();
    await using fetch = createFetch();

    const outcome = await api({ fetch, baseUrl: gone.url }).send(outgoing(), never);

    expect(outcome).toMatchObject({ kind: "later", scope: "all" });
    expect(JSON.stringify(outcome)).not.toContain(KEY);
  });

  test("P7: a name that does not exist certainly sent nothing: later", async () => {
    await using fetch = createFetch();

    const outcome = await api({ fetch, baseUrl: "http://no-such-host.invalid" }).send(outgoing(), never);

    expect(outcome).toMatchObject({ kind: "later", scope: "all" });
  });

  test("P7: a reset after the body was read is unknown", async () => {
    await using server = await serve((request) => {
      request.resume().on("end", () => request.socket.resetAndDestroy());
    });
    await using fetch = createFetch();

    expect(await api({ fetch, baseUrl: server.url }).send(outgoing(), never)).toMatchObject({
      kind: "unknown",
    });
    expect(server.requests).toHaveLength(1);
  });

  test("P7: an answer that breaks off is unknown", async () => {
    await using server = await serve((request, response) => {
      request.resume().on("end", () => {
        response.writeHead(200, { "Content-Length": "1000" }).write('{"messages":');
        setImmediate(() => request.socket.destroy());
      });
    });
    await using fetch = createFetch();

    expect(await api({ fetch, baseUrl: server.url }).send(outgoing(), never)).toMatchObject({
      kind: "unknown",
    });
  });

  test("P7, P8: a stop ends a request at once, and its outcome is unknown", async () => {
    const stop = new AbortController();
    await using server = await serve(() => stop.abort());
    await using fetch = createFetch();

    expect(await api({ fetch, baseUrl: server.url }).send(outgoing(), stop.signal)).toMatchObject({
      kind: "unknown",
    });
  });
});
