import type { Choice, OutgoingContent, OutgoingTemplate, RichContent } from "../outgoing.ts";

/** A limit of WhatsApp's that a message does not keep. */
export interface BrokenLimit {
  /** Its name, such as `button.title`. */
  readonly limit: string;
  /** In words. */
  readonly message: string;
}

/**
 * What WhatsApp takes of each kind. Lengths are in UTF-16 units, which are never fewer than what Meta may count instead.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
 */
export const MAX = {
  text: 4096,
  caption: 1024,
  filename: 240,
  /** Of an interactive message; for lists Meta's pages disagree, and this is the smaller one. */
  body: 1024,
  header: 60,
  footer: 60,
  buttons: 3,
  buttonTitle: 20,
  buttonId: 256,
  listButton: 20,
  sections: 10,
  sectionTitle: 24,
  /** Of all sections together. */
  rows: 10,
  rowTitle: 24,
  rowDescription: 72,
  rowId: 200,
  linkTitle: 20,
  url: 2000,
  /** Meta's page says 257, its schema 5. */
  contacts: 5,
  place: 1000,
  templateName: 512,
  parameter: 1024,
} as const;

/** Undefined when it is kept. */
type Check = BrokenLimit | undefined;

/** The first limit that the message breaks; undefined when WhatsApp should take it. */
export function brokenLimit(content: OutgoingContent): BrokenLimit | undefined {
  return checksOf(content).find((broken) => broken !== undefined);
}

function checksOf(content: OutgoingContent): readonly Check[] {
  switch (content.type) {
    case "text":
      return [filled("text.body", content.text), length("text.body", content.text, MAX.text)];
    case "media":
      return [
        length("caption", content.caption, MAX.caption),
        length("filename", content.media.filename, MAX.filename),
      ];
    case "location":
      return [
        range("location.latitude", content.latitude, 90),
        range("location.longitude", content.longitude, 180),
        length("location.name", content.name, MAX.place),
        length("location.address", content.address, MAX.place),
      ];
    case "contacts":
      return [count("contacts", content.cards.length, MAX.contacts)];
    case "reaction":
      return [];
    case "buttons":
    case "list":
    case "link":
      return interactiveChecks(content);
    case "template":
      return templateChecks(content);
  }
}

type Interactive = Extract<RichContent, { readonly type: "buttons" | "list" | "link" }>;

function interactiveChecks(content: Interactive): readonly Check[] {
  return [
    filled("interactive.body", content.text),
    length("interactive.body", content.text, MAX.body),
    length("interactive.header", content.header, MAX.header),
    length("interactive.footer", content.footer, MAX.footer),
    ...actionChecks(content),
  ];
}

function actionChecks(content: Interactive): readonly Check[] {
  switch (content.type) {
    case "buttons":
      return [
        count("buttons", content.buttons.length, MAX.buttons),
        unique("button.title", content.buttons, "title"),
        unique("button.id", content.buttons, "id"),
        ...content.buttons.flatMap(({ id, title }) => [
          filled("button.title", title),
          length("button.title", title, MAX.buttonTitle),
          length("button.id", id, MAX.buttonId),
        ]),
      ];
    case "list": {
      const { button, sections } = content;
      const rows = sections.flatMap((section) => section.rows);
      return [
        filled("list.button", button),
        length("list.button", button, MAX.listButton),
        count("list.sections", sections.length, MAX.sections),
        count("list.rows", rows.length, MAX.rows),
        unique("row.id", rows, "id"),
        ...sections.flatMap(({ title }) => [
          // With one section alone WhatsApp shows none.
          ...(sections.length > 1 ? [filled("section.title", title ?? "")] : []),
          length("section.title", title, MAX.sectionTitle),
        ]),
        ...rows.flatMap(({ id, title, description }) => [
          filled("row.title", title),
          length("row.title", title, MAX.rowTitle),
          length("row.description", description, MAX.rowDescription),
          length("row.id", id, MAX.rowId),
        ]),
      ];
    }
    case "link":
      return [
        filled("link.title", content.title),
        length("link.title", content.title, MAX.linkTitle),
        length("link.url", content.url, MAX.url),
        address("link.url", content.url),
      ];
  }
}

function templateChecks({ name, language, header, body, buttons }: OutgoingTemplate): readonly Check[] {
  const values = [...body, ...buttons].map(({ text }) => text);
  const isMixed = body.some((one) => one.name !== undefined) && body.some((one) => one.name === undefined);
  return [
    length("template.name", name, MAX.templateName),
    rule("template.name", /^[a-z0-9_]+$/.test(name), `"${name}" may have small letters, digits and _ only`),
    rule(
      "template.language",
      /^[a-z]{2,3}(_[A-Za-z]{2,4})?$/.test(language),
      `"${language}" is none, unlike en_US`,
    ),
    rule("template.parameters", !isMixed, "named and numbered ones can not be mixed"),
    ...[...values, ...(header?.kind === "text" ? [header.value] : [])].flatMap((value) => [
      filled("template.parameter", value),
      length("template.parameter", value, MAX.parameter),
      rule(
        "template.parameter",
        !/[\n\r\t]| {5}/.test(value),
        "new lines, tabs and five spaces in a row are refused",
      ),
    ]),
    ...(header && header.kind !== "text" ? [address("template.header", header.value)] : []),
  ];
}

function length(limit: string, text: string | undefined, max: number): Check {
  return rule(limit, (text ?? "").length <= max, `${text?.length} characters, and WhatsApp takes ${max}`);
}

function filled(limit: string, text: string): Check {
  return rule(limit, text.trim() !== "", "it is empty");
}

function count(limit: string, found: number, max: number): Check {
  return rule(limit, found >= 1 && found <= max, `${found} of them, and WhatsApp takes 1 to ${max}`);
}

function range(limit: string, value: number, max: number): Check {
  return rule(limit, Math.abs(value) <= max, `${value} is not within -${max} and ${max} degrees`);
}

function unique(limit: string, choices: readonly Choice[], key: "id" | "title"): Check {
  const isKept = new Set(choices.map((choice) => choice[key])).size === choices.length;
  return rule(limit, isKept, "two are the same");
}

function address(limit: string, url: string): Check {
  const isKept = /^https?:\/\/[^\s/]+/i.test(url) && URL.canParse(url);
  return rule(limit, isKept, `"${url}" is no http or https address`);
}

function rule(limit: string, isKept: boolean, message: string): Check {
  return isKept ? undefined : { limit, message: `${limit}: ${message}` };
}
