import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";

// An address of TEST-NET-3, which belongs to nobody.
const REMOTE_ADDRESS = "203.0.113.9";

export interface RemoteProxy extends AsyncDisposable {
  readonly url: string;
  /** Drops every open connection without a closing handshake. */
  cut(): void;
}

/**
 * Starts a proxy whose clients come from another machine in the eyes of a gateway configured with
 * `gateway.trustedProxies: ["127.0.0.1"]` and `gateway.nodes.pairing.autoApproveLocal: false`.
 */
export async function startRemoteProxy(targetPort: number): Promise<RemoteProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(targetPort, "127.0.0.1");
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    }
    // Either side may vanish at any moment; pipeline() then destroys the other one.
    pipeline(client, addForwardedFor, target).catch(() => target.destroy());
    pipeline(target, client).catch(() => client.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      cut();
      await closed;
    },
  };
}

/** Adds the header behind the request line; there is one HTTP request per connection. */
async function* addForwardedFor(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    if (!head) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n") + 2;
    if (end < 2) continue;
    yield head.subarray(0, end);
    yield Buffer.from(`X-Forwarded-For: ${REMOTE_ADDRESS}\r\n`);
    yield head.subarray(end);
    head = undefined;
  }
}
