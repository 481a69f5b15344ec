import { z } from "zod";
import type { Media, MediaContent, MediaType } from "../content.ts";
import { cleanFilename } from "../filename.ts";
import { fieldOf, id, url, words } from "./fields.ts";

const MAX_NAME_CHARS = 255;

const sentFile = z
  .object({
    id,
    url,
    link: url,
    mime_type: words,
    sha256: words,
    filename: words,
    caption: words,
    voice: z.boolean().optional().catch(undefined),
  })
  .catch({});
type SentFile = z.output<typeof sentFile>;

/** What Kapso adds to a message. */
const kapsoAside = z
  .object({
    content: words,
    transcript: z.object({ text: words }).optional().catch(undefined),
    media_url: url,
    media_data: z.object({ url, filename: words, content_type: words }).optional().catch(undefined),
    message_type_data: z.object({ caption: words }).optional().catch(undefined),
  })
  .catch({});
type KapsoAside = z.output<typeof kapsoAside>;

/** `kind` is WhatsApp's word: a voice message is an `audio` today, and was a `voice` once. */
export function readMedia(kind: MediaType, message: unknown): MediaContent {
  const file = sentFile.parse(fieldOf(message, kind));
  const kapso = kapsoAside.parse(fieldOf(message, "kapso"));
  const media = readFile(file, kapso);
  const type = kind === "audio" && isVoice(file, media) ? "voice" : kind;
  const caption = file.caption ?? kapso.message_type_data?.caption;
  const transcript = kapso.transcript?.text ?? (isSound(type) ? transcriptIn(kapso.content) : undefined);
  return { type, media, ...(caption && { caption }), ...(transcript && { transcript }) };
}

function readFile(file: SentFile, kapso: KapsoAside): Media {
  // Kapso's own copy comes first: Meta's address is good for minutes and for holders of Meta's token alone.
  const where = kapso.media_data?.url ?? kapso.media_url ?? file.link ?? file.url;
  const mimeType = (file.mime_type ?? kapso.media_data?.content_type)?.slice(0, MAX_NAME_CHARS);
  const filename = cleanFilename(file.filename ?? kapso.media_data?.filename ?? "");
  const sha256 = file.sha256 && toHex(file.sha256);
  return {
    ...(file.id && { id: file.id }),
    ...(where && { url: where }),
    ...(mimeType && { mimeType }),
    ...(sha256 && { sha256 }),
    ...(filename && { filename }),
  };
}

/** Where nobody says so, the format does: WhatsApp records in Opus, and people attach other files. */
function isVoice({ voice }: SentFile, { mimeType }: Media): boolean {
  return voice ?? (mimeType === undefined || /^audio\/(?:ogg|opus)\b/i.test(mimeType));
}

function isSound(type: MediaType): boolean {
  return type === "voice" || type === "audio";
}

/**
 * Kapso's description of a recording: `Audio attached (voice.ogg) [Size: …] URL: …`, an empty line or none, and then
 * what was said. The rest of its first line names the file, which its sender chose.
 */
function transcriptIn(content: string | undefined): string | undefined {
  const found = /^\[?Audio attached\]? \([^\n]*\n{1,2}Transcript: (?<said>[^]+)$/.exec(content ?? "");
  return found?.groups?.["said"]?.trim();
}

/** 32 bytes, in base64 in Meta's webhooks and in hexadecimal elsewhere. */
function toHex(sha256: string): string | undefined {
  if (/^[\da-f]{64}$/i.test(sha256)) return sha256.toLowerCase();
  if (!/^[\w+/-]{43}=?$/.test(sha256)) return undefined;
  return Buffer.from(sha256, "base64").toString("hex");
}
