import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { WebSocketServer, type WebSocket } from "ws";
import { z } from "zod";
import { takeMedia } from "../pipeline/media-lines.ts";

export interface AskedTurn {
  readonly sessionKey: string;
  readonly message: string;
  readonly idempotencyKey: string;
  readonly extraSystemPrompt: string;
  /** Pictures, base64. */
  readonly attachments: readonly { readonly mimeType: string; readonly content: string }[];
  readonly at: number;
}

export interface EchoOptions {
  readonly port?: number;
  readonly token?: string;
  /** What the agent answers. */
  readonly reply?: (turn: AskedTurn) => string | Promise<string>;
}

interface HistoryRow {
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly idempotencyKey?: string;
  readonly stopReason?: string;
  readonly __openclaw?: { readonly runId: string };
}

interface Session {
  readonly rows: HistoryRow[];
  /** Runs of a session follow one another. */
  tail: Promise<unknown>;
  readonly active: Set<string>;
}

interface Run {
  readonly result: Promise<unknown>;
  isDone: boolean;
}

/**
 * An echo agent behind the gateway protocol of OpenClaw, as far as a bridge uses it: enough to try the bridge without a
 * gateway. What the real one does is tested against the real one.
 */
export class EchoGateway implements AsyncDisposable {
  readonly asked: AskedTurn[] = [];
  readonly #server: WebSocketServer;
  readonly #token: string | undefined;
  readonly #reply: (turn: AskedTurn) => string | Promise<string>;
  readonly #sessions = new Map<string, Session>();
  readonly #runs = new Map<string, Run>();
  readonly #bootId = randomUUID();

  private constructor({ port = 0, token, reply = ({ message }) => `You said: ${message}` }: EchoOptions) {
    this.#token = token;
    this.#reply = reply;
    this.#server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });
    this.#server.on("connection", (socket) => this.#greet(socket));
  }

  static async start(options: EchoOptions = {}): Promise<EchoGateway> {
    const gateway = new EchoGateway(options);
    await once(gateway.#server, "listening");
    return gateway;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The gateway does not listen");
    return `ws://127.0.0.1:${address.port}`;
  }

  /** Drops every connection without a word, as a network does. */
  cut(): void {
    for (const socket of this.#server.clients) socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }

  #greet(socket: WebSocket): void {
    const send = (frame: unknown) => socket.send(JSON.stringify(frame));
    socket.on("error", () => socket.terminate());
    socket.on("message", (data: Buffer) => {
      const { id, method, params }: Request = JSON.parse(data.toString("utf8"));
      const respond = (payload: unknown) => send({ type: "res", id, ok: true, payload });
      if (method === "connect") {
        const refusal = this.#refuse(params);
        if (refusal === undefined) respond(this.#hello());
        else {
          send({ type: "res", id, ok: false, error: refusal });
          socket.close(1008, refusal.message);
        }
      } else if (method === "agent") this.#runAgent(params, respond);
      else if (method === "agent.wait") void this.#wait(String(params["runId"]), respond);
      else if (method === "chat.history") respond(this.#history(String(params["sessionKey"])));
      else
        send({
          type: "res",
          id,
          ok: false,
          error: { code: "INVALID_REQUEST", message: `unknown method ${method}` },
        });
    });
    send({ type: "event", event: "connect.challenge", payload: { nonce: randomUUID(), ts: Date.now() } });
  }

  #refuse(
    params: Params,
  ): { readonly code: string; readonly message: string; readonly details: unknown } | undefined {
    const { auth } = params;
    const given = typeof auth === "object" && auth !== null && "token" in auth ? auth.token : undefined;
    if (this.#token === undefined || given === this.#token) return undefined;
    return {
      code: "INVALID_REQUEST",
      message: "unauthorized: gateway token mismatch",
      details: { code: "AUTH_TOKEN_MISMATCH" },
    };
  }

  #hello(): unknown {
    return {
      type: "hello-ok",
      protocol: 4,
      server: { version: "echo", bootId: this.#bootId },
      auth: { role: "operator", scopes: ["operator.read", "operator.write"] },
      policy: { maxPayload: 26_214_400, tickIntervalMs: 30_000 },
    };
  }

  #runAgent(params: Params, respond: (payload: unknown) => void): void {
    const key = String(params["idempotencyKey"]);
    const known = this.#runs.get(key);
    if (known && !known.isDone) return respond({ runId: key, status: "in_flight" });
    if (known) return void known.result.then(respond);
    respond({ runId: key, status: "accepted" });
    void this.#start(params, key).result.then(respond);
  }

  #start(params: Params, key: string): Run {
    const turn: AskedTurn = {
      sessionKey: String(params["sessionKey"]),
      message: String(params["message"]),
      idempotencyKey: key,
      extraSystemPrompt: String(params["extraSystemPrompt"]),
      attachments: attachments.parse(params["attachments"]),
      at: Date.now(),
    };
    this.asked.push(turn);
    const session = this.#session(turn.sessionKey);
    session.active.add(key);
    const result = session.tail.then(() => this.#answer(session, turn));
    session.tail = result;
    const run: Run = { result, isDone: false };
    void result.then(() => (run.isDone = true));
    this.#runs.set(key, run);
    return run;
  }

  async #answer(session: Session, turn: AskedTurn): Promise<unknown> {
    const runId = turn.idempotencyKey;
    session.rows.push({ role: "user", content: turn.message, idempotencyKey: `${runId}:user` });
    const text = await this.#reply(turn);
    session.rows.push({ role: "assistant", content: text, stopReason: "stop", __openclaw: { runId } });
    session.active.delete(runId);
    // The record keeps what the model wrote; a result has its directives taken out.
    const { text: said, media } = takeMedia(text);
    const mediaUrls = media.map(({ reference }) => reference);
    const audioAsVoice = media.some(({ asVoice }) => asVoice);
    const payloads = said === "" && media.length === 0 ? [] : [{ text: said, mediaUrls, audioAsVoice }];
    return { runId, status: "ok", summary: "completed", result: { payloads, meta: {} } };
  }

  async #wait(runId: string, respond: (payload: unknown) => void): Promise<void> {
    await this.#runs.get(runId)?.result;
    respond({ runId, status: "ok" });
  }

  #history(sessionKey: string): unknown {
    const { rows, active } = this.#session(sessionKey);
    return {
      sessionKey,
      messages: rows.slice(-200),
      sessionInfo: { hasActiveRun: active.size > 0, activeRunIds: [...active] },
    };
  }

  #session(key: string): Session {
    let session = this.#sessions.get(key);
    if (!session) {
      session = { rows: [], tail: Promise.resolve(), active: new Set() };
      this.#sessions.set(key, session);
    }
    return session;
  }
}

const attachments = z.array(z.object({ mimeType: z.string(), content: z.string() })).default([]);

type Params = Readonly<Record<string, unknown>>;

interface Request {
  readonly id: string;
  readonly method: string;
  readonly params: Params;
}
