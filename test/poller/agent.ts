import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../free-port.ts";

export interface Posted {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly at: number;
}

export interface AgentAnswer {
  readonly status?: number;
  readonly delayMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection breaks instead. */
  readonly isBroken?: boolean;
}

/** An agent that takes messages by HTTP, in a process that may come and go at one address. */
export class StandInAgent implements AsyncDisposable {
  readonly posts: Posted[] = [];
  answer: (posted: Posted) => AgentAnswer | undefined = () => undefined;
  readonly #port: number;
  #server: Server | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async create({ isUp = true } = {}): Promise<StandInAgent> {
    const agent = new StandInAgent(await freePort());
    if (isUp) await agent.start();
    return agent;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/api/whatsapp/webhook`;
  }

  get texts(): unknown[] {
    return this.posts.map(({ body }) => body["text"]);
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      // A test that ends takes the connections away.
      this.#take(request, response).catch(() => request.socket.destroy());
    });
    await once(server.listen(this.#port, "127.0.0.1"), "listening");
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await json(request)) as Posted["body"];
    const posted = { headers: request.headers, path: request.url ?? "", body, at: Date.now() };
    this.posts.push(posted);
    const { status = 200, delayMs = 0, headers, isBroken = false } = this.answer(posted) ?? {};
    await sleep(delayMs);
    if (isBroken) return void request.socket.destroy();
    response.writeHead(status, headers).end('{"ok":true}');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
