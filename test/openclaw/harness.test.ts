import { once } from "node:events";

import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";

import { startGateway } from "./gateway.ts";
import { startModel } from "./model.ts";
import { startRemoteProxy } from "./remote-proxy.ts";

const SESSION_KEY = "agent:main:wa-cloud:direct:+15550001111";

const Frame = z.looseObject({
  type: z.string(),
  id: z.string().optional(),
  event: z.string().optional(),
  ok: z.boolean().optional(),
  payload: z.looseObject({ status: z.string().optional() }).optional(),
});
const HelloOk = z.looseObject({ auth: z.looseObject({ scopes: z.array(z.string()) }) });
const AgentResult = z.looseObject({
  result: z.looseObject({ payloads: z.array(z.looseObject({ text: z.string() })) }),
});

test("the gateway answers an agent request and keeps its session over a restart", async () => {
  await using model = await startModel();
  await using gateway = await startGateway({ model });

  expect(await ask(gateway, "hello")).toBe("ECHO: hello");
  await gateway.restart("SIGTERM");
  expect(await ask(gateway, "again")).toBe("ECHO: again");

  const { lastUser, messages } = model.requests.at(-1) ?? {};
  expect(lastUser).toBe("again");
  expect(JSON.stringify(messages)).toContain("ECHO: hello");
}, 120_000);

test("a client without a device that comes through the proxy gets no scopes", async () => {
  await using model = await startModel();
  await using gateway = await startGateway({
    model,
    extraConfig: {
      gateway: {
        trustedProxies: ["127.0.0.1"],
        nodes: { pairing: { autoApproveLocal: false } },
      },
    },
  });
  await using proxy = await startRemoteProxy(gateway.port);

  await using local = await connect(gateway);
  await using remote = await connect({ url: proxy.url, token: gateway.token });

  expect(local.scopes).toEqual(["operator.read", "operator.write"]);
  expect(remote.scopes).toEqual([]);

  const closed = once(remote.socket, "close");
  proxy.cut();
  expect((await closed)[0]).toBe(1006);
  expect(await gateway.openclaw("devices", "list", "--json")).toMatchObject({ code: 0 });
}, 120_000);

interface Endpoint {
  readonly url: string;
  readonly token: string;
}

interface Connection extends AsyncDisposable {
  readonly socket: WebSocket;
  readonly scopes: readonly string[];
}

async function ask(endpoint: Endpoint, message: string): Promise<string | undefined> {
  await using connection = await connect(endpoint);
  const params = { sessionKey: SESSION_KEY, message, idempotencyKey: crypto.randomUUID() };
  const answer = await request(connection.socket, "agent", params);
  return AgentResult.parse(answer).result.payloads[0]?.text;
}

async function connect({ url, token }: Endpoint): Promise<Connection> {
  const socket = new WebSocket(url);
  await once(socket, "message"); // the challenge, which only clients with a device must answer
  const hello = await request(socket, "connect", {
    minProtocol: 4,
    maxProtocol: 4,
    client: { id: "gateway-client", version: "1.0.0", platform: "linux", mode: "backend" },
    role: "operator",
    scopes: ["operator.read", "operator.write"],
    auth: { token },
  });
  return {
    socket,
    scopes: HelloOk.parse(hello).auth.scopes,
    async [Symbol.asyncDispose]() {
      if (socket.readyState === WebSocket.CLOSED) return;
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}

/** Resolves with the last answer: `agent` first says that it accepted the request. */
async function request(socket: WebSocket, method: string, params: unknown): Promise<unknown> {
  const id = crypto.randomUUID();
  const { promise, resolve } = Promise.withResolvers<z.infer<typeof Frame>>();
  const onMessage = (data: Buffer): void => {
    const frame = Frame.parse(JSON.parse(data.toString("utf8")));
    if (frame.id === id && frame.payload?.status !== "accepted") resolve(frame);
  };
  socket.on("message", onMessage);
  socket.send(JSON.stringify({ type: "req", id, method, params }));
  const answer = await promise;
  socket.off("message", onMessage);
  expect(answer).toMatchObject({ ok: true });
  return answer.payload;
}
