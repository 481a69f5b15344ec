import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { answerWebhooks, type StandInWebhook } from "./kapso-webhooks.ts";
import { readListQuery, listRows, type Row } from "./kapso-list.ts";
import { DOWNLOAD_PATH, StandInMedia, type SentMedia } from "./kapso-media.ts";
import { readRich, showRich, type SentRich } from "./kapso-rich.ts";

/** What goes wrong with one request; `lose` drops the connection without an answer. */
export interface Fault {
  /** The request takes effect before it fails: the case that no client can tell from the other. */
  readonly afterEffect?: boolean;
  readonly delayMs?: number;
  readonly lose?: boolean;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface StandInRequest {
  readonly method: string;
  readonly path: string;
  readonly kind: "list" | "send" | "receipt" | "upload" | "media" | "download" | "other";
}

/** What a person writes. */
export interface Incoming {
  readonly from: string;
  readonly text?: string;
  readonly name?: string;
  readonly wamid?: string;
  /** WhatsApp's time, milliseconds since 1970. */
  readonly sentAt?: number;
  /** When Kapso stores it, which is what `since` counts. */
  readonly storedAt?: number;
  /** Other fields of the row, such as `type` and its body, or a broken one. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** A message that the stand-in took. */
export interface SentText {
  readonly wamid: string;
  readonly to: string;
  /** Of a message with a file its caption, "" without one. */
  readonly text: string;
  readonly media?: SentMedia;
  /** What is neither text nor file. */
  readonly rich?: SentRich;
  /** wamid of the message that it quotes. */
  readonly quotes?: string;
  readonly trackingId: string | undefined;
  readonly at: number;
}

export interface StandInOptions {
  readonly port?: number;
  readonly apiKey?: string;
  readonly phoneNumberId?: string;
  readonly requestsPerMinute?: number;
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
  /** Instead of JSON. */
  readonly file?: { readonly bytes: Buffer; readonly mimeType: string };
}

const MAX_BODY_BYTES = 1_048_576;
const MAX_UPLOAD_BYTES = 110_000_000;
const MEDIA_PATH = /^\/meta\/whatsapp\/v24\.0\/(?<id>\d+)$/;

/**
 * A stand-in for Kapso's WhatsApp API on this machine: a list of messages, newest first, and an address to send to. The
 * sandbox talks to it, and tests give it faults.
 */
export class StandInKapso implements AsyncDisposable {
  readonly apiKey: string;
  readonly phoneNumberId: string;
  readonly sent: SentText[] = [];
  /** wamids that were marked read, with `typing` or without. */
  readonly receipts: { readonly wamid: string; readonly typing: boolean; readonly at: number }[] = [];
  readonly requests: StandInRequest[] = [];
  /** The number's webhooks: everybody's, ours among them. */
  readonly webhooks: StandInWebhook[] = [];
  /** Uploaded files, and people's. */
  readonly media = new StandInMedia(String(randomBytes(5).readUIntBE(0, 5)).padStart(13, "1"));
  /** More numbers that the key can see. */
  readonly others: Readonly<Record<string, unknown>>[] = [];
  /** Asked for every request. */
  fault: (request: StandInRequest) => Fault | undefined = () => undefined;
  onSent: (sent: SentText) => void = () => {};
  /** Called with the rows of every page that is listed. */
  onListed: (page: readonly unknown[]) => void = () => {};
  readonly #rows: Row[] = [];
  readonly #server: Server;
  readonly #requestsPerMinute: number;
  #window = { minute: 0, used: 0 };
  #ids = 0;
  /** Ids are WhatsApp's, so no two stand-ins may use the same: a gateway remembers them. */
  readonly #series = randomBytes(6).toString("hex").toUpperCase();

  private constructor({
    apiKey = "sandbox-key",
    phoneNumberId = "100000000000001",
    requestsPerMinute = 100_000,
  }: StandInOptions) {
    this.apiKey = apiKey;
    this.phoneNumberId = phoneNumberId;
    this.#requestsPerMinute = requestsPerMinute;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) =>
        response.destroy(error instanceof Error ? error : undefined),
      );
    });
  }

  static async start(options: StandInOptions = {}): Promise<StandInKapso> {
    const standIn = new StandInKapso(options);
    standIn.#server.listen(options.port ?? 0, "127.0.0.1");
    await once(standIn.#server, "listening");
    return standIn;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The stand-in does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** A person writes to our number. Returns the wamid. */
  receive({ from, text, name, wamid, sentAt = Date.now(), storedAt = Date.now(), fields }: Incoming): string {
    const id = wamid ?? this.#newId("IN");
    const body = {
      id,
      timestamp: String(Math.floor(sentAt / 1000)),
      type: "text",
      from,
      text: { body: text ?? "" },
      ...fields,
      kapso: {
        direction: "inbound",
        status: "delivered",
        phone_number: `+${from}`,
        ...(name !== undefined && { contact_name: name }),
      },
    };
    this.#rows.push({ storedAt, order: this.#rows.length, direction: "inbound", body });
    return id;
  }

  /** Puts a row into the list as it is. */
  receiveRaw(body: unknown, storedAt = Date.now()): void {
    this.#rows.push({ storedAt, order: this.#rows.length, direction: "inbound", body });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://stand-in");
    const hasBody = request.method === "POST" || request.method === "PATCH";
    const isUpload = hasBody && url.pathname.endsWith("/media");
    const bytes = hasBody ? await readBody(request, isUpload ? MAX_UPLOAD_BYTES : MAX_BODY_BYTES) : undefined;
    const body = isUpload ? bytes : parseBody(bytes);
    const seen = { method: request.method ?? "", path: url.pathname, kind: kindOf(url.pathname, body) };
    this.requests.push(seen);
    const fault = this.fault(seen);
    const effect = fault === undefined || fault.afterEffect === true;
    const answer: Answered = effect ? await this.#handle(request, url, body) : { status: 500, body: {} };
    if (fault?.delayMs) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault?.lose) return void request.socket.destroy();
    const status = fault?.status ?? answer.status;
    const given = answer.file?.bytes ?? JSON.stringify(answer.body);
    const type = answer.file?.mimeType ?? "application/json";
    response
      .writeHead(status, { "Content-Type": type, ...this.#rateHeaders(), ...fault?.headers })
      .end(fault?.status === undefined ? given : (fault.body ?? "{}"));
  }

  async #handle(request: IncomingMessage, url: URL, body: unknown): Promise<Answered> {
    if (url.pathname === DOWNLOAD_PATH) return this.#download(url.searchParams.get("token") ?? "");
    if (request.headers["x-api-key"] !== this.apiKey)
      return { status: 401, body: { error: "Invalid API key" } };
    if (this.#window.used > this.#requestsPerMinute)
      return { status: 429, body: { error: "Rate limit exceeded" } };
    const messages = `/meta/whatsapp/v24.0/${this.phoneNumberId}/messages`;
    if (url.pathname === messages && request.method === "GET")
      return { status: 200, body: this.#list(url.searchParams) };
    if (url.pathname === messages) return this.#post(body);
    if (url.pathname === `/meta/whatsapp/v24.0/${this.phoneNumberId}/media`)
      return this.media.upload(
        request.headers["content-type"] ?? "",
        Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      );
    const mediaId = MEDIA_PATH.exec(url.pathname)?.groups?.["id"];
    if (mediaId !== undefined) return this.media.describe(mediaId, this.url);
    const number = `/platform/v1/whatsapp/phone_numbers/${this.phoneNumberId}`;
    if (url.pathname.startsWith(`${number}/webhooks`))
      return answerWebhooks(this.webhooks, {
        method: request.method ?? "",
        id: url.pathname.split("/")[7],
        body,
      });
    const described = {
      id: this.phoneNumberId,
      phone_number_id: this.phoneNumberId,
      display_phone_number: "+1 555-010-0000",
      status: "CONNECTED",
      inbound_processing_enabled: true,
    };
    if (url.pathname === number) return { status: 200, body: { data: described } };
    if (url.pathname === "/platform/v1/whatsapp/phone_numbers")
      return { status: 200, body: { data: [described, ...this.others] } };
    return { status: 404, body: { error: "Not found" } };
  }

  #list(search: URLSearchParams): unknown {
    const page = listRows(this.#rows, readListQuery(search));
    this.onListed(page.data);
    return page;
  }

  #download(token: string): Answered {
    const file = this.media.find(token);
    return file
      ? { status: 200, body: {}, file }
      : { status: 404, body: { error: "Invalid or expired token" } };
  }

  #post(body: unknown): Answered {
    if (!isRecord(body)) return { status: 400, body: { error: { message: "No JSON object", code: 100 } } };
    if (body["status"] === "read") {
      this.receipts.push({
        wamid: String(body["message_id"]),
        typing: isRecord(body["typing_indicator"]),
        at: Date.now(),
      });
      return { status: 200, body: { success: true } };
    }
    const read = this.media.read(body);
    if (read && "status" in read) return read;
    const rich = readRich(body);
    const plain = isRecord(body["text"]) ? body["text"]["body"] : undefined;
    const text = read?.caption ?? (rich ? showRich(rich) : plain);
    const recipient = body["to"] ?? body["recipient"];
    const to = typeof recipient === "string" ? recipient.replace(/^\+/, "") : "";
    if (typeof text !== "string" || (text === "" && !read) || (!rich && text.length > 4096))
      return {
        status: 400,
        body: { error: { message: "(#100) Param text['body'] must be 1 to 4096 characters", code: 100 } },
      };
    const tracking = body["biz_opaque_callback_data"];
    const sent: SentText = {
      wamid: this.#newId("OUT"),
      to,
      text,
      ...(read && { media: read.media }),
      ...(rich && { rich }),
      ...(isRecord(body["context"]) && { quotes: String(body["context"]["message_id"]) }),
      trackingId: typeof tracking === "string" ? tracking : undefined,
      at: Date.now(),
    };
    this.sent.push(sent);
    const type = read?.media.type ?? rich?.type ?? "text";
    const row = {
      id: sent.wamid,
      timestamp: String(Math.floor(sent.at / 1000)),
      type,
      to,
      [type]: body[type],
      kapso: { direction: "outbound", status: "sent", phone_number: `+${to}` },
    };
    this.#rows.push({ storedAt: sent.at, order: this.#rows.length, direction: "outbound", body: row });
    this.onSent(sent);
    return {
      status: 200,
      body: {
        messaging_product: "whatsapp",
        contacts: [{ input: `+${to}`, wa_id: to }],
        messages: [{ id: sent.wamid }],
      },
    };
  }

  #newId(direction: "IN" | "OUT"): string {
    return `wamid.${direction}${this.#series}${String(++this.#ids).padStart(8, "0")}`;
  }

  #rateHeaders(): Record<string, string> {
    const minute = Math.floor(Date.now() / 60_000);
    if (minute !== this.#window.minute) this.#window = { minute, used: 0 };
    const remaining = Math.max(0, this.#requestsPerMinute - ++this.#window.used);
    return {
      "X-RateLimit-Limit": String(this.#requestsPerMinute),
      "X-RateLimit-Remaining": String(remaining),
      ...(remaining === 0 && { "Retry-After": "60" }),
    };
  }
}

/** Undefined when it is longer than `maxBytes`. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function parseBody(bytes: Buffer | undefined): unknown {
  try {
    return bytes && JSON.parse(bytes.toString("utf8"));
  } catch {
    // The caller answers 400.
    return undefined;
  }
}

function kindOf(path: string, body: unknown): StandInRequest["kind"] {
  if (path === DOWNLOAD_PATH) return "download";
  if (path.endsWith("/media")) return "upload";
  if (MEDIA_PATH.test(path)) return "media";
  if (!path.endsWith("/messages")) return "other";
  if (body === undefined) return "list";
  return isRecord(body) && body["status"] === "read" ? "receipt" : "send";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
