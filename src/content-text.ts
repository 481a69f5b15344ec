import {
  MAX_TEXT_CHARS,
  type ContactCard,
  type Content,
  type MediaContent,
  type OrderItem,
} from "./content.ts";

const MAX_QUOTE_CHARS = 30_000;
/** Of one line; the rest is for what stands around them. */
const MAX_DETAILS_CHARS = MAX_TEXT_CHARS - 100;
const MAX_KIND_CHARS = 40;

/** What the agent reads: a text as it was written, and one line in square brackets for everything else. */
export function describeContent(content: Content): string {
  switch (content.type) {
    case "text":
      return content.text;
    case "image":
    case "video":
    case "audio":
    case "voice":
    case "document":
    case "sticker":
      return describeMedia(content);
    case "location":
      return describeLocation(content);
    case "contacts":
      return line("contact card", content.cards.map(describeCard), "; ");
    case "choice":
      return describeChoice(content);
    case "form":
      return line("filled in a form", [quote(content.name), answers(content.answers)]);
    case "order":
      return line("order", [...content.items.map(describeItem), quote(content.text, "note ")]);
    case "reaction":
      return describeReaction(content.emoji);
    case "edit":
      return line("edited a message", [nested(content.content)]);
    case "revoke":
      return "[deleted a message]";
    case "system":
      return line("account news", [word(content.event), quote(content.text)]);
    case "unsupported":
      return notShown(content.what);
    case "unknown":
      return notShown(content.kind);
  }
}

/** Whether a person waits for an answer to it. The rest tells of another message, or of an account. */
export function startsTurn(content: Content): boolean {
  switch (content.type) {
    case "reaction":
    case "edit":
    case "revoke":
    case "system":
    case "unsupported":
      return false;
    default:
      return true;
  }
}

/** People choose captions, names and ids: quoted and on one line, they can not pass for something of ours. */
export function quoteText(text: string, maxChars: number): string {
  const inner = oneLine(text).replaceAll('"', "'");
  return inner.length <= maxChars ? `"${inner}"` : `"${inner.slice(0, maxChars).toWellFormed()}…"`;
}

const MEDIA_NAMES: Readonly<Partial<Record<MediaContent["type"], string>>> = {
  audio: "audio file",
  voice: "voice message",
};

function describeMedia({ type, media, caption, transcript }: MediaContent): string {
  // Nobody named these.
  const filename = type === "voice" || type === "sticker" ? undefined : media.filename;
  return line(MEDIA_NAMES[type] ?? type, [
    quote(filename),
    quote(caption, "caption "),
    quote(transcript, "transcript "),
  ]);
}

function describeLocation(place: Content & { readonly type: "location" }): string {
  const { latitude, longitude, name, address } = place;
  return line("location", [`${shortest(latitude)},${shortest(longitude)}`, quote(name), quote(address)]);
}

/** A millionth of a degree is a hand's breadth, and never written as 1e-7. */
function shortest(degrees: number): string {
  return String(Number(degrees.toFixed(6)));
}

function describeCard({ name, phones, emails, organisation }: ContactCard): string {
  const numbers = phones.map((phone) => (/^\+\d{1,20}$/.test(phone) ? phone : quote(phone)));
  const details = [
    quote(name),
    ...numbers,
    ...emails.map((email) => quote(email)),
    quote(organisation, "of "),
  ];
  return details.filter(Boolean).join(", ");
}

function describeChoice({ id, title, description }: Content & { readonly type: "choice" }): string {
  const mark = id === undefined || id === title ? "" : quote(id, "id ");
  return line("chose", [mark ? `${quote(title)} (${mark})`.trim() : quote(title), quote(description)]);
}

function describeItem({ product, quantity, price, currency }: OrderItem): string {
  const what = `${quantity} x ${quote(product) || "a product without a name"}`;
  if (price === undefined) return what;
  const money = currency !== undefined && /^[A-Z]{3}$/.test(currency) ? ` ${currency}` : "";
  const isInCents = !Number.isInteger(price) && Number(price.toFixed(2)) === price;
  return `${what} at ${isInCents ? price.toFixed(2) : price}${money}`;
}

const EMOJI = /^\p{RGI_Emoji}$/v;

/** A person can send any text as an emoji. Some leave out the mark that asks for colours. */
function describeReaction(emoji: string | undefined): string {
  if (emoji === undefined) return "[took back a reaction]";
  if (EMOJI.test(emoji) || EMOJI.test(`${emoji}\uFE0F`)) return `[reaction ${emoji}]`;
  return line("reaction", [quote(emoji)]);
}

function nested(content: Content): string {
  return content.type === "text" ? quote(content.text) : describeContent(content);
}

/** JSON stays JSON: only what would end the line, or look as if it ended the quotes, is written in another way. */
function answers(json: string | undefined): string {
  if (json === undefined) return "";
  const text = json
    .replaceAll(/\\["\\]/g, ([, sign]) => escapeUnit(sign ?? ""))
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, escapeUnit);
  return text.length <= MAX_QUOTE_CHARS ? `answers ${text}` : "answers too long to be shown";
}

function escapeUnit(unit: string): string {
  return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
}

function notShown(kind: string | undefined): string {
  return `[${`${word(kind)} message that can not be shown here`.trim()}]`;
}

/** A word of WhatsApp's: it has no signs in it. */
function word(text: string | undefined): string {
  return oneLine((text ?? "").replace(/[^\p{L}\p{N}_.-]+/gu, " "))
    .slice(0, MAX_KIND_CHARS)
    .toWellFormed();
}

/** As many details as fit; all of them, unless somebody tries how many do. */
function line(head: string, details: readonly string[], separator = ", "): string {
  let text = "";
  for (const detail of details.filter(Boolean)) {
    const more = text === "" ? detail : separator + detail;
    if (text.length + more.length > MAX_DETAILS_CHARS) return `[${head}: ${text} …]`;
    text += more;
  }
  return text === "" ? `[${head}]` : `[${head}: ${text}]`;
}

function quote(text: string | undefined, label = ""): string {
  const quoted = quoteText(text ?? "", MAX_QUOTE_CHARS);
  return quoted === '""' ? "" : label + quoted;
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
}
