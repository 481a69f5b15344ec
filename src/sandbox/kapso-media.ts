import { createHash } from "node:crypto";

/** A file at the stand-in. */
export interface StandInFile {
  readonly id: string;
  readonly bytes: Buffer;
  readonly mimeType: string;
  readonly filename?: string | undefined;
}

/** A file that was uploaded to be sent. */
export interface StandInUpload extends StandInFile {
  /** The field of this name, which need not be the file's own type. */
  readonly type: string | undefined;
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
}

/** What an upload may be, in Meta's own words and order (error 100 of uploads that are refused). */
const UPLOAD_TYPES = [
  "audio/aac",
  "audio/mp4",
  "audio/mpeg",
  "audio/amr",
  "audio/ogg",
  "audio/opus",
  "application/vnd.ms-powerpoint",
  "application/msword",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  "application/pdf",
  "text/plain",
  "application/vnd.ms-excel",
  "image/jpeg",
  "image/png",
  "image/webp",
  "video/mp4",
  "video/3gpp",
];
const TYPES = ["image", "video", "audio", "document", "sticker"] as const;
const WITH_CAPTION: ReadonlySet<string> = new Set(["image", "video", "document"]);
const MAX_CAPTION = 1024;
const DOWNLOAD_MS = 240_000;

/** A message with a file, as it was sent. */
export interface SentMedia {
  readonly type: (typeof TYPES)[number];
  readonly id: string;
  readonly filename?: string | undefined;
  readonly voice?: boolean | undefined;
}

/** The part of the stand-in that keeps files. */
export class StandInMedia {
  readonly uploads: StandInUpload[] = [];
  readonly #files = new Map<string, StandInFile>();
  readonly #series: string;

  /** Ids are WhatsApp's, so no two stand-ins may use the same; `series` is digits. */
  constructor(series: string) {
    this.#series = series;
  }

  /** A person's file, to be named by a message. Returns its id. */
  add(file: Omit<StandInFile, "id">): string {
    const id = `${this.#series}${String(this.#files.size + 1).padStart(6, "0")}`;
    this.#files.set(id, { ...file, id });
    return id;
  }

  find(id: string): StandInFile | undefined {
    return this.#files.get(id);
  }

  async upload(contentType: string, body: Buffer): Promise<Answered> {
    // Whatever else may be wrong with it, a body that can not be parsed is one thing.
    const form = await readForm(contentType, body).catch(() => undefined);
    const file = form?.get("file");
    if (!form || !(file instanceof Blob)) return refuse("(#100) The parameter file is required.");
    if (form.get("messaging_product") !== "whatsapp")
      return refuse("(#100) The parameter messaging_product is required.");
    const mimeType = file.type.split(";", 1)[0] ?? "";
    if (!UPLOAD_TYPES.includes(mimeType))
      return refuse(
        `(#100) Param file must be a file with one of the following types: ${UPLOAD_TYPES.join(", ")}. ` +
          `Received file of type '${mimeType}'.`,
      );
    const bytes = Buffer.from(await file.arrayBuffer());
    const filename = "name" in file && typeof file.name === "string" ? file.name : undefined;
    const id = this.add({ bytes, mimeType, filename });
    const type = form.get("type");
    this.uploads.push({ id, bytes, mimeType, filename, type: typeof type === "string" ? type : undefined });
    return { status: 200, body: { id } };
  }

  /** Where a file can be had: at Meta only with Meta's token, through Kapso for four minutes without any key. */
  describe(id: string, origin: string): Answered {
    const file = this.#files.get(id);
    if (!file) return refuse(`Unsupported get request. Object with ID '${id}' does not exist`, 404);
    return {
      status: 200,
      body: {
        messaging_product: "whatsapp",
        id,
        url: `${origin}/whatsapp_business/attachments/?mid=${id}`,
        mime_type: file.mimeType,
        sha256: sha256(file.bytes),
        file_size: String(file.bytes.length),
        download_url: `${origin}${DOWNLOAD_PATH}?token=${id}`,
        download_url_expires_at: new Date(Date.now() + DOWNLOAD_MS).toISOString(),
      },
    };
  }

  /** The media of a message that is being sent, or why it is refused; undefined for another message. */
  read(
    body: Readonly<Record<string, unknown>>,
  ): { readonly media: SentMedia; readonly caption: string } | Answered | undefined {
    const type = TYPES.find((name) => name === body["type"]);
    if (!type) return undefined;
    const given = body[type];
    const { id, caption, filename, voice } = isRecord(given) ? given : {};
    if (typeof id !== "string" || !this.#files.has(id))
      return refuse(
        `(#100) Param ${type}['id'] is not a valid whatsapp business account media attachment ID`,
      );
    const isCaption = typeof caption === "string" && WITH_CAPTION.has(type) && caption.length <= MAX_CAPTION;
    if (caption !== undefined && !isCaption)
      return refuse(`(#100) Param ${type}['caption'] must be at most ${MAX_CAPTION} characters`);
    const media = {
      type,
      id,
      ...(typeof filename === "string" && { filename }),
      ...(typeof voice === "boolean" && { voice }),
    };
    return { media, caption: isCaption ? caption : "" };
  }
}

/** Where files can be had with a token in the query. */
export const DOWNLOAD_PATH = "/meta/whatsapp/media_download";

async function readForm(contentType: string, body: Buffer): Promise<FormData> {
  return new Response(new Uint8Array(body), { headers: { "Content-Type": contentType } }).formData();
}

function refuse(message: string, status = 400): Answered {
  return { status, body: { error: { message, type: "OAuthException", code: 100 } } };
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
