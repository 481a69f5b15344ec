import { once } from "node:events";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { OpenClawGateway } from "../../src/gateway/openclaw.ts";
import { silentLog } from "../../src/log.ts";
import { TestClock } from "../clock.ts";
import { question } from "../inbound.ts";

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
  const stop = new AbortController();
  const clock = new TestClock();
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

  const asking = gateway.ask(
    { message: question(), text: "hello", images: [], role: "member", session: "main", replayed: false },
    () => {},
    stop.signal,
  );
  for (let pauses = 1; pauses < 5; pauses++) await clock.step();
  stop.abort(new Error("seen enough"));
  await expect(asking).rejects.toThrow("seen enough");
  await running;
  server.close();

  expect(server.methods.filter((method) => method === "agent")).toHaveLength(5);
  expect(Math.min(...clock.sleeps)).toBeGreaterThanOrEqual(250);
});
