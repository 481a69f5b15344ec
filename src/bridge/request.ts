import { createHash } from "node:crypto";
import { z } from "zod";
import { isBlank } from "../blank.ts";
import { MAX_TEXT_CHARS } from "../content.ts";
import { parseJson } from "../json.ts";
import { parseIdentity, type Identity } from "../message.ts";
import { KEY_NAME, type SendKey } from "../pipeline/admission.ts";
import type { WebRequest } from "../source/listener.ts";
import { isPlain } from "./plain-body.ts";

/** A text that is to be sent. */
export interface TextOrder {
  readonly to: Identity;
  readonly text: string;
  /** It is Markdown; else it is sent as it is. */
  readonly isMarkdown: boolean;
  readonly quotes?: string;
}

/** A file that is to be sent. */
export interface FileOrder extends Omit<TextOrder, "text"> {
  /** An address or a path, or the bytes themselves. */
  readonly file: string | { readonly bytes: Buffer };
  readonly filename?: string;
  readonly caption: string;
  readonly asVoice: boolean;
  readonly asSticker: boolean;
}

/** What is wrong with a request, in words for whoever wrote the agent. */
export class RequestError extends Error {
  readonly status: 400 | 413;

  constructor(message: string, status: 400 | 413 = 400) {
    super(message);
    this.status = status;
  }
}

/** Some write a number as a number, and nothing as null. */
const words = z
  .union([z.string(), z.number().transform(String)])
  .nullish()
  .transform((value) => value ?? undefined);
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value === true);
const common = {
  // What has a fraction, or lost digits to its size, is nobody's number.
  to: z.union([z.string(), z.int().transform(String)]).nullish(),
  replyTo: words,
  markdown: flag,
};
const textBody = z.looseObject({ ...common, text: words, message: words });
const fileFields = {
  url: words,
  path: words,
  base64: words,
  mimetype: words,
  filename: words,
  caption: words,
};
const fileBody = z.looseObject({
  ...common,
  ...fileFields,
  text: words,
  type: words,
  ptt: flag,
  media: z.looseObject(fileFields).nullish(),
});

/** Of a text with every character escaped, and what stands around it. */
const MAX_TEXT_BODY_BYTES = 1_048_576;
const MAX_WAMID_CHARS = 500;
const MAX_REFERENCE_CHARS = 8192;

/**
 * What the agent named its request, if it did; undefined otherwise. The same request is the same bytes.
 * Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 * @throws RequestError
 */
export function readKey({ path, headers, body }: WebRequest): SendKey | undefined {
  const given = headers["idempotency-key"];
  if (given === undefined) return undefined;
  // The draft wants it in quotation marks; few write them.
  const name = typeof given === "string" ? given.replace(/^"(.*)"$/, "$1") : "";
  if (!KEY_NAME.test(name))
    throw new RequestError("Idempotency-Key must be 1 to 200 printable characters without spaces");
  return { name, request: createHash("sha256").update(`${path}\n`).update(body).digest("hex") };
}

/** @throws RequestError */
export function readText(body: Buffer): TextOrder {
  if (body.length > MAX_TEXT_BODY_BYTES) throw new RequestError("The body is longer than 1 MiB", 413);
  const { text, message, ...rest } = read(textBody, body);
  const said = text ?? message ?? "";
  if (isBlank(said)) throw new RequestError("text is missing");
  return { ...head(rest), text: checkText("text", said) };
}

/** @throws RequestError */
export function readFile(body: Buffer): FileOrder {
  const { media, text, type, ptt, ...rest } = read(fileBody, body);
  const { url, path, base64, mimetype, filename, caption = text ?? "" } = { ...rest, ...defined(media) };
  const given = [url, path, base64].filter((each) => each !== undefined && each !== "");
  if (given.length !== 1)
    throw new RequestError(
      given.length === 0 ? "One of url, path and base64 is missing" : "Give one of url, path and base64",
    );
  const isVoice =
    type === "voice" || type === "ptt" || /^audio\/ogg *; *codecs="?opus"?/i.test(mimetype ?? "");
  return {
    ...head(rest),
    file: base64 ? { bytes: decode(base64) } : checkReference(url || path || ""),
    ...(filename !== undefined && filename !== "" && { filename }),
    caption: checkText("caption", caption),
    asVoice: ptt || isVoice,
    asSticker: type === "sticker",
  };
}

function head({
  to,
  replyTo,
  markdown,
}: z.output<z.ZodObject<typeof common>>): Pick<TextOrder, "to" | "isMarkdown" | "quotes"> {
  if (replyTo !== undefined && replyTo.length > MAX_WAMID_CHARS)
    throw new RequestError("replyTo is no id of a message");
  return {
    to: readRecipient(to),
    isMarkdown: markdown,
    ...(replyTo !== undefined && replyTo !== "" && { quotes: replyTo }),
  };
}

/** Agents of WhatsApp Web write people as `15551234567@s.whatsapp.net`, with the device behind a colon at times. */
function readRecipient(to: string | null | undefined): Identity {
  if (to === undefined || to === null || to.trim() === "") throw new RequestError("to is missing");
  const bare = to
    .trim()
    .replace(/^whatsapp:/i, "")
    .replace(/(:\d+)?@(s\.whatsapp\.net|c\.us)$/i, "");
  const person = parseIdentity(bare);
  if (!person)
    throw new RequestError(
      /@(g\.us|newsletter|broadcast)$/i.test(bare)
        ? "to is a group or a channel: only people can be written to"
        : 'to is no international number such as "+15551234567"',
    );
  return person;
}

function decode(base64: string): Buffer {
  const bare = base64.replace(/^data:[^,]{0,200};base64,/i, "").trim();
  if (!/^[A-Za-z0-9+/_\s-]+=*$/.test(bare)) throw new RequestError("base64 is no base64");
  const bytes = Buffer.from(bare, "base64");
  if (bytes.length === 0) throw new RequestError("base64 is empty");
  return bytes;
}

function checkReference(reference: string): string {
  if (reference.length > MAX_REFERENCE_CHARS) throw new RequestError("The address of the file is too long");
  return reference;
}

function checkText(name: string, text: string): string {
  if (text.length > MAX_TEXT_CHARS)
    throw new RequestError(`${name} is longer than ${MAX_TEXT_CHARS} characters`);
  if (text.includes("\0")) throw new RequestError(`${name} has a NUL in it: bytes are no text`);
  return text.toWellFormed();
}

function read<T>(shape: z.ZodType<T>, body: Buffer): T {
  if (!isPlain(body)) throw new RequestError("The body has more in it than a message: it is not read");
  const value = parseJson(body.toString("utf8"));
  if (typeof value !== "object" || value === null) throw new RequestError("The body must be a JSON object");
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join(".") ?? "";
  throw new RequestError(path === "" ? "The body must be a JSON object" : `${path} is of the wrong type`);
}

function defined<T extends object>(value: T | null | undefined): Partial<T> {
  const entries = Object.entries(value ?? {}).filter(([, each]) => each !== undefined);
  // The same object without some of its keys.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(entries) as Partial<T>;
}
