import { basename } from "node:path";
import { isBlank } from "../../src/blank.ts";
import { describeError } from "../../src/errors.ts";
import { describeOutgoing, type OutgoingContent, type RichContent } from "../../src/outgoing.ts";
import type { NewOutgoing } from "../../src/pipeline/outbox.ts";
import { BURST } from "../../src/pipeline/pair-rate.ts";
import { readSmallFile } from "../../src/small-file.ts";
import { brokenLimit } from "../../src/whatsapp/limits.ts";
import { toMessages } from "../../src/whatsapp/messages.ts";
import { splitText } from "../../src/whatsapp/split.ts";
import { usage, type MediaRequest, type SendRequest } from "./options.ts";
import { decodeText } from "./stdin.ts";

/** The messages of a request, in order, none of them beyond a limit of WhatsApp's; the code of a kind is loaded when needed. */
export async function readContents(
  request: Exclude<SendRequest, MediaRequest>,
  readText: () => Promise<string>,
  isMarkdown: boolean,
): Promise<readonly OutgoingContent[]> {
  const contents: readonly OutgoingContent[] =
    request.kind === "text"
      ? (await split(request.text ?? (await readText()), isMarkdown)).map((text) => ({ type: "text", text }))
      : [await readRich(request, async (text) => unsplit(text ?? (await readText()), isMarkdown))];
  for (const content of contents) requireLimits(content);
  if (contents.length === 0) throw usage("There is nothing to send: the text is empty");
  if (contents.length > BURST)
    throw usage(
      `The text makes ${contents.length} messages, and WhatsApp takes ${BURST} at once`,
      "send it in pieces, some minutes apart",
    );
  return contents;
}

/** @throws CommandError that names the limit */
export function requireLimits(content: OutgoingContent): void {
  const broken = brokenLimit(content);
  if (broken)
    throw usage(`WhatsApp would not take it: ${broken.message}`, undefined, { limit: broken.limit });
}

/** As the outbox keeps it. */
export function toOutgoing(content: OutgoingContent): Omit<NewOutgoing, "to"> {
  switch (content.type) {
    case "text":
      return { text: content.text };
    case "media":
      return { text: content.caption ?? "", media: content.media };
    default:
      return { text: describeOutgoing(content), content };
  }
}

async function readRich(
  request: Exclude<SendRequest, MediaRequest | { readonly kind: "text" }>,
  body: (text: string | undefined) => Promise<string>,
): Promise<RichContent> {
  const rich = await import("./rich-content.ts");
  switch (request.kind) {
    case "buttons":
      return rich.readButtons(request.value, await body(request.text));
    case "link":
      return rich.readLink(request.value, await body(request.text));
    case "list": {
      const { readList } = await import("./list-file.ts");
      const { text, ...list } = readList(readTextFile(request.value), request.value);
      return { ...list, text: await body(request.text ?? text) };
    }
    case "contact": {
      const { readCards } = await import("./vcard.ts");
      const cards = readCards(readTextFile(request.value));
      if (cards.length === 0) throw usage(`${basename(request.value)} has no contact in it: it is no vCard`);
      return { type: "contacts", cards };
    }
    case "location":
      return rich.readLocation(request.value);
    case "react":
      return rich.readReaction(request.value, request.emoji);
    case "template":
      return rich.readTemplate(request);
  }
}

async function split(text: string, isMarkdown: boolean): Promise<readonly string[]> {
  const parts = isMarkdown ? await toMessages(text) : splitText(text);
  return parts.filter((part) => !isBlank(part));
}

/** The text of an interactive message is one, or too long. */
async function unsplit(text: string, isMarkdown: boolean): Promise<string> {
  const parts = await split(text, isMarkdown);
  return parts.length <= 1 ? (parts[0] ?? "") : text;
}

function readTextFile(file: string): string {
  return decodeText(readSmall(file), file);
}

function readSmall(file: string): Buffer {
  try {
    return readSmallFile(file);
  } catch (error) {
    throw usage(`Cannot read ${file}: ${describeError(error)}`);
  }
}
