import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { Connection, ConnectionLostError, RpcError } from "../../src/gateway/connection.ts";

interface Request {
  readonly id: string;
  readonly method: string;
  readonly params: Record<string, unknown>;
}

type Send = (frame: unknown) => void;

const CHALLENGE = { type: "event", event: "connect.challenge", payload: { nonce: "n-1", ts: 1 } };
const hello = (extra: object = {}) => ({
  type: "hello-ok",
  protocol: 4,
  server: { version: "test", bootId: "b" },
  auth: { scopes: ["operator.read", "operator.write"] },
  policy: { tickIntervalMs: 30_000, maxPayload: 1_000_000 },
  ...extra,
});

/** A gateway that answers each request as told, and sends nothing by itself but the challenge. */
async function serve(
  answer: (request: Request, send: Send, socket: WebSocket) => void,
  greet = [CHALLENGE] as unknown[],
) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const requests: Request[] = [];
  server.on("connection", (socket) => {
    const send: Send = (frame) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    socket.on("message", (data: Buffer) => {
      const request: Request = JSON.parse(data.toString("utf8"));
      requests.push(request);
      answer(request, send, socket);
    });
    for (const frame of greet) send(frame);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("It does not listen");
  const open = async (signal = new AbortController().signal) =>
    Connection.open(
      {
        url: `ws://127.0.0.1:${address.port}`,
        token: "t-1",
        device: undefined,
        scopes: ["operator.read", "operator.write"],
      },
      signal,
    );
  return {
    open,
    requests,
    [Symbol.asyncDispose]: async () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

const welcome = ({ id, method }: Request, send: Send) => {
  if (method === "connect") send({ type: "res", id, ok: true, payload: hello() });
};

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("Connection", () => {
  test("open() offers protocol 4 with the token, no device and no admin scope", async () => {
    await using gateway = await serve(welcome);

    const connection = await gateway.open();
    connection.close();

    expect(gateway.requests[0]).toMatchObject({
      method: "connect",
      params: {
        minProtocol: 4,
        maxProtocol: 4,
        client: { id: "gateway-client", mode: "backend" },
        caps: ["session-scoped-events"],
        scopes: ["operator.read", "operator.write"],
        auth: { token: "t-1" },
      },
    });
    expect(gateway.requests[0]?.params).not.toHaveProperty("device");
  });

  test("open() takes neither an event nor somebody else's answer for the hello", async () => {
    await using gateway = await serve(
      ({ id, method }, send) => {
        if (method !== "connect") return;
        send({ type: "event", event: "tick", payload: { ts: 1 } });
        send({ type: "res", id: "another", ok: true, payload: hello({ protocol: 99 }) });
        send("not json");
        send({ type: "res", id, ok: true, payload: hello() });
      },
      [{ type: "event", event: "presence" }, CHALLENGE],
    );

    const connection = await gateway.open();
    connection.close();

    expect(connection.hello.protocol).toBe(4);
  });

  test.each([
    ["without an error", { ok: false }, "UNKNOWN"],
    ["with one", { ok: false, error: { code: "INVALID_REQUEST", message: "no" } }, "INVALID_REQUEST"],
    ["with a payload that is no hello", { ok: true, payload: { type: "hello-ok" } }, "UNKNOWN"],
  ])("open() is refused by an answer %s", async (_what, answer, code) => {
    await using gateway = await serve(({ id }, send) => send({ type: "res", id, ...answer }));

    const error = await failure(gateway.open());

    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code });
  });

  test("open() rejects when the gateway closes without a word, and when it is not there", async () => {
    await using gateway = await serve((_request, _send, socket) => socket.close(1008, "go away"));

    expect(await failure(gateway.open())).toMatchObject({ message: expect.stringContaining("go away") });
    await gateway[Symbol.asyncDispose]();
    expect(await failure(gateway.open())).toBeInstanceOf(ConnectionLostError);
  });

  test("open() ends with the signal's reason while the gateway is silent", async () => {
    await using gateway = await serve(() => {}, []);
    const stop = new AbortController();

    const opening = failure(gateway.open(stop.signal));
    stop.abort(new Error("stopped"));

    expect(await opening).toMatchObject({ message: "stopped" });
  });

  test("request() matches answers by id, whatever their order, and skips the acceptance", async () => {
    const held: (() => void)[] = [];
    await using gateway = await serve((request, send) => {
      welcome(request, send);
      if (request.method !== "agent") return;
      const { id, params } = request;
      send({ type: "res", id, ok: true, payload: { runId: "r", status: "accepted" } });
      held.unshift(() => send({ type: "res", id, ok: true, payload: { status: "ok", echo: params["n"] } }));
      if (held.length === 2) for (const answer of held) answer();
    });
    const connection = await gateway.open();
    const { signal } = new AbortController();

    const answers = await Promise.all(
      [1, 2].map((n) => connection.request("agent", { n }, { signal, skipAccepted: true })),
    );
    connection.close();

    expect(answers).toMatchObject([{ echo: 1 }, { echo: 2 }]);
  });

  test("request() rejects with ConnectionLostError when the line goes, and afterwards at once", async () => {
    await using gateway = await serve((request, send, socket) => {
      welcome(request, send);
      if (request.method === "agent") socket.terminate();
    });
    const connection = await gateway.open();
    const { signal } = new AbortController();

    expect(await failure(connection.request("agent", {}, { signal }))).toBeInstanceOf(ConnectionLostError);
    expect(await failure(connection.request("agent", {}, { signal }))).toBeInstanceOf(ConnectionLostError);
  });

  test("request() refuses a frame over the gateway's limit instead of losing the line", async () => {
    await using gateway = await serve(welcome);
    const connection = await gateway.open();
    const { signal } = new AbortController();

    const error = await failure(connection.request("agent", { text: "x".repeat(1_100_000) }, { signal }));
    connection.close();

    expect(error).toMatchObject({ code: "TOO_LARGE", retryable: false });
    expect(gateway.requests).toHaveLength(1);
  });

  test("P8: a line that is open but dead is noticed after two ticks of silence", async () => {
    await using gateway = await serve(({ id, method }, send) => {
      if (method === "connect")
        send({
          type: "res",
          id,
          ok: true,
          payload: hello({ policy: { tickIntervalMs: 60, maxPayload: 1000 } }),
        });
    });
    const connection = await gateway.open();

    expect(await connection.closed).toContain("1006");
  });

  test("the shutdown and any unknown event are no answer and no error", async () => {
    await using gateway = await serve((request, send) => {
      welcome(request, send);
      if (request.method !== "chat.history") return;
      send({ type: "event", event: "shutdown", payload: { reason: "gateway stopping" } });
      send({ type: "event", event: "no-such-event", payload: [1] });
      send({ type: "hologram" });
      send({ type: "res", id: request.id, ok: true, payload: { messages: [] } });
    });
    const connection = await gateway.open();

    const answer = await connection.request("chat.history", {}, { signal: new AbortController().signal });
    connection.close();

    expect(answer).toEqual({ messages: [] });
  });
});
