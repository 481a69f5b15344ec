import { z } from "zod";
import type { Passive } from "../message.ts";

/** What a message says, in the one line that the agent reads. */
export interface Content {
  readonly text: string;
  readonly passive?: Passive;
}

const word = z.string().optional().catch(undefined);
const degrees = z.union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/)]);
const media = z.looseObject({
  caption: word,
  filename: word,
  voice: z.boolean().optional().catch(undefined),
});
const reply = z.looseObject({ title: word, description: word }).optional().catch(undefined);
const bodies = z.looseObject({
  text: z.looseObject({ body: z.string() }).optional().catch(undefined),
  image: media.optional().catch(undefined),
  video: media.optional().catch(undefined),
  audio: media.optional().catch(undefined),
  document: media.optional().catch(undefined),
  sticker: media.optional().catch(undefined),
  location: z
    .looseObject({ latitude: degrees, longitude: degrees, name: word, address: word })
    .optional()
    .catch(undefined),
  contacts: z
    .array(z.looseObject({ name: z.looseObject({ formatted_name: word }).optional().catch(undefined) }))
    .optional()
    .catch(undefined),
  interactive: z
    .looseObject({
      button_reply: reply,
      list_reply: reply,
      nfm_reply: z.looseObject({ name: word }).optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
  button: z.looseObject({ text: word }).optional().catch(undefined),
  order: z
    .looseObject({ text: word, product_items: z.array(z.unknown()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
});
type Bodies = z.output<typeof bodies>;

/** Kinds that tell something about another message or the account, and ask nothing of the agent. */
const NO_QUESTION = new Set([
  "reaction",
  "system",
  "unsupported",
  "edit",
  "revoke",
  "request_welcome",
  "ephemeral",
]);

const MAX_TEXT_CHARS = 65_536;

/** Total: every object gives a content, a kind that is not invented yet too. Undefined only for a text without a text. */
export function readContent(kind: string, message: unknown): Content | undefined {
  const parsed = bodies.safeParse(message);
  const body: Bodies = parsed.success ? parsed.data : {};
  if (kind === "text") return body.text && { text: body.text.body.slice(0, MAX_TEXT_CHARS) };
  const text = `[${describe(kind, body)}]`.slice(0, MAX_TEXT_CHARS);
  return NO_QUESTION.has(kind) ? { text, passive: "not-a-question" } : { text };
}

function describe(kind: string, body: Bodies): string {
  switch (kind) {
    case "image":
    case "video":
    case "document":
      return withDetails(kind, quote(body[kind]?.filename), quote(body[kind]?.caption, "caption "));
    case "sticker":
      return "sticker";
    case "audio":
    case "voice":
      return body.audio?.voice === false ? "audio file" : "voice message";
    case "location":
      return describeLocation(body.location);
    case "contacts":
      return withDetails(
        "contact card",
        ...(body.contacts ?? []).map(({ name }) => quote(name?.formatted_name)),
      );
    case "interactive":
      return describeInteractive(body.interactive);
    case "button":
      return withDetails("chose", quote(body.button?.text));
    case "order":
      return withDetails("order", `${body.order?.product_items?.length ?? 0} items`, quote(body.order?.text));
    default:
      return `${oneLine(kind).slice(0, 40) || "unknown"} message that can not be shown here`;
  }
}

function describeLocation(location: Bodies["location"]): string {
  if (!location) return "location";
  const { latitude, longitude, name, address } = location;
  return withDetails("location", `${latitude},${longitude}`, quote(name), quote(address));
}

function describeInteractive(interactive: Bodies["interactive"]): string {
  const chosen = interactive?.button_reply ?? interactive?.list_reply;
  if (chosen) return withDetails("chose", quote(chosen.title), quote(chosen.description));
  return withDetails(
    interactive?.nfm_reply ? "filled in a form" : "interactive reply",
    quote(interactive?.nfm_reply?.name),
  );
}

function withDetails(head: string, ...details: readonly string[]): string {
  const given = details.filter((detail) => detail !== "");
  return given.length === 0 ? head : `${head}: ${given.join(", ")}`;
}

/** People choose captions and names: quoted and on one line, they can not pass for something of ours. */
function quote(text: string | undefined, label = ""): string {
  const line = oneLine(text ?? "").replaceAll('"', "'");
  return line === "" ? "" : `${label}"${line}"`;
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
}
