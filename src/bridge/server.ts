import { basename } from "node:path";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { MediaFile } from "../pipeline/media.ts";
import type { Health } from "../source/health.ts";
import { LIMITS, type Limits, type Listener, type WebAnswer, type WebRequest } from "../source/listener.ts";
import { failure, isEqual, json, keyOf } from "./access.ts";
import type { Dispatcher } from "./dispatch.ts";
import { Rate } from "./rate.ts";
import { readFile, readKey, readText, RequestError } from "./request.ts";

export interface BridgeServerParts {
  readonly listener: Pick<Listener, "serve">;
  readonly dispatcher: Dispatcher;
  /** A file of a message, by its name in the folder of files. */
  readonly open: (name: string) => Promise<Pick<MediaFile, "path" | "mimeType" | "bytes"> | undefined>;
  readonly health: () => Promise<Health>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface BridgeServerOptions {
  readonly rateLimit: number;
  /** Of the addresses of files. */
  readonly mediaSecret: string;
}

/** The largest file but a document, written in base64, with what stands around it. */
export const BRIDGE_LIMITS: Limits = {
  ...LIMITS,
  maxBodyBytes: 22 * 1_048_576,
  maxBufferedBytes: 96 * 1_048_576,
  maxConnections: 128,
  requestTimeoutMs: 60_000,
};

export const BRIDGE_PATHS: readonly string[] = ["/send", "/send-media", "/health", "/media/*"];
/** Being sent at the same time; each waits for WhatsApp. */
const MAX_SENDING = 64;
const REFUSAL_PERIOD_MS = 60_000;
const NAME = /^[0-9a-f]{32}\.[a-z0-9.]{1,20}$/;

/** The path at which an agent gets a file of a message. */
export function mediaPath({ path }: Pick<MediaFile, "path">, secret: string): string {
  const name = basename(path);
  return `/media/${name}?key=${keyOf(name, secret)}`;
}

/** Serves agents that speak HTTP: they send through it, and get the files of messages. */
export class BridgeServer {
  readonly #parts: BridgeServerParts;
  readonly #options: BridgeServerOptions;
  readonly #rate: Rate;
  #sending = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(parts: BridgeServerParts, options: BridgeServerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#rate = new Rate(options.rateLimit, parts.clock);
  }

  /** From now on; whoever waits for what becomes of a message is answered at the latest when `signal` aborts. */
  serve(signal: AbortSignal): Disposable {
    return this.#parts.listener.serve(BRIDGE_PATHS, (request) => this.#route(request, signal));
  }

  async #route(request: WebRequest, signal: AbortSignal): Promise<WebAnswer> {
    const path = request.path.replace(/(?<=.)\/+$/, "");
    const isSend = path === "/send" || path === "/send-media";
    const allowed = isSend ? "POST" : "GET";
    if (request.method !== allowed) return { ...failure(405, `Use ${allowed}`), headers: { Allow: allowed } };
    if (path === "/health") return this.#health();
    if (!isSend) return this.#media(request);
    return this.#limited(() => this.#send({ ...request, path }, signal));
  }

  async #send(request: WebRequest, signal: AbortSignal): Promise<WebAnswer> {
    const { dispatcher } = this.#parts;
    try {
      const key = readKey(request);
      return request.path === "/send"
        ? await dispatcher.sendText(readText(request.body), key, signal)
        : await dispatcher.sendFile(readFile(request.body), key, signal);
    } catch (error) {
      if (error instanceof RequestError) return failure(error.status, error.message);
      throw error;
    }
  }

  async #limited(send: () => Promise<WebAnswer>): Promise<WebAnswer> {
    const waitMs = this.#sending >= MAX_SENDING ? 1000 : this.#rate.take();
    if (waitMs > 0) {
      this.#tell(waitMs);
      const seconds = String(Math.ceil(waitMs / 1000));
      return { ...failure(429, "Too many at once: try again later"), headers: { "Retry-After": seconds } };
    }
    this.#sending++;
    try {
      return await send();
    } finally {
      this.#sending--;
    }
  }

  #tell(waitMs: number): void {
    const { clock, log } = this.#parts;
    const now = clock.now();
    if (now - this.#toldAt < REFUSAL_PERIOD_MS) return;
    this.#toldAt = now;
    log.warn({ waitMs, hint: "see bridge.rate_limit" }, "agent sends too much at once");
  }

  async #health(): Promise<WebAnswer> {
    const { ok, parts } = await this.#parts.health();
    return json(ok ? 200 : 503, { status: ok ? "ok" : "unhealthy", connected: ok, parts });
  }

  async #media({ path, query }: WebRequest): Promise<WebAnswer> {
    const name = path.replace(/^\/media\//, "");
    const isKnown =
      NAME.test(name) && isEqual(query.get("key") ?? "", keyOf(name, this.#options.mediaSecret));
    const file = isKnown ? await this.#parts.open(name) : undefined;
    if (!file) return failure(404, "There is no such file");
    return {
      status: 200,
      type: file.mimeType,
      file,
      headers: {
        "Content-Disposition": `attachment; filename="${name}"`,
        "Cache-Control": "private, no-store",
      },
    };
  }
}
