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
import type { Io } from "../io.ts";
import { usage, type SendOptions, type Spoken } from "./options.ts";
import { decodeText, readStdin } from "./stdin.ts";

/** What is to be said, before a file of it is looked at. */
export type Said = readonly OutgoingContent[];

/** The messages of a command line, in order, none of them beyond a limit of WhatsApp's; undefined for a file. */
export async function readContent(io: Io, options: SendOptions, spoken: Spoken): Promise<Said | undefined> {
  if (spoken.kind === "media") return undefined;
  const contents = await parse(io, options, spoken);
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

async function parse(io: Io, options: SendOptions, spoken: Spoken): Promise<Said> {
  const { location, contact, react, template } = options;
  if (spoken.kind === "text")
    return (await partsOf(await textOf(io, spoken), options)).map((text) => ({ type: "text", text }));
  if (location === undefined && contact === undefined && react === undefined && template === undefined)
    return [await readInteractive(io, options, spoken)];
  const simple = await import("./simple.ts");
  if (location !== undefined) return [simple.readLocation(location)];
  if (contact !== undefined) return [await readContacts(contact)];
  if (react !== undefined) return [simple.readReaction(react, spoken.emoji)];
  return [simple.readTemplate(template ?? "", options.lang, options.param ?? [])];
}

async function readInteractive(io: Io, options: SendOptions, spoken: Spoken): Promise<RichContent> {
  if (options.list !== undefined) return readList(io, options.list, options, spoken);
  const { readButtons, readLink } = await import("./simple.ts");
  const text = await bodyOf(await textOf(io, spoken), options);
  return options.buttons === undefined
    ? readLink(options.link ?? "", text)
    : readButtons(options.buttons, text);
}

async function readList(io: Io, file: string, options: SendOptions, spoken: Spoken): Promise<RichContent> {
  const { readList: parseList } = await import("./list-file.ts");
  const { text: written, rows, sections = [], button, header, footer } = parseList(readText(file), file);
  const text = spoken.text ?? written ?? (await readStdin(io));
  const all = [...(rows ? [{ title: undefined, rows }] : []), ...sections];
  return {
    type: "list",
    text: await bodyOf(text, options),
    button,
    ...(header !== undefined && { header }),
    ...(footer !== undefined && { footer }),
    sections: all.map((section) => ({
      ...(section.title !== undefined && { title: section.title }),
      // What is pressed comes back as its title, unless it has an id.
      rows: section.rows.map(({ title, ...row }) => withId(title, row)),
    })),
  };
}

function withId(
  title: string,
  { id, description }: { readonly id?: string | undefined; readonly description?: string | undefined },
) {
  return { id: id ?? title, title, ...(description !== undefined && { description }) };
}

async function readContacts(file: string): Promise<RichContent> {
  const { readCards } = await import("./vcard.ts");
  const cards = readCards(readText(file));
  if (cards.length === 0) throw usage(`${basename(file)} has no contact in it: it is no vCard`);
  return { type: "contacts", cards };
}

async function textOf(io: Io, { text }: Spoken): Promise<string> {
  return text ?? readStdin(io);
}

async function partsOf(text: string, { markdown }: SendOptions): Promise<readonly string[]> {
  const parts = markdown ? await toMessages(text) : splitText(text);
  return parts.filter((part) => !isBlank(part));
}

/** The text of an interactive message, which can not be split. */
async function bodyOf(text: string, options: SendOptions): Promise<string> {
  const parts = await partsOf(text, options);
  return parts.length <= 1 ? (parts[0] ?? "") : text;
}

function readText(file: string): string {
  return decodeText(readSmall(file), file);
}

function readSmall(file: string): Buffer {
  try {
    return readSmallFile(file);
  } catch (error) {
    throw usage(`Cannot read ${file}: ${describeError(error)}`);
  }
}
