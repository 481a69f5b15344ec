import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/clock.ts";
import { createFetch } from "../../src/http.ts";
import type { Log, LogLine } from "../../src/log.ts";
import type { MediaFile, Transcriber } from "../../src/pipeline/media.ts";
import { createTranscriber, type TranscriberOptions } from "../../src/transcribe/transcriber.ts";

export const KEY = "sk-very-secret-0123456789";
const STAND_IN = fileURLToPath(new URL("stand-in.cjs", import.meta.url));

export interface SttRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of a multipart body. */
  form(): Promise<Readonly<Record<string, unknown>>>;
}

export type Reply = (response: ServerResponse) => void;

export const json =
  (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply =>
  (response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  };
export const written =
  (body: string, contentType: string): Reply =>
  (response) => {
    response.writeHead(200, { "Content-Type": contentType }).end(body);
  };
export const reset: Reply = (response) => response.socket?.resetAndDestroy();
export const hang: Reply = () => {};
/** A transcription as OpenAI's API writes it in short. */
export const spoken = (text: string) => json({ text });

/** A real server that replies in turn; the last reply repeats. */
export class SttServer implements AsyncDisposable {
  readonly requests: SttRequest[] = [];
  #replies: readonly Reply[] = [spoken("hello")];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("error", () => {});
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        const { method = "", headers } = request;
        const url = new URL(request.url ?? "", this.url);
        const reply = this.#replies[Math.min(this.requests.length, this.#replies.length - 1)];
        const form = async () => readForm(body, headers["content-type"] ?? "");
        this.requests.push({ method, url, headers, body, form });
        reply?.(response);
      });
    });
  }

  static async start(...replies: readonly Reply[]): Promise<SttServer> {
    const server = new SttServer();
    if (replies.length > 0) server.#replies = replies;
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

async function readForm(body: Buffer, contentType: string): Promise<Readonly<Record<string, unknown>>> {
  const form = await new Response(body, { headers: { "Content-Type": contentType } }).formData();
  const entries: [string, unknown][] = [];
  for (const [name, value] of form)
    entries.push([
      name,
      typeof value === "string"
        ? value
        : {
            name: value.name,
            type: value.type,
            text: Buffer.from(await value.arrayBuffer()).toString("latin1"),
          },
    ]);
  return Object.fromEntries(entries);
}

interface Manner {
  readonly does: "works" | "hangs" | "fails" | "dies" | "nothing";
  readonly text?: string;
  readonly complaint?: string;
  readonly chatter?: number;
  readonly ignoresTerm?: boolean;
  readonly leavesChild?: boolean;
}

export interface Call {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly pid: number;
}

/** Sleeps take no time, and are written down. */
class QuickClock implements Clock {
  readonly sleeps: number[] = [];
  time = 1_800_000_000_000;

  now(): number {
    return this.time;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.sleeps.push(ms);
    this.time += ms;
  }
}

/** A folder with recordings and commands, a log, a clock and real connections. */
export class World implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "wa-relay-stt-"));
  readonly clock = new QuickClock();
  readonly lines: { readonly level: string; readonly fields: object; readonly message: string }[] = [];
  readonly #fetch: ReturnType<typeof createFetch>;
  readonly signal = new AbortController();
  #files = 0;

  /** How long servers may be silent, if nobody says otherwise. */
  constructor({ silenceMs = 5000 }: { readonly silenceMs?: number } = {}) {
    this.#fetch = createFetch(silenceMs);
  }

  transcriber(options: Partial<TranscriberOptions>, env: NodeJS.ProcessEnv = {}): Transcriber {
    const all: TranscriberOptions = {
      provider: "openai",
      apiKey: KEY,
      baseUrl: undefined,
      model: undefined,
      language: undefined,
      maxBytes: 26_214_400,
      timeoutMs: 10_000,
      binaryPath: "whisper-cli",
      modelPath: undefined,
      noSpeechThreshold: 0.85,
      cacheTtlMs: 3_600_000,
      debug: false,
      ...options,
    };
    const parts = { fetch: this.#fetch, clock: this.clock, log: this.log, env };
    const transcriber = createTranscriber(all, parts);
    if (!transcriber) throw new Error("there is none");
    return transcriber;
  }

  recording(sound = "sound", given: Partial<MediaFile> = {}): MediaFile {
    const path = join(this.folder, `recording-${this.#files++}.ogg`);
    writeFileSync(path, sound);
    const sha256 = createHash("sha256").update(sound).digest("hex");
    return { path, mimeType: "audio/ogg", bytes: Buffer.byteLength(sound), sha256, seconds: 42, ...given };
  }

  /** Puts a stand-in under this name; the only commands that are found are these. */
  command(name: "ffmpeg" | "whisper-cli", manner: Manner = { does: "works" }): string {
    const path = join(this.folder, name);
    copyFileSync(STAND_IN, path);
    chmodSync(path, 0o755);
    writeFileSync(`${path}.json`, JSON.stringify(manner));
    const node = join(this.folder, "node");
    rmSync(node, { force: true });
    symlinkSync(process.execPath, node);
    return path;
  }

  model(): string {
    const path = join(this.folder, "model.bin");
    writeFileSync(path, "model");
    return path;
  }

  calls(): readonly Call[] {
    try {
      const lines = readFileSync(join(this.folder, "calls.jsonl"), "utf8").trim().split("\n");
      return lines.map((line) => JSON.parse(line) as Call);
    } catch {
      return [];
    }
  }

  /** Everything that was logged, as one text. */
  get logged(): string {
    return JSON.stringify(this.lines);
  }

  get log(): Log {
    const line =
      (level: string): LogLine =>
      (fields: object | string, message?: string) => {
        this.lines.push(
          typeof fields === "string"
            ? { level, fields: {}, message: fields }
            : { level, fields, message: message ?? "" },
        );
      };
    const log: Log = {
      trace: line("trace"),
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
      child: () => log,
    };
    return log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fetch[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
