import type { OutgoingCard } from "../../src/outgoing.ts";

interface Property {
  readonly name: string;
  /** In capitals. */
  readonly parameters: string;
  readonly value: string;
}

const TYPES = ["CELL", "MAIN", "IPHONE", "HOME", "WORK"] as const;

/** The people in a vCard file, 2.1 to 4.0. https://www.rfc-editor.org/rfc/rfc6350 */
export function readCards(text: string): readonly OutgoingCard[] {
  // A line that begins with a space goes on with the one before.
  const lines = text
    .replace(/^\uFEFF/, "")
    .replaceAll(/\r?\n[ \t]/g, "")
    .split(/\r?\n/);
  const cards: OutgoingCard[] = [];
  let properties: Property[] | undefined;
  for (const line of joinSoftBreaks(lines)) {
    if (/^BEGIN:VCARD\s*$/i.test(line)) properties = [];
    else if (/^END:VCARD\s*$/i.test(line)) {
      const card = properties && toCard(properties);
      if (card) cards.push(card);
      properties = undefined;
    } else properties?.push(...readProperty(line));
  }
  return cards;
}

/** vCard 2.1: a quoted-printable value goes on behind a "=" at the end of the line. */
function joinSoftBreaks(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (const line of lines) {
    const last = joined.at(-1);
    if (last !== undefined && /^[^:]*QUOTED-PRINTABLE[^:]*:.*=$/is.test(last))
      joined[joined.length - 1] = last.slice(0, -1) + line;
    else joined.push(line);
  }
  return joined;
}

function readProperty(line: string): Property[] {
  const match = /^(?:[\w-]+\.)?([\w-]+)((?:;(?:"[^"]*"|[^":])*)?):(.*)$/s.exec(line);
  if (!match) return [];
  const [, name = "", parameters = "", value = ""] = match;
  const isEncoded = /QUOTED-PRINTABLE/i.test(parameters);
  return [
    {
      name: name.toUpperCase(),
      parameters: parameters.toUpperCase(),
      value: isEncoded ? decodeQuotedPrintable(value) : value,
    },
  ];
}

function toCard(properties: readonly Property[]): OutgoingCard | undefined {
  const all = (name: string) => properties.filter((property) => property.name === name);
  const first = (name: string) => all(name)[0]?.value ?? "";
  const [lastName = "", firstName = ""] = fields(first("N"));
  const [organisation = ""] = fields(first("ORG"));
  const phones = all("TEL")
    .map(readPhone)
    .filter(({ phone }) => phone !== "");
  const name = plain(first("FN")) || [firstName, lastName].filter(Boolean).join(" ") || organisation;
  if (name === "") return undefined;
  return {
    name,
    ...(firstName !== "" && { firstName }),
    ...(lastName !== "" && { lastName }),
    phones,
    emails: all("EMAIL")
      .map(({ value }) => plain(value))
      .filter(Boolean),
    ...(organisation !== "" && { organisation }),
  };
}

function readPhone({ parameters, value }: Property): OutgoingCard["phones"][number] {
  const type = TYPES.find((name) => parameters.includes(name));
  return { phone: plain(value).replace(/^tel:/i, ""), ...(type && { type }) };
}

/** Parts between semicolons; a written one has a backslash before it. */
function fields(value: string): string[] {
  return value.split(/(?<!\\);/).map(plain);
}

function plain(value: string): string {
  return value.replaceAll(/\\n/gi, " ").replaceAll(/\\(.)/g, "$1").trim();
}

function decodeQuotedPrintable(text: string): string {
  const bytes = text.replaceAll(/=([\dA-F]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
