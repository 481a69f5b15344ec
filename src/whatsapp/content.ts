import { z } from "zod";
import type { Content } from "../content.ts";
import { readCards } from "./card-content.ts";
import { readInteractive, readOrder, readTemplateButton } from "./choice-content.ts";
import { cut, decimal, fieldOf, id, url, words } from "./fields.ts";
import { readMedia } from "./media-content.ts";
import { readSystem } from "./system-content.ts";

const MAX_KIND_CHARS = 100;

/**
 * What a message says; `kind` is WhatsApp's word for it. Total: every object gives a content, a kind that is not invented
 * yet too. Undefined only for a text without a text.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
 */
export function readContent(kind: string, message: unknown): Content | undefined {
  switch (kind) {
    case "text":
      return readText(message);
    case "image":
    case "video":
    case "audio":
    case "voice":
    case "document":
    case "sticker":
      return readMedia(kind, message);
    case "location":
      return readLocation(message) ?? readUnknown(kind, message);
    case "contacts":
      return readCards(message);
    case "interactive": {
      const reply = readInteractive(message);
      return typeof reply === "string" ? readUnknown(reply, message) : reply;
    }
    case "button":
      return readTemplateButton(message) ?? readUnknown(kind, message);
    case "order":
      return readOrder(message);
    default:
      return readNews(kind, message) ?? readUnknown(kind, message);
  }
}

/** What tells of another message or of an account. Without saying of which it is of no use to anybody. */
function readNews(kind: string, message: unknown): Content | undefined {
  switch (kind) {
    case "reaction":
      return readReaction(message) ?? { type: "unsupported", what: kind };
    case "edit":
      return readEdit(message) ?? { type: "unsupported", what: kind };
    case "revoke":
      return readRevoke(message) ?? { type: "unsupported", what: kind };
    case "system":
      return readSystem(message);
    case "request_welcome":
      return { type: "system", event: kind };
    case "unsupported":
      return readUnsupported(message);
    case "ephemeral":
      return { type: "unsupported", what: kind };
    default:
      return undefined;
  }
}

function readText(message: unknown): Content | undefined {
  const body = fieldOf(fieldOf(message, "text"), "body");
  return typeof body === "string" ? { type: "text", text: words.parse(body) ?? "" } : undefined;
}

const degrees = (max: number) => decimal.refine((value) => Math.abs(value) <= max);
const location = z.object({
  latitude: degrees(90),
  longitude: degrees(180),
  name: words,
  address: words,
  url,
});

/** Undefined without coordinates: none are better than a place in the sea. */
function readLocation(message: unknown): Content | undefined {
  const place = location.safeParse(fieldOf(message, "location")).data;
  if (!place) return undefined;
  const { latitude, longitude, name, address, url: page } = place;
  return {
    type: "location",
    latitude,
    longitude,
    ...(name && { name }),
    ...(address && { address }),
    ...(page && { url: page }),
  };
}

/** Taken back: Meta leaves the emoji out, others send an empty one. */
function readReaction(message: unknown): Content | undefined {
  const reaction = fieldOf(message, "reaction");
  const target = id.parse(fieldOf(reaction, "message_id"));
  const emoji = words.parse(fieldOf(reaction, "emoji"));
  return target === undefined ? undefined : { type: "reaction", target, ...(emoji && { emoji }) };
}

/** Nobody edits an edit; so it can not be nested without end. */
function readEdit(message: unknown): Content | undefined {
  const edit = fieldOf(message, "edit");
  const target = id.parse(fieldOf(edit, "original_message_id"));
  if (target === undefined) return undefined;
  const now = fieldOf(edit, "message");
  const kind = words.parse(fieldOf(now, "type")) ?? "unknown";
  const content = kind === "edit" ? undefined : readContent(kind, now);
  return { type: "edit", target, content: content ?? unknown(kind) };
}

function readRevoke(message: unknown): Content | undefined {
  const target = id.parse(fieldOf(fieldOf(message, "revoke"), "original_message_id"));
  return target === undefined ? undefined : { type: "revoke", target };
}

function readUnsupported(message: unknown): Content {
  const what = words.parse(fieldOf(fieldOf(message, "unsupported"), "type"));
  return { type: "unsupported", ...(what && { what: cut(what, MAX_KIND_CHARS) }) };
}

/** What WhatsApp does not pass on comes with the reason; older versions of the API call such a message `unknown`. */
function readUnknown(kind: string, message: unknown): Content {
  const errors = fieldOf(message, "errors");
  if (!Array.isArray(errors) || errors.length === 0) return unknown(kind);
  return { type: "unsupported", ...(kind !== "unknown" && { what: cut(kind, MAX_KIND_CHARS) }) };
}

function unknown(kind: string): Content {
  return { type: "unknown", kind: cut(kind, MAX_KIND_CHARS) };
}
