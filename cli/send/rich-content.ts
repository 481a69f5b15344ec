import type { OutgoingTemplate, RichContent } from "../../src/outgoing.ts";
import { usage, type TemplateRequest } from "./options.ts";

/** `LAT,LON`, and a name behind a further comma. */
export function readLocation(text: string): RichContent {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*(?:,(.*))?$/s.exec(text);
  if (!match) throw usage(`"${text}" is no place: give --location 48.2082,16.3738 or 48.2082,16.3738,Vienna`);
  const name = match[3]?.trim() ?? "";
  return {
    type: "location",
    latitude: Number(match[1]),
    longitude: Number(match[2]),
    ...(name !== "" && { name }),
  };
}

export function readReaction(target: string, emoji: string): RichContent {
  if (emoji === "") return { type: "reaction", target: readWamid(target, "--react"), emoji };
  // Some emoji are signs of text unless a selector says otherwise.
  const shown = [emoji, `${emoji}\uFE0F`].find((form) => /^\p{RGI_Emoji}$/v.test(form));
  if (shown === undefined) throw usage(`"${emoji}" is not one emoji`);
  return { type: "reaction", target: readWamid(target, "--react"), emoji: shown };
}

export function readWamid(text: string, option: string): string {
  if (!/^wamid\.[^\s"]{1,1000}$/.test(text))
    throw usage(`${option}: "${text}" is no message id of WhatsApp's, which begins with wamid.`);
  return text;
}

/** `Yes|No`; what is pressed comes back as its title. */
export function readButtons(list: string, text: string): RichContent {
  const buttons = list.split("|").map((title) => ({ id: title.trim(), title: title.trim() }));
  return { type: "buttons", text, buttons };
}

/** `TEXT=URL`. */
export function readLink(link: string, text: string): RichContent {
  const at = link.indexOf("=");
  if (at <= 0) throw usage(`"${link}" is no link: give --link "Book a table=https://example.com/book"`);
  return { type: "link", text, title: link.slice(0, at).trim(), url: link.slice(at + 1).trim() };
}

type Parameters = { -readonly [K in "header" | "body" | "buttons"]: OutgoingTemplate[K] };

/**
 * Parameters by name or, when all names are numbers, by place. `header=…` is its text, `header.image=URL` (or video,
 * document) its file, `button.0=…` what fills in the address of the first button.
 */
export function readTemplate({ value: name, lang = "en_US", param = [] }: TemplateRequest): RichContent {
  const given: Parameters = { header: undefined, body: [], buttons: [] };
  const body = new Map<string, string>();
  for (const parameter of param) {
    const at = parameter.indexOf("=");
    if (at <= 0)
      throw usage(`--param "${parameter}" is no name and value: give --param name=Ana or --param 1=Ana`);
    const [key, value] = [parameter.slice(0, at).trim(), parameter.slice(at + 1)];
    const [, media] = /^header\.(image|video|document)$/.exec(key) ?? [];
    const [, index] = /^button\.(\d)$/.exec(key) ?? [];
    if (key === "header") given.header = { kind: "text", value };
    else if (media === "image" || media === "video" || media === "document")
      given.header = { kind: media, value };
    else if (index !== undefined) given.buttons = [...given.buttons, { index: Number(index), text: value }];
    else if (body.has(key)) throw usage(`--param ${key} is given twice`);
    else body.set(key, value);
  }
  given.body = readBody(body);
  const { header, ...rest } = given;
  return { type: "template", name, language: lang, ...(header && { header }), ...rest };
}

function readBody(parameters: ReadonlyMap<string, string>): OutgoingTemplate["body"] {
  const numbered = [...parameters].filter(([key]) => /^\d+$/.test(key));
  if (numbered.length === 0) return [...parameters].map(([name, text]) => ({ name, text }));
  if (numbered.length < parameters.size)
    throw usage("--param: a template has named or numbered parameters, not both");
  return Array.from({ length: numbered.length }, (_, index) => {
    const text = parameters.get(String(index + 1));
    if (text === undefined) throw usage(`--param ${index + 1}=… is missing`);
    return { text };
  });
}
