import { createHash } from "node:crypto";
import { lookup as resolveName } from "node:dns/promises";
import { open, rm } from "node:fs/promises";
import { isIP, type LookupFunction } from "node:net";
import type { Readable } from "node:stream";
import { callbackify } from "node:util";
import { request } from "undici/lib/api/index.js";
import Agent from "undici/lib/dispatcher/agent.js";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { VERSION } from "../version.ts";
import { abortable } from "../abortable.ts";
import { isStandIn, mayReach, type HostPolicy } from "./hosts.ts";
import { isPrivateAddress } from "./private-address.ts";

export interface Order {
  readonly url: string;
  /** Where to; nothing may be there yet. */
  readonly path: string;
  readonly maxBytes: number;
  /** For all of it, redirects too. */
  readonly timeoutMs?: number;
  /** Asked before each hop, so that a key goes to its own host and to no other. */
  readonly headers?: HeadersFor;
}

export type HeadersFor = (url: URL) => Readonly<Record<string, string>>;

export type Download =
  | { readonly kind: "file"; readonly bytes: number; /** Hexadecimal. */ readonly sha256: string }
  | DownloadFailure;

/** `reason` is for people: no address is in it, nor anything that a server said. */
export type DownloadFailure = { readonly reason: string } & (
  | { /** Not one that may be asked, or not by https. */ readonly kind: "foreign"; readonly host: string }
  | { /** A name that leads into a private network. */ readonly kind: "private"; readonly host: string }
  | { /** HTTP 404 or 410. */ readonly kind: "gone" }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "network"; /** The system's or undici's. */ readonly code: string }
  | { readonly kind: "too-large" | "timeout" }
  | { /** Ours: full, or not writable. */ readonly kind: "disk"; readonly error: unknown }
);

export type Resolve = (hostname: string) => Promise<readonly { address: string; family: number }[]>;

const TIMEOUT_MS = 60_000;
const CONNECT_MS = 10_000;
const IDLE_MS = 15_000;
const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MEBIBYTE = 1_048_576;
/** So long a server may be slow; after that less than 4 KB a second is too little. */
const PATIENCE_MS = 10_000;
const MIN_BYTES_PER_MS = 4;

const FOREIGN = "kept by a server that is not on the list of allowed ones";
const NOT_REACHED = "the connection to the server failed";

class Failed extends Error {
  readonly failure: DownloadFailure;

  constructor(failure: DownloadFailure) {
    super(failure.reason);
    this.failure = failure;
  }
}

/**
 * Gets files from servers of a list. Each hop is held against it, and the address of its name is looked up by us and
 * judged when the connection is made: what the name led to before, or leads to afterwards, does not matter.
 */
export class Downloader implements AsyncDisposable {
  readonly #policy: HostPolicy;
  readonly #agent: Agent;

  constructor(
    policy: HostPolicy,
    {
      resolve = async (hostname) => resolveName(hostname, { all: true }),
      idleMs = IDLE_MS,
    }: { readonly resolve?: Resolve; readonly idleMs?: number } = {},
  ) {
    this.#policy = policy;
    this.#agent = new Agent({
      connect: { timeout: CONNECT_MS, lookup: guarded(resolve, policy) },
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      allowH2: false,
    });
  }

  /** Leaves the whole file, or none. Rejects only when `signal` aborts. */
  async get({ timeoutMs = TIMEOUT_MS, ...order }: Order, signal: AbortSignal): Promise<Download> {
    try {
      return await withDeadline(timeoutMs, signal, async (limit) => this.#get(order, limit));
    } catch (error) {
      signal.throwIfAborted();
      return judge(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  async #get({ path, maxBytes, headers, ...order }: Order, limit: AbortSignal): Promise<Download> {
    let url = URL.parse(order.url);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      this.#check(url);
      const {
        statusCode: status,
        headers: answer,
        body,
      } = await this.#request(url, headers?.(url) ?? {}, limit);
      if (status === 200) {
        if (Number(answer["content-length"] ?? 0) <= maxBytes) return save(body, path, maxBytes);
        discard(body);
        throw tooLarge(maxBytes);
      }
      discard(body);
      if (status === 404 || status === 410) throw new Failed({ kind: "gone", reason: "no longer available" });
      if (!REDIRECTS.has(status)) throw refused(status, `the server answered with HTTP ${status}`);
      url = typeof answer["location"] === "string" ? URL.parse(answer["location"], url.href) : null;
    }
    throw refused(302, "the server redirected too often");
  }

  #check(url: URL | null): asserts url is URL {
    if (url === null) throw new Failed({ kind: "foreign", host: "", reason: FOREIGN });
    if (!mayReach(url, this.#policy)) throw new Failed({ kind: "foreign", host: url.host, reason: FOREIGN });
    // Nothing is looked up for an address.
    const address = url.hostname.replace(/^\[(.*)\]$/, "$1");
    if (isIP(address) !== 0 && isPrivateAddress(address) && !isStandIn(url, this.#policy))
      throw leadsInside(url.host);
  }

  async #request({ origin, pathname, search }: URL, headers: ReturnType<HeadersFor>, signal: AbortSignal) {
    const options = {
      origin,
      path: pathname + search,
      method: "GET" as const,
      headers: {
        "User-Agent": `wa-relay/${VERSION}`,
        Accept: "*/*",
        "Accept-Encoding": "identity",
        ...headers,
      },
      signal,
    };
    // undici looks at the signal only once it is connected.
    return abortable(request.call(this.#agent, options), signal);
  }
}

/** Node's way of looking names up, with every address judged before one of them is connected to. */
function guarded(resolve: Resolve, { allowPrivate }: HostPolicy): LookupFunction {
  const standIns = new Set(allowPrivate.map((host) => host.replace(/:\d+$/, "")));
  const judged = async (hostname: string) => {
    const addresses = await resolve(hostname);
    if (!standIns.has(hostname) && addresses.some(({ address }) => isPrivateAddress(address)))
      throw leadsInside(hostname);
    const [first] = addresses;
    if (first === undefined) throw Object.assign(new Error("No address"), { code: "ENOTFOUND" });
    return { first, all: [...addresses] };
  };
  return (hostname, options, callback) =>
    callbackify(judged)(hostname, (error, found) => {
      if (error) callback(error, []);
      else if (options.all) callback(null, found.all);
      else callback(null, found.first.address, found.first.family);
    });
}

async function save(body: Readable, path: string, maxBytes: number): Promise<Download> {
  const hash = createHash("sha256");
  let bytes = 0;
  const startedAt = performance.now();
  try {
    await using file = await onDisk(open(path, "wx", 0o600));
    const chunks: AsyncIterable<Uint8Array> = body;
    for await (const chunk of chunks) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      // Others wait for their turn.
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs > PATIENCE_MS && bytes < elapsedMs * MIN_BYTES_PER_MS) throw tooSlow();
      hash.update(chunk);
      await onDisk(file.writeFile(chunk));
    }
    await onDisk(file.datasync());
    return { kind: "file", bytes, sha256: hash.digest("hex") };
  } catch (error) {
    discard(body);
    await rm(path, { force: true });
    throw error;
  }
}

async function onDisk<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw new Failed({ kind: "disk", error, reason: "it could not be stored" });
  });
}

/** Reads no more of it; its connection is closed. */
function discard(body: Readable): void {
  body.on("error", () => {}).destroy();
}

function tooSlow(): Failed {
  return new Failed({ kind: "timeout", reason: "the server gives it too slowly" });
}

function tooLarge(maxBytes: number): Failed {
  return new Failed({ kind: "too-large", reason: largerThan(maxBytes) });
}

export function largerThan(maxBytes: number): string {
  return `larger than ${Math.round((maxBytes / MEBIBYTE) * 10) / 10} MB`;
}

function leadsInside(host: string): Failed {
  return new Failed({ kind: "private", host, reason: FOREIGN });
}

function refused(status: number, reason: string): Failed {
  return new Failed({ kind: "status", status, reason });
}

function judge(error: unknown): DownloadFailure {
  if (error instanceof Failed) return error.failure;
  if (error instanceof DeadlineError) return { kind: "timeout", reason: "the server took too long" };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return { kind: "network", code, reason: NOT_REACHED };
}
