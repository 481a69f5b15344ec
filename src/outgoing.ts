import type { MediaType } from "./content.ts";
import type { OutgoingMedia } from "./pipeline/media.ts";

/** A message of ours, as we mean it; `src/whatsapp/outgoing.ts` knows how WhatsApp wants it. */
export type OutgoingContent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "media"; readonly media: OutgoingMedia; readonly caption?: string }
  | RichContent;

/** What is neither a text nor a file. */
export type RichContent =
  | {
      readonly type: "location";
      /** Degrees. */
      readonly latitude: number;
      readonly longitude: number;
      readonly name?: string;
      readonly address?: string;
    }
  | { readonly type: "contacts"; readonly cards: readonly OutgoingCard[] }
  /** Without an emoji ("") it takes our reaction back. */
  | { readonly type: "reaction"; /** wamid */ readonly target: string; readonly emoji: string }
  | (Framed & { readonly type: "buttons"; readonly buttons: readonly Choice[] })
  | (Framed & {
      readonly type: "list";
      /** What opens the list. */
      readonly button: string;
      readonly sections: readonly ListSection[];
    })
  | (Framed & { readonly type: "link"; readonly title: string; readonly url: string })
  | OutgoingTemplate;

/** The text of an interactive message, with what may stand around it. */
interface Framed {
  readonly text: string;
  readonly header?: string;
  readonly footer?: string;
}

export interface Choice {
  /** Comes back with the press. */
  readonly id: string;
  readonly title: string;
}

export interface ListSection {
  readonly title?: string;
  readonly rows: readonly (Choice & { readonly description?: string })[];
}

export interface OutgoingCard {
  readonly name: string;
  readonly firstName?: string;
  readonly lastName?: string;
  /** In WhatsApp's words: CELL, HOME, WORK, … */
  readonly phones: readonly { readonly phone: string; readonly type?: string }[];
  readonly emails: readonly string[];
  readonly organisation?: string;
}

export interface OutgoingTemplate {
  readonly type: "template";
  readonly name: string;
  /** Such as `en_US`. */
  readonly language: string;
  readonly header?: {
    readonly kind: "text" | "image" | "video" | "document";
    /** The text, or the file's public address. */
    readonly value: string;
  };
  /** In order; with names, if the template has some. */
  readonly body: readonly { readonly name?: string; readonly text: string }[];
  /** What fills in the address of a button. */
  readonly buttons: readonly { readonly index: number; readonly text: string }[];
}

/**
 * Lengths that WhatsApp takes, in UTF-16 units, which are never fewer than what Meta may count instead.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
 */
export const MAX_TEXT = 4096;
export const MAX_CAPTION = 1024;

/** Whether a text can stand below a file. */
export function canCaption(as: MediaType, text: string): boolean {
  return (as === "image" || as === "video" || as === "document") && text.length <= MAX_CAPTION;
}

export type OutgoingKind = "text" | MediaType | RichContent["type"];

/** What a message of ours is, in one word. */
export function kindOf({
  media,
  content,
}: {
  readonly media?: OutgoingMedia | undefined;
  readonly content?: RichContent | undefined;
}): OutgoingKind {
  return content?.type ?? media?.as ?? "text";
}

/** One line of what it says, for whoever reads the conversation later. */
export function describeOutgoing(content: RichContent): string {
  switch (content.type) {
    case "location":
      return line("location", [
        `${content.latitude},${content.longitude}`,
        content.name ?? "",
        content.address ?? "",
      ]);
    case "contacts":
      return line(
        "contact card",
        content.cards.map(({ name, phones }) => [name, ...phones.map(({ phone }) => phone)].join(" ")),
      );
    case "reaction":
      return content.emoji === "" ? "[took a reaction back]" : `[reacted with ${content.emoji}]`;
    case "buttons":
      return `${content.text}\n${line(
        "buttons",
        content.buttons.map(({ title }) => title),
      )}`;
    case "list":
      return `${content.text}\n${line(
        "list",
        content.sections.flatMap(({ rows }) => rows.map(({ title }) => title)),
      )}`;
    case "link":
      return `${content.text}\n${line("link", [content.title, content.url])}`;
    case "template":
      return line("template", [content.name, ...content.body.map(({ text }) => text)]);
  }
}

function line(kind: string, details: readonly string[]): string {
  const told = details.filter((detail) => detail !== "").join(", ");
  return told === "" ? `[${kind}]` : `[${kind}: ${told}]`;
}
