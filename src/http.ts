import { Readable } from "node:stream";
// Not the package's entry, which loads its fetch, mocks and caches too: 20 ms and 8 MiB of every process.
import { request } from "undici/lib/api/index.js";
import Agent from "undici/lib/dispatcher/agent.js";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array>;
  /** How long the other side may say nothing, when that differs from what the connections were made with. */
  readonly silenceMs?: number;
  readonly redirect: "manual";
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Names are given in lower case. */
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
}

/** The part of `fetch` that is used, so that tests can pass the global one and production undici's. */
export type Fetch = (url: string, request: HttpRequest) => Promise<HttpResponse>;

/** undici on connections of its own. Never follows a redirect: a key in a header would go along. */
export function createFetch(timeoutMs = 30_000): Fetch & AsyncDisposable {
  const dispatcher = new Agent({
    connect: { timeout: 10_000 },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  });
  const fetch: Fetch = async (url, { method, headers, body = null, signal, silenceMs = timeoutMs }) => {
    const { origin, pathname, search } = new URL(url);
    const timeouts = { headersTimeout: silenceMs, bodyTimeout: silenceMs };
    const content =
      typeof body === "object" && body !== null && Symbol.asyncIterator in body ? Readable.from(body) : body;
    const options = { origin, path: pathname + search, method, headers, body: content, signal, ...timeouts };
    const response = await request.call(dispatcher, options);
    const get = (name: string) => {
      const value = response.headers[name];
      return (Array.isArray(value) ? value[0] : value) ?? null;
    };
    return { status: response.statusCode, headers: { get }, body: response.body };
  };
  return Object.assign(fetch, { [Symbol.asyncDispose]: () => dispatcher.destroy() });
}

/** The body as text. Rejects, and lets the connection go, when it is longer than `maxBytes`. */
export async function readText(response: HttpResponse, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new RangeError(`The answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const NOT_CONNECTED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "UND_ERR_CONNECT_TIMEOUT",
  // Thrown by undici itself, before anything is opened.
  "UND_ERR_INVALID_ARG",
  "ERR_INVALID_URL",
]);

/** True when the request certainly did not leave: no connection was made, or TLS failed before anything was written. */
export function neverLeft(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = "code" in cause ? String(cause.code) : "";
    if (
      NOT_CONNECTED.has(code) ||
      /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)
    )
      return true;
    if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.every(neverLeft);
  }
  return false;
}
