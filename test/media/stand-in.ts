import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Downloader, type Resolve } from "../../src/media/download.ts";
import type { HostPolicy } from "../../src/media/hosts.ts";
import type { Log } from "../../src/log.ts";

/** A server of files on this machine, and what it was asked for. */
export class FileServer implements AsyncDisposable {
  readonly requests: IncomingMessage[] = [];
  readonly #server: Server;

  private constructor(answer: RequestListener) {
    this.#server = createServer((request, response) => {
      this.requests.push(request);
      answer(request, response);
    });
  }

  static async start(answer: RequestListener): Promise<FileServer> {
    const server = new FileServer(answer);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get host(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  get paths(): (string | undefined)[] {
    return this.requests.map(({ url }) => url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

export function tempFolder(): Disposable & { readonly path: string; files(): string[] } {
  const path = mkdtempSync(join(tmpdir(), "wa-relay-media-"));
  return {
    path,
    files: () =>
      readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((each) => each.isFile())
        .map(({ name }) => name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Reaches these servers of this machine and nothing else. */
export function downloader(
  standIns: readonly FileServer[],
  {
    resolve,
    hosts = [],
    names = [],
    idleMs,
  }: { resolve?: Resolve; hosts?: readonly string[]; names?: readonly string[]; idleMs?: number } = {},
): Downloader {
  const policy: HostPolicy = { hosts, allowPrivate: [...standIns.map(({ host }) => host), ...names] };
  return new Downloader(policy, { ...(resolve && { resolve }), ...(idleMs !== undefined && { idleMs }) });
}

/** A log that keeps its lines. */
export function listeningLog(): Log & {
  readonly lines: { readonly fields: object; readonly message: string }[];
} {
  const lines: { fields: object; message: string }[] = [];
  const line = (fields: object | string, message = "") => {
    lines.push(typeof fields === "string" ? { fields: {}, message: fields } : { fields, message });
  };
  const log = { lines, trace: line, debug: line, info: line, warn: line, error: line, child: () => log };
  return log;
}

export const never = new AbortController().signal;

/** A picture of one dot. */
export const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
