import type { MediaType } from "../content.ts";

/** What is known of a file that is to be sent. */
export interface Candidate {
  /** Found in the bytes. */
  readonly mimeType: string;
  readonly bytes: number;
  /** As people will see it: some types are told apart by the extension only. */
  readonly filename: string;
  /** The first bytes, as many as tell a recording's codec and a moving picture from a still one. */
  readonly head: Uint8Array;
}

export interface Wish {
  readonly asVoice?: boolean;
  readonly asSticker?: boolean;
  /** As a file to keep, whatever it is. */
  readonly asDocument?: boolean;
}

export type Decision =
  | {
      readonly kind: "send";
      readonly as: MediaType;
      /** What WhatsApp is told. */
      readonly mimeType: string;
      /** Why it is not sent as what it is or was asked for as. */
      readonly note?: string;
    }
  | {
      readonly kind: "refused";
      /** In words for the person, as the end of a sentence. */ readonly reason: string;
    };

/** The smaller of the two readings of "MB", which is inside of both. */
const MB = 1_000_000;
const KB = 1000;
const OFFICE = "application/vnd.openxmlformats-officedocument";
const AUDIO = ["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"];

/**
 * What WhatsApp takes as what.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
 */
export const LIMITS = {
  image: { types: ["image/jpeg", "image/png"], maxBytes: 5 * MB },
  video: { types: ["video/mp4", "video/3gpp"], maxBytes: 16 * MB },
  /** Ogg only with Opus, and that only in mono. */
  audio: { types: AUDIO, maxBytes: 16 * MB },
  voice: { types: ["audio/ogg"], maxBytes: 16 * MB },
  /** Five times as much when it moves. */
  sticker: { types: ["image/webp"], maxBytes: 100 * KB },
  document: {
    types: [
      "text/plain",
      "application/pdf",
      "application/msword",
      "application/vnd.ms-excel",
      "application/vnd.ms-powerpoint",
      `${OFFICE}.wordprocessingml.document`,
      `${OFFICE}.spreadsheetml.sheet`,
      `${OFFICE}.presentationml.presentation`,
    ],
    maxBytes: 100 * MB,
  },
} as const satisfies Record<MediaType, { readonly types: readonly string[]; readonly maxBytes: number }>;

const MAX_MOVING_STICKER = 500 * KB;
/** Enough of a file for `Candidate.head`. */
export const HEAD_BYTES = 4096;

/** Pictures that can be made into one that WhatsApp shows. */
const OTHER_PICTURES = new Set([
  "image/webp",
  "image/heic",
  "image/heif",
  "image/avif",
  "image/tiff",
  "image/bmp",
]);

/** Other names of the same thing. */
const SAME: Readonly<Record<string, string>> = {
  "audio/x-m4a": "audio/mp4",
  "audio/m4a": "audio/mp4",
  "audio/mp3": "audio/mpeg",
  "audio/opus": "audio/ogg",
  "application/ogg": "audio/ogg",
  "video/x-m4v": "video/mp4",
  "image/jpg": "image/jpeg",
  "image/apng": "image/png",
  "image/heic-sequence": "image/heic",
  "image/heif-sequence": "image/heif",
};

/** Text under other names, and plain text to WhatsApp. */
const TEXT =
  /^(?:text\/.+|application\/(?:json|xml|yaml|x-yaml|toml|rtf|javascript|x-sh|x-ndjson|sql)|.+\+(?:xml|json))$/;
/** One container for all three; what is in it shows in the name. */
const OLD_OFFICE: Readonly<Record<string, string>> = {
  doc: "application/msword",
  xls: "application/vnd.ms-excel",
  ppt: "application/vnd.ms-powerpoint",
};

/** How a file is sent, by what it is and how large it is; what it is called decides nothing but the kind of an old office file. */
export function decideKind(file: Candidate, wish: Wish): Decision {
  const mimeType = knownType(file);
  if (file.bytes === 0) return { kind: "refused", reason: "it is empty" };
  if (wish.asDocument === true) return asDocument(file, mimeType);
  if (wish.asSticker === true && mimeType === "image/webp" && file.bytes <= stickerLimit(file))
    return { kind: "send", as: "sticker", mimeType };
  if (mimeType === "audio/ogg" && !isMonoOpus(file.head))
    return asDocument(file, mimeType, "WhatsApp plays Ogg recordings only if they are Opus in mono");
  if (wish.asVoice === true && fits("voice", mimeType, file)) return { kind: "send", as: "voice", mimeType };
  for (const as of ["image", "video", "audio"] as const) {
    if (!isOfKind(as, mimeType)) continue;
    if (file.bytes > LIMITS[as].maxBytes)
      return asDocument(
        file,
        mimeType,
        `WhatsApp takes ${WORDS[as]} only up to ${showSize(LIMITS[as].maxBytes)}`,
      );
    const isOtherwise = wish.asVoice === true && as === "audio";
    return {
      kind: "send",
      as,
      mimeType,
      ...(isOtherwise && { note: "a voice message must be Opus in Ogg" }),
    };
  }
  if (mimeType.startsWith("image/"))
    return asDocument(file, mimeType, "WhatsApp shows only JPEG and PNG as pictures");
  return asDocument(file, mimeType);
}

/** True for a picture that would be shown as one if it were converted or made smaller. */
export function isConvertible(file: Candidate): boolean {
  const mimeType = knownType(file);
  if (isOfKind("image", mimeType)) return file.bytes > LIMITS.image.maxBytes;
  return OTHER_PICTURES.has(mimeType) && !isMovingWebp(file.head);
}

const WORDS = { image: "pictures", video: "videos", audio: "recordings" } as const;

function asDocument(file: Candidate, mimeType: string, why?: string): Decision {
  const { maxBytes } = LIMITS.document;
  if (!isDocumentType(mimeType))
    return { kind: "refused", reason: `WhatsApp does not take files of this type (${mimeType})` };
  if (file.bytes > maxBytes)
    return {
      kind: "refused",
      reason: `it is larger than the ${showSize(maxBytes)} that WhatsApp takes (${showSize(file.bytes)})`,
    };
  return { kind: "send", as: "document", mimeType, ...(why && { note: `sent as a file: ${why}` }) };
}

/**
 * Meta lists documents only; what it takes as another kind and is no longer fit for that is worth the try. An upload of
 * any other type is refused (error 100).
 */
function isDocumentType(mimeType: string): boolean {
  return (
    isOfKind("document", mimeType) ||
    isOfKind("video", mimeType) ||
    isOfKind("audio", mimeType) ||
    isOfKind("image", mimeType) ||
    isOfKind("sticker", mimeType)
  );
}

function knownType({ mimeType, filename }: Candidate): string {
  const type = mimeType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const extension = filename.split(".").at(-1)?.toLowerCase() ?? "";
  if (type === "application/x-cfb") return OLD_OFFICE[extension] ?? type;
  return TEXT.test(type) ? "text/plain" : (SAME[type] ?? type);
}

function fits(as: MediaType, mimeType: string, { bytes }: Candidate): boolean {
  return isOfKind(as, mimeType) && bytes <= LIMITS[as].maxBytes;
}

function isOfKind(as: MediaType, mimeType: string): boolean {
  const types: readonly string[] = LIMITS[as].types;
  return types.includes(mimeType);
}

function stickerLimit({ head }: Candidate): number {
  return isMovingWebp(head) ? MAX_MOVING_STICKER : LIMITS.sticker.maxBytes;
}

/** The flag of the extended header: https://developers.google.com/speed/webp/docs/riff_container#extended_file_format */
function isMovingWebp(head: Uint8Array): boolean {
  return ascii(head, 8, 16) === "WEBPVP8X" && ((head[20] ?? 0) & 0x02) !== 0;
}

/** The first page holds the identification header alone: https://www.rfc-editor.org/rfc/rfc7845#section-5.1 */
function isMonoOpus(head: Uint8Array): boolean {
  const start = 27 + (head[26] ?? 0);
  return (
    ascii(head, 0, 4) === "OggS" && ascii(head, start, start + 8) === "OpusHead" && head[start + 9] === 1
  );
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

export function showSize(bytes: number): string {
  return bytes < MB ? `${Math.ceil(bytes / KB)} kB` : `${Math.ceil(bytes / 100_000) / 10} MB`;
}
