/** What a message can be, whichever provider brought it. Every text in it is its sender's: hostile until it is quoted. */
export type Content =
  | { readonly type: "text"; readonly text: string }
  | MediaContent
  | {
      readonly type: "location";
      /** Degrees. */
      readonly latitude: number;
      readonly longitude: number;
      readonly name?: string;
      readonly address?: string;
      readonly url?: string;
    }
  | { readonly type: "contacts"; readonly cards: readonly ContactCard[] }
  /** A button or a row of a list of ours, pressed. */
  | { readonly type: "choice"; readonly id?: string; readonly title: string; readonly description?: string }
  /** A form (WhatsApp calls it a flow), filled in. */
  | { readonly type: "form"; readonly name?: string; /** JSON, if it was any. */ readonly answers?: string }
  | {
      readonly type: "order";
      readonly catalogId?: string;
      readonly text?: string;
      readonly items: readonly OrderItem[];
    }
  /** Without an emoji it takes the sender's reaction back. */
  | { readonly type: "reaction"; /** wamid */ readonly target: string; readonly emoji?: string }
  | { readonly type: "edit"; /** wamid */ readonly target: string; readonly content: Content }
  | { readonly type: "revoke"; /** wamid */ readonly target: string }
  /** WhatsApp's own word on a person's account. */
  | {
      readonly type: "system";
      readonly event: string;
      readonly text?: string;
      readonly change?: IdentityChange;
    }
  /** Something that WhatsApp shows to people and does not pass on; `what` is its word for it. */
  | { readonly type: "unsupported"; readonly what?: string }
  /** A kind that was invented after this was written; `kind` is WhatsApp's word. */
  | { readonly type: "unknown"; readonly kind: string };

export type MediaType = "image" | "video" | "audio" | "voice" | "document" | "sticker";

export interface MediaContent {
  readonly type: MediaType;
  readonly media: Media;
  readonly caption?: string;
  /** What is said in it, if the provider wrote it down. */
  readonly transcript?: string;
}

/** A file at the provider; at least one of `id` and `url` is there, unless the provider could not get it itself. */
export interface Media {
  readonly id?: string;
  /** Where it can be had now, for minutes at Meta. Whoever knows it can have the file: never shown, never logged. */
  readonly url?: string;
  /** As claimed. */
  readonly mimeType?: string;
  /** Hexadecimal, as claimed. */
  readonly sha256?: string;
  /** As its sender called it, without what would mislead: for people to read, never a path. */
  readonly filename?: string;
}

export interface ContactCard {
  readonly name?: string;
  readonly phones: readonly string[];
  readonly emails: readonly string[];
  readonly organisation?: string;
}

export interface OrderItem {
  readonly product: string;
  readonly quantity: number;
  readonly price?: number;
  readonly currency?: string;
}

/** A person has another number or user id from now on. */
export interface IdentityChange {
  /** E.164 digits. */
  readonly oldPhone?: string;
  readonly newPhone?: string;
  readonly oldBsuid?: string;
  readonly newBsuid?: string;
}

/** Of any text in a content; four times what fits into one message of WhatsApp. */
export const MAX_TEXT_CHARS = 65_536;

const MEDIA_TYPES: ReadonlySet<string> = new Set<MediaType>([
  "image",
  "video",
  "audio",
  "voice",
  "document",
  "sticker",
]);

export function isMedia(content: Content): content is MediaContent {
  return MEDIA_TYPES.has(content.type);
}
