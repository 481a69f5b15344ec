import { once } from "node:events";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { OpenClawGateway } from "../../src/gateway/openclaw.ts";
import { silentLog } from "../../src/log.ts";

const NOW = 1_800_000_000_000;

/** A gateway that says for ever that the run is under way, and never waits. */
async function serveInFlight() {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const methods: string[] = [];
  server.on("connection", (socket) => {
    const send = (frame: unknown) => socket.send(JSON.stringify(frame));
    socket.on("message", (data: Buffer) => {
      const { id, method } = JSON.parse(data.toString("utf8"));
      methods.push(method);
      const hello = {
        type: "hello-ok",
        protocol: 4,
        server: { version: "test" },
        auth: { scopes: ["operator.read", "operator.write"] },
        policy: { tickIntervalMs: 30_000, maxPayload: 1_000_000 },
      };
      send({
        type: "res",
        id,
        ok: true,
        payload: method === "connect" ? hello : { runId: "r", status: "in_flight" },
      });
    });
    send({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } });
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("It does not listen");
  return { url: `ws://127.0.0.1:${address.port}`, methods, close: () => server.close() };
}

test("P10: a gateway that says in_flight for ever is asked with pauses in between", async () => {
  const server = await serveInFlight();
  const pauses: number[] = [];
  const stop = new AbortController();
  const clock = {
    now: () => NOW,
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      pauses.push(ms);
      if (pauses.length === 5) stop.abort(new Error("seen enough"));
    },
  };
  const gateway = new OpenClawGateway(
    { url: server.url, token: undefined, scopes: ["operator.read", "operator.write"], turnTimeoutMs: 60_000 },
    {
      loadDevice: () => {
        throw new Error("No device is asked for here");
      },
      clock,
      log: silentLog,
      onState: () => {},
    },
  );
  const running = gateway.run(stop.signal);
  const message = {
    wamid: "wamid.A",
    phoneNumberId: "1",
    from: { phone: "15550100001" },
    kind: "text",
    text: "hi",
    sentAt: NOW,
  };

  const asking = gateway.ask(
    { message, role: "member", session: "main", replayed: false },
    () => {},
    stop.signal,
  );
  await expect(asking).rejects.toThrow("seen enough");
  await running;
  server.close();

  expect(server.methods.filter((method) => method === "agent")).toHaveLength(5);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(250);
});
