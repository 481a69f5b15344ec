import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { pipeline } from "node:stream";
import { describeError, isCode, StateError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Headers } from "../whatsapp/signature.ts";
import { Pieces } from "./pieces.ts";

export interface Address {
  /** Undefined listens on every interface. */
  readonly host: string | undefined;
  readonly port: number;
}

export interface WebRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** The bytes as they came: signatures are over them. */
  readonly body: Buffer;
}

export interface WebAnswer {
  readonly status: number;
  readonly type?: string;
  readonly body?: string;
  /** A file in place of a body. */
  readonly file?: { readonly path: string; readonly bytes: number };
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request before its body is read. */
export type RequestHead = Omit<WebRequest, "body">;

export interface ListenerOptions {
  readonly log: Log;
  readonly limits?: Limits;
  /** Refuses a request by its head, before anything of its body is kept. */
  readonly admit?: (head: RequestHead) => WebAnswer | undefined;
  /** The setting that the address comes from. */
  readonly setting?: string;
}

export type Handler = (request: WebRequest) => Promise<WebAnswer>;

export interface Limits {
  /** Meta's webhooks have at most 3 MB: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview */
  readonly maxBodyBytes: number;
  /** Of all requests together that are being read or answered. */
  readonly maxBufferedBytes: number;
  readonly maxConnections: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
}

export const LIMITS: Limits = {
  maxBodyBytes: 3 * 1_048_576,
  maxBufferedBytes: 48 * 1_048_576,
  maxConnections: 512,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 20_000,
  keepAliveMs: 75_000,
};

const MAX_HEADER_BYTES = 16_384;
const MAX_CRUMBS = 1000;
const CRUMB_BYTES = 64;
const CLOSE_MS = 1000;
const TOO_LONG: WebAnswer = { status: 413, body: "Too long" };
const BUSY: WebAnswer = { status: 503, body: "Too much at once", headers: { "Retry-After": "2" } };
const NOT_READY: WebAnswer = { status: 503, body: "Not ready", headers: { "Retry-After": "5" } };

/**
 * An HTTP server that strangers may reach. Under pressure it lets go of the connection that has kept it waiting
 * longest, so that many idle or slow ones take neither the memory nor everybody else's turn (promise P10).
 */
export class Listener implements AsyncDisposable {
  readonly #server: Server;
  readonly #limits: Limits;
  readonly #log: Log;
  readonly #admit: ListenerOptions["admit"];
  /** Connections from which bytes are still to come, the one that waits longest first. */
  readonly #waiting = new Set<Socket>();
  /** What ends the reading of a body that a connection sends, with an answer. */
  readonly #reading = new Map<Socket, () => void>();
  /** Connections that were given up, and may still read why. */
  readonly #leaving = new Set<Socket>();
  /** Bytes of the requests of a connection that are in our hands. */
  readonly #held = new Map<Socket, number>();
  #heldBytes = 0;
  #connections = 0;
  readonly #handlers = new Map<string, Handler>();

  private constructor({ log, limits = LIMITS, admit }: ListenerOptions) {
    this.#limits = limits;
    this.#log = log;
    this.#admit = admit;
    this.#server = createServer(
      {
        headersTimeout: limits.headersTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        keepAliveTimeout: limits.keepAliveMs,
        connectionsCheckingInterval: Math.min(2000, limits.headersTimeoutMs),
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      (request, response) => {
        this.#take(request, response).catch((error: unknown) => {
          log.debug({ reason: describeError(error) }, "request broken off");
          request.socket.destroy();
        });
      },
    );
    this.#server.on("connection", (socket) => this.#welcome(socket));
  }

  /** @throws StateError when the address can not be listened on */
  static async open(
    { host, port }: Address,
    { setting = "webhook.addr (KAPSO_WEBHOOK_ADDR)", ...options }: ListenerOptions,
  ): Promise<Listener> {
    const listener = new Listener(options);
    try {
      listener.#server.listen(port, host);
      await once(listener.#server, "listening");
    } catch (cause) {
      throw new StateError(`Cannot listen on ${host ?? "*"}:${port}: ${describeError(cause)}`, {
        cause,
        hint: isCode(cause, "EADDRINUSE")
          ? `give ${setting} a free port, or stop the program that has this one`
          : `give ${setting} an address of this machine and a port that you may use`,
      });
    }
    listener.#server.on("error", (error) => options.log.error({ err: error }, "connection not accepted"));
    return listener;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Asks callers of these paths to come again, until somebody serves them. */
  reserve(paths: readonly string[]): void {
    for (const path of paths) this.#handlers.set(path, async () => NOT_READY);
  }

  /**
   * Who answers at these paths from now on; once it is disposed, callers are asked to come again. `/x/*` is every path
   * below `/x`.
   */
  serve(paths: readonly string[], handler: Handler): Disposable {
    const put = (each: Handler) => paths.forEach((path) => this.#handlers.set(path, each));
    put(handler);
    return { [Symbol.dispose]: () => put(async () => NOT_READY) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS);
    this.#server.closeIdleConnections();
    await closed;
    clearTimeout(timer);
  }

  #welcome(socket: Socket): void {
    this.#connections++;
    this.#waiting.add(socket);
    socket.once("close", () => {
      this.#connections--;
      this.#waiting.delete(socket);
      this.#leaving.delete(socket);
      this.#release(socket);
    });
    if (this.#connections <= this.#limits.maxConnections) return;
    const [leaving] = this.#leaving;
    if (leaving) leaving.destroy();
    else this.#letGo(socket, (other) => other.destroy());
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    // It waits anew: whoever began an hour ago is no suspect.
    this.#waiting.delete(socket);
    this.#waiting.add(socket);
    const head = headOf(request);
    const refusal = this.#admit?.(head);
    if (refusal) return refuse(request, response, refusal);
    const body = await this.#read(request);
    if (!Buffer.isBuffer(body)) return refuse(request, response, body);
    this.#waiting.delete(socket);
    const answer = await this.#answer({ ...head, body }).catch((error: unknown): WebAnswer => {
      this.#log.error({ err: error }, "request not answered");
      return { status: 500 };
    });
    this.#release(socket, body.length);
    write(response, answer);
    if (!socket.destroyed) this.#waiting.add(socket);
  }

  async #answer(request: WebRequest): Promise<WebAnswer> {
    const path = request.path.replace(/(?<=.)\/+$/, "");
    const handler = this.#handlers.get(path) ?? this.#handlers.get(path.replace(/(?<=.)\/.*$/s, "/*"));
    return handler?.(request) ?? { status: 404, body: "Not found" };
  }

  /** The answer when there is more than is taken. Rejects when the connection ends before the body. */
  async #read(request: IncomingMessage): Promise<Buffer | WebAnswer> {
    const { maxBodyBytes, maxBufferedBytes } = this.#limits;
    if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) return TOO_LONG;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | WebAnswer>();
    const pieces = new Pieces();
    let size = 0;
    let count = 0;
    const stop = () => {
      // They would be kept until the other side has sent the rest.
      pieces.clear();
      resolve(BUSY);
    };
    this.#reading.set(request.socket, stop);
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      // Each piece costs time, however small: nobody's body comes in a thousand crumbs.
      if (++count > MAX_CRUMBS && size < count * CRUMB_BYTES) return void request.socket.destroy();
      if (size > maxBodyBytes) return resolve(TOO_LONG);
      // A connection that was let go may still have something to say.
      if (request.socket.destroyed) return;
      pieces.add(chunk);
      this.#hold(request.socket, chunk.length);
      while (
        this.#heldBytes > maxBufferedBytes &&
        this.#letGo(request.socket, (socket) => this.#giveUp(socket))
      );
    });
    request.once("end", () => resolve(pieces.join()));
    request.once("close", () => reject(new Error("The connection ended before the body")));
    try {
      return await promise;
    } finally {
      // The next request, sent ahead, may be read already.
      if (this.#reading.get(request.socket) === stop) this.#reading.delete(request.socket);
    }
  }

  /** Lets go of the connection that waits longest, other than this one; false when there is none. */
  #letGo(newcomer: Socket, end: (socket: Socket) => void): boolean {
    for (const socket of this.#waiting) {
      if (socket === newcomer && this.#waiting.size > 1) continue;
      this.#waiting.delete(socket);
      this.#release(socket);
      end(socket);
      return true;
    }
    newcomer.destroy();
    return false;
  }

  /** What it sent is forgotten, and who still sends is asked to come again. */
  #giveUp(socket: Socket): void {
    const stop = this.#reading.get(socket);
    if (!stop) return void socket.destroy();
    this.#leaving.add(socket);
    stop();
  }

  #hold(socket: Socket, bytes: number): void {
    this.#heldBytes += bytes;
    this.#held.set(socket, (this.#held.get(socket) ?? 0) + bytes);
  }

  /** Gives back what one request held, or all that a connection does: it may have sent several ahead. */
  #release(socket: Socket, bytes = Number.POSITIVE_INFINITY): void {
    const held = this.#held.get(socket) ?? 0;
    const released = Math.min(held, bytes);
    this.#heldBytes -= released;
    if (released === held) this.#held.delete(socket);
    else this.#held.set(socket, held - released);
  }
}

function headOf({ method = "", url = "/", headers }: IncomingMessage): RequestHead {
  const [path = "/", query = ""] = url.split(/\?(.*)/s);
  return { method, path, query: new URLSearchParams(query), headers };
}

function write(
  response: ServerResponse,
  { status, type = "text/plain", body = "", file, headers }: WebAnswer,
): void {
  response.writeHead(status, {
    "Content-Type": file ? type : `${type}; charset=utf-8`,
    "Content-Length": file?.bytes ?? Buffer.byteLength(body),
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  if (!file) return void response.end(body);
  // A reader that goes away, or a file that does: the connection ends, and so both know.
  pipeline(createReadStream(file.path), response, () => {});
}

/** Tells a sender of too much or without a right, keeps nothing of what still comes, and closes. */
function refuse(request: IncomingMessage, response: ServerResponse, answer: WebAnswer): void {
  request.removeAllListeners("data");
  request.resume();
  linger(request.socket);
  write(response, { ...answer, headers: { ...answer.headers, Connection: "close" } });
}

/** What still comes is read for a moment: to close upon it resets the connection, and our answer is lost with it. */
function linger(socket: Socket): void {
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
    socket.once("close", () => clearTimeout(timer));
  };
}
