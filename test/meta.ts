import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Fault, SentText } from "../src/sandbox/kapso.ts";
import { StandInMedia } from "../src/sandbox/kapso-media.ts";
import { PHONE_NUMBER_ID, signed, type Fields } from "./webhook-bodies.ts";

export interface MetaFault extends Fault {
  /** The connection ends with a reset, before an answer. */
  readonly reset?: boolean;
}

export interface MetaRequest {
  readonly method: string;
  readonly path: string;
  readonly kind: "send" | "receipt" | "upload" | "media" | "download" | "token" | "number" | "apps" | "other";
  /** The access token that came with it. */
  readonly token: string | undefined;
}

/** A message that the stand-in took. */
export interface SentToMeta extends SentText {
  /** As it was posted. */
  readonly body: Fields;
}

export interface MetaOptions {
  readonly token?: string;
  readonly phoneNumberId?: string;
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
  /** Instead of JSON. */
  readonly file?: { readonly bytes: Buffer; readonly mimeType: string };
}

interface Address {
  readonly id: string;
  readonly until: number;
}

/** The version of the Graph API that it speaks. */
const VERSION = "v24.0";
const FILES_PATH = "/whatsapp_business/attachments/";
const BSUID = /^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/;
/** HTTP statuses of Meta's codes, where it is not 400. */
const STATUS: Readonly<Record<number, number>> = {
  0: 401,
  2: 503,
  3: 500,
  10: 403,
  190: 401,
  131000: 500,
  131005: 403,
  131016: 500,
  131031: 403,
  131057: 500,
};
const TITLES: Readonly<Record<number, string>> = {
  190: "Error validating access token: the session has expired",
  130429: "(#130429) Rate limit hit",
  131026: "(#131026) Message undeliverable",
  131047: "(#131047) Re-engagement message",
  131056: "(#131056) (Business Account, Consumer Account) pair rate limit hit",
};

/** What Meta answers with a code of its own: a rate limit is HTTP 400. */
export function metaError(code: number, message = TITLES[code] ?? `(#${code}) An error`) {
  const error = { message, type: "OAuthException", code, fbtrace_id: "AbCdEfGh" };
  return { status: STATUS[code] ?? 400, body: JSON.stringify({ error }) };
}

/**
 * A stand-in for Meta's Graph API on this machine, with the habits of the real one that have cost others messages: it takes
 * an id in `to` and never delivers it, and files need the token and live for minutes.
 */
export class StandInMeta implements AsyncDisposable {
  readonly token: string;
  readonly phoneNumberId: string;
  readonly account = "900100200300400";
  readonly app = "700100200300400";
  readonly appSecret = "the-secret-of-the-app";
  readonly verifyToken = "a-word-of-our-own";
  readonly sent: SentToMeta[] = [];
  /** Taken with a 200 and never delivered: a user id was given as a phone number. */
  readonly swallowed: Fields[] = [];
  readonly reactions: { readonly messageId: string; readonly emoji: string }[] = [];
  /** wamids that were marked read, with `typing` or without. */
  readonly receipts: { readonly wamid: string; readonly typing: boolean }[] = [];
  readonly requests: MetaRequest[] = [];
  readonly media = new StandInMedia(String(randomBytes(5).readUIntBE(0, 5)).padStart(13, "2"));
  /** How long the address of a file lives. */
  mediaMs = 300_000;
  /** What `debug_token` says of our token. */
  readonly tokenFacts: Record<string, unknown>;
  /** Every field of the number that can be asked for. */
  readonly number: Record<string, unknown>;
  /** Apps that get the account's webhooks. */
  readonly subscribed: string[] = [this.app];
  /** Asked for every request. */
  fault: (request: MetaRequest) => MetaFault | undefined = () => undefined;
  readonly #addresses = new Map<string, Address>();
  readonly #server: Server;
  readonly #series = randomBytes(6).toString("hex").toUpperCase();
  #ids = 0;

  private constructor({ token = "EAAB-4711-very-secret", phoneNumberId = PHONE_NUMBER_ID }: MetaOptions) {
    this.token = token;
    this.phoneNumberId = phoneNumberId;
    const rights = ["whatsapp_business_management", "whatsapp_business_messaging"];
    this.tokenFacts = {
      app_id: this.app,
      type: "SYSTEM_USER",
      application: "Bakery Bot",
      data_access_expires_at: 0,
      expires_at: 0,
      is_valid: true,
      issued_at: 1_790_000_000,
      scopes: rights,
      granular_scopes: rights.map((scope) => ({ scope, target_ids: [this.account] })),
      user_id: "122100200300400",
    };
    this.number = {
      display_phone_number: "+1 555-010-9999",
      verified_name: "Ann's Bakery",
      quality_rating: "GREEN",
      code_verification_status: "VERIFIED",
      name_status: "APPROVED",
      platform_type: "CLOUD_API",
      throughput: { level: "STANDARD" },
      is_on_biz_app: false,
      webhook_configuration: {},
      health_status: healthOf({ number: phoneNumberId, account: this.account, app: this.app }),
    };
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) =>
        response.destroy(error instanceof Error ? error : undefined),
      );
    });
  }

  static async start(options: MetaOptions = {}): Promise<StandInMeta> {
    const standIn = new StandInMeta(options);
    standIn.#server.listen(0, "127.0.0.1");
    await once(standIn.#server, "listening");
    return standIn;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The stand-in does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** The account, as programs find it in their environment; nothing of Kapso's. */
  get env(): Readonly<Record<string, string>> {
    return {
      KAPSO_API_KEY: "",
      KAPSO_PHONE_NUMBER_ID: "",
      WHATSAPP_ACCESS_TOKEN: this.token,
      WHATSAPP_PHONE_NUMBER_ID: this.phoneNumberId,
      WHATSAPP_APP_SECRET: this.appSecret,
      WHATSAPP_VERIFY_TOKEN: this.verifyToken,
      META_BASE_URL: this.url,
    };
  }

  /** Posts a webhook as Meta does, in its spelling and signed with the app's secret. Resolves with the status. */
  async deliver(url: string, body: Fields): Promise<number> {
    const { headers, raw } = signed(body, this.appSecret, { by: "meta" });
    const response = await fetch(url, { method: "POST", headers, body: new Uint8Array(raw) });
    await response.text();
    return response.status;
  }

  /** Where a person's file can be had now, as a webhook names it. */
  addressOf(id: string): string {
    const hash = randomBytes(12).toString("base64url");
    this.#addresses.set(hash, { id, until: Date.now() + this.mediaMs });
    return `${this.url}${FILES_PATH}?mid=${id}&ext=${Math.floor(Date.now() / 1000)}&hash=${hash}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://stand-in");
    const bytes = await readBody(request);
    const body = url.pathname.endsWith("/media") ? undefined : parseBody(bytes);
    const token = /^Bearer (?<token>.+)$/.exec(request.headers.authorization ?? "")?.groups?.["token"];
    const method = request.method ?? "";
    const seen = { method, path: url.pathname, kind: this.#kindOf(url.pathname, body), token };
    this.requests.push(seen);
    const fault = this.fault(seen);
    const effect = fault === undefined || fault.afterEffect === true;
    const answer: Answered = effect
      ? await this.#handle(seen, url, { body, bytes, contentType: request.headers["content-type"] ?? "" })
      : { status: 500, body: {} };
    if (fault?.delayMs) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault?.reset) return void request.socket.resetAndDestroy();
    if (fault?.lose) return void request.socket.destroy();
    response
      .writeHead(fault?.status ?? answer.status, {
        "Content-Type": answer.file?.mimeType ?? "application/json; charset=UTF-8",
        ...fault?.headers,
      })
      .end(fault?.status === undefined ? (answer.file?.bytes ?? asJson(answer.body)) : (fault.body ?? "{}"));
  }

  async #handle(
    { method, path, kind, token }: MetaRequest,
    url: URL,
    given: { readonly body: unknown; readonly bytes: Buffer; readonly contentType: string },
  ): Promise<Answered> {
    if (kind === "download") return this.#download(url.searchParams, token);
    if (token !== this.token)
      return refuse(190, token === undefined ? "An access token is required" : undefined);
    const [, version, node = "", edge] = path.split("/");
    if (version !== VERSION) return refuse(2500, `Unknown path components: ${path}`);
    if (kind === "token") return this.#describeToken(url.searchParams.get("input_token"));
    if (node === this.phoneNumberId && method === "GET" && edge === undefined)
      return this.#describeNumber(url.searchParams.get("fields"));
    if (kind === "upload" && node === this.phoneNumberId)
      return this.media.upload(given.contentType, given.bytes);
    if (edge === "messages" && node === this.phoneNumberId && method === "POST")
      return this.#post(given.body);
    if (kind === "apps" && node === this.account) return this.#apps(method);
    if (edge === "phone_numbers" && node === this.account) {
      const { display_phone_number: phone, verified_name: name } = this.number;
      const row = { id: this.phoneNumberId, display_phone_number: phone, verified_name: name };
      return { status: 200, body: { data: [row] } };
    }
    if (kind === "media" && method === "GET") return this.#describeFile(node, url.searchParams);
    return refuse(
      100,
      `Unsupported ${method.toLowerCase()} request. Object with ID '${node}' does not exist`,
    );
  }

  #kindOf(path: string, body: unknown): MetaRequest["kind"] {
    if (path === FILES_PATH) return "download";
    const [, , node, edge] = path.split("/");
    if (edge === "messages") return isRecord(body) && body["status"] === "read" ? "receipt" : "send";
    if (edge === "media") return "upload";
    if (edge === "subscribed_apps") return "apps";
    if (edge !== undefined) return "other";
    if (node === "debug_token") return "token";
    return node === this.phoneNumberId ? "number" : "media";
  }

  #describeToken(asked: string | null): Answered {
    const error = { code: 190, message: "Malformed access token" };
    const data = asked === this.token ? this.tokenFacts : { is_valid: false, scopes: [], error };
    return { status: 200, body: { data } };
  }

  #describeNumber(fields: string | null): Answered {
    const names = (fields ?? "display_phone_number,verified_name,quality_rating").split(",");
    const unknown = names.find((name) => !Object.hasOwn(this.number, name));
    if (unknown !== undefined) return refuse(100, `(#100) Tried accessing nonexisting field (${unknown})`);
    const found = names.map((name) => [name, this.number[name]] as const);
    return { status: 200, body: { ...Object.fromEntries(found), id: this.phoneNumberId } };
  }

  #apps(method: string): Answered {
    if (method === "POST") {
      if (!this.subscribed.includes(this.app)) this.subscribed.push(this.app);
      return { status: 200, body: { success: true } };
    }
    const data = this.subscribed.map((id) => ({
      whatsapp_business_api_data: {
        id,
        name: "An app",
        link: `https://www.facebook.com/games/?app_id=${id}`,
      },
    }));
    return { status: 200, body: { data } };
  }

  #describeFile(id: string, search: URLSearchParams): Answered {
    const file = this.media.find(id);
    const number = search.get("phone_number_id");
    if (!file || (number !== null && number !== this.phoneNumberId))
      return refuse(100, `Unsupported get request. Object with ID '${id}' does not exist`);
    return {
      status: 200,
      body: {
        messaging_product: "whatsapp",
        url: this.addressOf(id),
        mime_type: file.mimeType,
        sha256: createHash("sha256").update(file.bytes).digest("hex"),
        file_size: String(file.bytes.length),
        id,
      },
    };
  }

  #download(search: URLSearchParams, token: string | undefined): Answered {
    if (token !== this.token) return refuse(190);
    const address = this.#addresses.get(search.get("hash") ?? "");
    const file = address && address.until > Date.now() ? this.media.find(address.id) : undefined;
    return file ? { status: 200, body: {}, file } : { status: 404, body: {} };
  }

  #post(body: unknown): Answered {
    if (!isRecord(body) || body["messaging_product"] !== "whatsapp")
      return refuse(100, "(#100) The parameter messaging_product is required.");
    if (body["status"] === "read") return this.#markRead(body);
    if ((body["recipient_type"] ?? "individual") !== "individual")
      return refuse(100, "(#100) Param recipient_type must be one of {INDIVIDUAL}");
    // With both, `to` wins.
    const input = body["to"] ?? body["recipient"];
    if (typeof input !== "string") return refuse(100, "(#100) The parameter to is required.");
    if (body["to"] === undefined && !BSUID.test(input))
      return refuse(100, "(#100) Param recipient must be a business-scoped user id");
    const wamid = `wamid.OUT${this.#series}${String(++this.#ids).padStart(8, "0")}`;
    if (body["to"] !== undefined && BSUID.test(input)) this.swallowed.push(body);
    else {
      const failure = this.#keep(body, input, wamid);
      if (failure) return failure;
    }
    const contact = BSUID.test(input)
      ? { input, user_id: input }
      : { input, wa_id: input.replace(/^\+/, "") };
    return {
      status: 200,
      body: { messaging_product: "whatsapp", contacts: [contact], messages: [{ id: wamid }] },
    };
  }

  /** Why it is refused, if it is. */
  #keep(body: Fields, to: string, wamid: string): Answered | undefined {
    if (body["type"] === "reaction") {
      const { message_id: messageId, emoji } = isRecord(body["reaction"]) ? body["reaction"] : {};
      if (!isWamid(messageId)) return refuse(131009, "(#131009) Parameter value is not valid");
      this.reactions.push({ messageId: String(messageId), emoji: String(emoji) });
      return undefined;
    }
    const read = this.media.read(body);
    if (read && "status" in read) return read;
    const { body: words } = isRecord(body["text"]) ? body["text"] : {};
    const text = read ? read.caption : words;
    if (typeof text !== "string" || (text === "" && !read) || text.length > 4096)
      return refuse(100, "(#100) Param text['body'] must be at least 1 and at most 4096 characters");
    const tracking = body["biz_opaque_callback_data"];
    this.sent.push({
      wamid,
      to,
      text,
      ...(read && { media: read.media }),
      trackingId: typeof tracking === "string" ? tracking : undefined,
      at: Date.now(),
      body,
    });
    return undefined;
  }

  #markRead(body: Fields): Answered {
    const wamid = body["message_id"];
    if (!isWamid(wamid)) return refuse(131009, "(#131009) Parameter value is not valid");
    this.receipts.push({ wamid: String(wamid), typing: isRecord(body["typing_indicator"]) });
    return { status: 200, body: { success: true } };
  }
}

/** Of a number that may send. */
function healthOf({
  number,
  account,
  app,
}: {
  readonly number: string;
  readonly account: string;
  readonly app: string;
}) {
  const ids = { PHONE_NUMBER: number, WABA: account, BUSINESS: "800100200300400", APP: app };
  return {
    can_send_message: "AVAILABLE",
    entities: Object.entries(ids).map(([type, id]) => ({
      entity_type: type,
      id,
      can_send_message: "AVAILABLE",
    })),
  };
}

function refuse(code: number, message?: string): Answered {
  const { status, body } = metaError(code, message);
  return { status, body: JSON.parse(body) as unknown };
}

/** Meta writes its slashes with a backslash before them. */
function asJson(body: unknown): string {
  return JSON.stringify(body).replaceAll("/", String.raw`\/`);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function parseBody(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    // The caller answers 400.
    return undefined;
  }
}

function isWamid(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("wamid.");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
