import { WebSocket } from "ws";
import { RelayError } from "../errors.ts";
import { showUrl } from "../url.ts";
import { DEVICE_PLATFORM, type Device } from "./device.ts";
import {
  agentStatus,
  challenge,
  frame,
  hello,
  PROTOCOL_VERSION,
  type Frame,
  type Hello,
  type ResponseFrame,
  type RpcErrorShape,
} from "./protocol.ts";

const CLIENT = {
  id: "gateway-client",
  displayName: "wa-relay",
  version: "1",
  platform: DEVICE_PLATFORM,
  mode: "backend",
};
const ROLE = "operator";
const HANDSHAKE_TIMEOUT_MS = 20_000;
const MAX_FRAME_BYTES = 33_554_432;
/** The gateway ticks every 30 s; after twice that without a sign of life the line is dead. */
const SILENT_TICKS = 2;

export interface ConnectOptions {
  readonly url: string;
  readonly token: string | undefined;
  /** Given for a gateway that wants to know the device; without, the shared token alone speaks. */
  readonly device: Device | undefined;
  readonly scopes: readonly string[];
}

/** The gateway answered a request with an error. */
export class RpcError extends RelayError {
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: RpcErrorShape["details"];

  constructor(method: string, error: RpcErrorShape) {
    super(`${method}: ${error.code} ${error.message}`);
    this.code = error.code;
    this.retryable = error.retryable === true;
    this.retryAfterMs = error.retryAfterMs;
    this.details = error.details;
  }
}

/** The line went away with the request; what became of it is not known. */
export class ConnectionLostError extends RelayError {}

interface Pending {
  readonly method: string;
  readonly resolve: (payload: unknown) => void;
  readonly reject: (error: Error) => void;
  /** `agent` answers twice, first with "accepted". */
  readonly skipAccepted: boolean;
}

/** One WebSocket to the gateway, from handshake to close. Reconnecting is the owner's part. */
export class Connection {
  readonly hello: Hello;
  /** Resolves when the line is gone, with the reason. */
  readonly closed: Promise<string>;
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, Pending>();
  #requests = 0;
  #lastSign = Date.now();
  #closeReason: string | undefined;

  private constructor(socket: WebSocket, greeting: Hello, closed: Promise<string>) {
    this.#socket = socket;
    this.hello = greeting;
    const watchdog = setInterval(() => this.#checkLife(), greeting.policy.tickIntervalMs / 2);
    this.closed = closed.then((reason) => {
      clearInterval(watchdog);
      this.#closeReason = reason;
      for (const { method, reject } of this.#pending.values())
        reject(new ConnectionLostError(`${method}: the connection was lost (${reason})`));
      this.#pending.clear();
      return reason;
    });
  }

  /**
   * Connects and shakes hands.
   * @throws RpcError when the gateway refuses, ConnectionLostError when it can not be reached or does not answer
   */
  static async open(options: ConnectOptions, signal: AbortSignal): Promise<Connection> {
    const socket = new WebSocket(options.url, {
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    // These listeners are added in this tick: the challenge may come with the very first packet. What comes right
    // behind the hello are events, which nobody here needs; answers come only to requests.
    const closed = whenClosed(socket);
    const greeted = shakeHands(socket, options);
    const abort = () => socket.terminate();
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS)]);
    deadline.addEventListener("abort", abort, { once: true });
    if (deadline.aborted) abort();
    try {
      const lost = closed.then((reason) => {
        throw new ConnectionLostError(`Cannot connect to the gateway at ${showUrl(options.url)}: ${reason}`);
      });
      lost.catch(() => {}); // the race below may be decided already
      const greeting = await Promise.race([greeted, lost]);
      const connection = new Connection(socket, greeting, closed);
      socket.on("message", (data: Buffer) => connection.#receive(data.toString("utf8")));
      socket.on("ping", () => connection.#noteLife());
      return connection;
    } catch (error) {
      socket.terminate();
      throw signal.aborted ? signal.reason : error;
    } finally {
      deadline.removeEventListener("abort", abort);
    }
  }

  /**
   * Sends a request and resolves with its (last) answer.
   * @throws RpcError, ConnectionLostError, or the signal's reason
   */
  async request(
    method: string,
    params: unknown,
    { signal, skipAccepted = false }: { readonly signal: AbortSignal; readonly skipAccepted?: boolean },
  ): Promise<unknown> {
    signal.throwIfAborted();
    if (this.#closeReason !== undefined)
      throw new ConnectionLostError(`${method}: not connected (${this.#closeReason})`);
    const id = `${++this.#requests}`;
    const text = JSON.stringify({ type: "req", id, method, params });
    if (Buffer.byteLength(text) > this.hello.policy.maxPayload)
      throw new RpcError(method, {
        code: "TOO_LARGE",
        message: `the request is over ${this.hello.policy.maxPayload} bytes`,
      });
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#pending.set(id, { method, resolve, reject, skipAccepted });
    this.#socket.send(text);
    try {
      return await promise;
    } finally {
      this.#pending.delete(id);
      signal.removeEventListener("abort", abort);
    }
  }

  close(): void {
    this.#socket.close(1000);
    // A gateway that hangs would not answer the close frame either.
    setTimeout(() => this.#socket.terminate(), 1000).unref();
  }

  #receive(text: string): void {
    this.#noteLife();
    const received = parseFrame(text);
    if (received?.type !== "res") return;
    const pending = this.#pending.get(received.id);
    if (!pending) return;
    if (!received.ok) return pending.reject(new RpcError(pending.method, received.error ?? noError));
    if (pending.skipAccepted && agentStatus.safeParse(received.payload).data?.status === "accepted") return;
    pending.resolve(received.payload);
  }

  #noteLife(): void {
    this.#lastSign = Date.now();
  }

  #checkLife(): void {
    if (Date.now() - this.#lastSign > SILENT_TICKS * this.hello.policy.tickIntervalMs)
      this.#socket.terminate();
  }
}

const noError: RpcErrorShape = { code: "UNKNOWN", message: "refused without a reason" };

/** Answers the challenge and resolves with the hello. Only the answer to our own request counts. */
async function shakeHands(socket: WebSocket, options: ConnectOptions): Promise<Hello> {
  const { promise, resolve, reject } = Promise.withResolvers<Hello>();
  const listen = (data: Buffer) => {
    const received = parseFrame(data.toString("utf8"));
    if (received?.type === "event" && received.event === "connect.challenge") {
      const parsed = challenge.safeParse(received.payload);
      if (parsed.success)
        socket.send(JSON.stringify(connectRequest(options, parsed.data.nonce, parsed.data.ts)));
    } else if (received?.type === "res" && received.id === CONNECT_ID) {
      socket.off("message", listen);
      settleHello(received, resolve, reject);
    }
  };
  socket.on("message", listen);
  promise.catch(() => {}); // the owner may have given up on it
  return promise;
}

const CONNECT_ID = "connect";

function connectRequest({ token, device, scopes }: ConnectOptions, nonce: string, signedAt: number): unknown {
  const shared = device?.token === undefined ? token : undefined;
  const auth = shared === undefined ? { deviceToken: device?.token } : { token: shared };
  const signed = device?.sign({
    clientId: CLIENT.id,
    clientMode: CLIENT.mode,
    role: ROLE,
    scopes,
    token: shared ?? device.token,
    nonce,
    signedAt,
  });
  const params = {
    minProtocol: PROTOCOL_VERSION,
    maxProtocol: PROTOCOL_VERSION,
    client: CLIENT,
    // Without it every connection hears every chat of the gateway.
    caps: ["session-scoped-events"],
    role: ROLE,
    scopes,
    ...((auth.token ?? auth.deviceToken) !== undefined && { auth }),
    ...(signed && { device: signed }),
  };
  return { type: "req", id: CONNECT_ID, method: "connect", params };
}

function settleHello(
  answer: ResponseFrame,
  resolve: (greeting: Hello) => void,
  reject: (error: Error) => void,
): void {
  const parsed = hello.safeParse(answer.payload);
  if (answer.ok && parsed.success) resolve(parsed.data);
  else
    reject(new RpcError("connect", answer.error ?? { code: "UNKNOWN", message: "the answer is no hello" }));
}

async function whenClosed(socket: WebSocket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("error", (error) => resolve(error.message || error.name));
  socket.on("close", (code, reason) =>
    resolve(`closed with ${code}${reason.length > 0 ? ` ${String(reason)}` : ""}`),
  );
  return promise;
}

function parseFrame(text: string): Frame | undefined {
  try {
    return frame.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: nothing that the protocol knows.
    return undefined;
  }
}
