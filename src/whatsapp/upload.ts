import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { z } from "zod";
import type { OutgoingMedia } from "../pipeline/media.ts";
import { ApiError } from "./connection.ts";
import type { StreamedBody } from "./streamed-body.ts";

export interface UploadCall {
  readonly path: string;
  readonly stream: StreamedBody;
  readonly timeoutMs: number;
}

export interface UploadParts {
  /** POSTs with our key; the answer parsed as JSON. @throws ApiError */
  call(call: UploadCall, signal: AbortSignal): Promise<unknown>;
  /** Digits. */
  readonly phoneNumberId: string;
  graphPath(node: string): string;
}

export type Upload = Omit<OutgoingMedia, "as">;

const ANSWER_MS = 60_000;
/** The slowest line that is waited for: 1 Mbit/s. */
const MIN_BYTES_PER_MS = 125;
/** Without parameters: WhatsApp compares it with its list. */
const MIME_TYPE = /^[a-z]+\/[a-z\d.+-]+$/;

const uploadAnswer = z.looseObject({
  id: z.union([z.number(), z.string().regex(/^[^\s/?#]{1,300}$/)]).transform(String),
});

/**
 * Gives a file to WhatsApp, which keeps it for 30 days. Returns its id there. Repeating it is harmless: nobody sees an
 * upload. https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
 * @throws ApiError, or the file system's error for a file that is gone
 */
export async function uploadMedia(file: Upload, provider: UploadParts, signal: AbortSignal): Promise<string> {
  const path = provider.graphPath(`${provider.phoneNumberId}/media`);
  const body = await multipartBody(file);
  const timeoutMs = ANSWER_MS + Math.ceil(body.bytes / MIN_BYTES_PER_MS);
  const answer = uploadAnswer.safeParse(await provider.call({ path, stream: body, timeoutMs }, signal));
  if (!answer.success) throw new ApiError({ kind: "unknown", error: "The answer names no media id" });
  return answer.data.id;
}

/** https://www.rfc-editor.org/rfc/rfc7578 */
export async function multipartBody({ path, mimeType, filename }: Upload): Promise<StreamedBody> {
  const { size: bytes } = await stat(path);
  const boundary = `wa-relay-${randomBytes(12).toString("hex")}`;
  const type = MIME_TYPE.exec(mimeType.split(";", 1)[0]?.trim().toLowerCase() ?? "")?.[0];
  if (type === undefined) throw new TypeError(`Cannot upload a file of type ${JSON.stringify(mimeType)}`);
  const field = (name: string, value: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const head = Buffer.from(
    `${field("messaging_product", "whatsapp")}${field("type", type)}--${boundary}\r\n` +
      `Content-Disposition: form-data; name="file"; filename="${safeName(filename)}"\r\n` +
      `Content-Type: ${type}\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: head.length + bytes + tail.length,
    async *open() {
      yield head;
      yield* readExactly(path, bytes);
      yield tail;
    },
  };
}

/** Another length than was promised would break the request, and the connection with it. */
async function* readExactly(path: string, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  // One byte more than there should be shows a file that grew.
  const stream: AsyncIterable<Uint8Array> = createReadStream(path, { end: bytes });
  for await (const chunk of stream) {
    left -= chunk.byteLength;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0) throw new RangeError(`The file is not ${bytes} bytes long any more`);
}

/** Nobody sees this name, people get the message's; only its extension may count. */
function safeName(filename = ""): string {
  const ascii = filename.replaceAll(/[^\w.-]+/g, "_");
  return /[a-z\d]/i.test(ascii) ? ascii.slice(-100) : "file";
}
