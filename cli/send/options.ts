import { isBsuid, parsePhone } from "../../src/phone.ts";
import { CommandError, EXIT } from "../exit-code.ts";

/** What the command line gives to `wa-cli send`. */
export interface SendOptions {
  readonly words: readonly string[];
  readonly to?: string;
  readonly text?: string;
  readonly media?: string;
  readonly as?: MediaKind;
  readonly caption?: string;
  readonly filename?: string;
  readonly location?: string;
  readonly contact?: string;
  readonly react?: string;
  readonly replyTo?: string;
  readonly buttons?: string;
  readonly list?: string;
  readonly link?: string;
  readonly template?: string;
  readonly lang?: string;
  readonly param?: readonly string[];
  /** False with `--no-markdown`. */
  readonly markdown: boolean;
  readonly dryRun?: boolean;
  readonly wait: Wait;
  /** Seconds. */
  readonly timeout: number;
  readonly idempotencyKey?: string;
  readonly config?: string;
  readonly json?: boolean;
}

export const MEDIA_KINDS = ["image", "video", "audio", "voice", "document", "sticker"] as const;
export type MediaKind = (typeof MEDIA_KINDS)[number];

export const WAITS = ["accepted", "sent", "delivered", "read"] as const;
export type Wait = (typeof WAITS)[number];

/** Of these one at most: each is a message of its own kind. */
const KINDS = ["media", "location", "contact", "react", "buttons", "list", "link", "template"] as const;
export type Kind = (typeof KINDS)[number] | "text";

/** Options that mean something with one kind only. */
const BELONGS = {
  as: ["media"],
  caption: ["media"],
  filename: ["media"],
  lang: ["template"],
  param: ["template"],
} as const satisfies Partial<Record<keyof SendOptions, readonly Kind[]>>;

/** Kinds that have a text in them; the others refuse one. */
const WITH_TEXT: ReadonlySet<Kind> = new Set(["text", "buttons", "list", "link"]);

export interface Spoken {
  readonly kind: Kind;
  readonly recipient: string;
  /** Undefined when it has to be read from standard input, or is not wanted. */
  readonly text: string | undefined;
  readonly takesText: boolean;
  /** Of a reaction. */
  readonly emoji: string;
}

/** Who is meant, and what is said in the words; nothing is read or looked up yet. */
export function readWords(options: SendOptions): Spoken {
  const given = KINDS.filter((kind) => options[kind] !== undefined);
  const [kind = "text"] = given;
  if (given.length > 1)
    throw usage(
      `These are several messages: ${given.map((name) => `--${name}`).join(" and ")}`,
      "send them one by one",
    );
  for (const [option, kinds] of Object.entries(BELONGS))
    if (hasOption(options, option) && !kinds.some((one) => one === kind))
      throw usage(`--${option} goes with --${kinds.join(" or --")} only`);
  const [first, ...others] = options.words;
  const recipient = options.to ?? first;
  const words = options.to === undefined ? others : options.words;
  if (recipient === undefined) throw usage("To whom? Give --to +15551234567, or the number before the words");
  if (kind === "react") return readReaction(options, recipient, words);
  if (options.to !== undefined && first !== undefined && isRecipient(first))
    throw usage(
      `There are two recipients: --to, and ${first}`,
      "send to one after the other; if it is what to say, write --text",
    );
  if (options.text !== undefined && words.length > 0)
    throw usage(`There are two texts: --text, and the words "${words.join(" ")}"`);
  const text = options.text ?? (words.length > 0 ? words.join(" ") : undefined);
  const takesText = WITH_TEXT.has(kind);
  if (!takesText && text !== undefined)
    throw usage(
      `A message with --${kind} has no text`,
      kind === "media" ? "give it with --caption, or send it on its own" : "send it on its own",
    );
  return { kind, recipient, text, takesText, emoji: "" };
}

function readReaction({ text, replyTo }: SendOptions, recipient: string, words: readonly string[]): Spoken {
  if (text !== undefined || words.length !== 1)
    throw usage('A reaction is one emoji after the message id: --react wamid.… 👍 ("" takes it back)');
  if (replyTo !== undefined)
    throw usage("A reaction names its message already: --reply-to does not go with --react");
  return { kind: "react", recipient, text: undefined, takesText: false, emoji: words[0] ?? "" };
}

function isRecipient(word: string): boolean {
  const name = word.replace(/^contact:/, "");
  return isBsuid(name) || parsePhone(name) !== undefined;
}

function hasOption(options: SendOptions, name: string): boolean {
  return Object.entries(options).some(([key, value]) => key === name && value !== undefined);
}

export function usage(
  message: string,
  hint?: string,
  report?: Readonly<Record<string, unknown>>,
): CommandError {
  return new CommandError(EXIT.usage, message, { hint, ...(report && { report }) });
}
