import { parseIdentity } from "../../src/message.ts";
import { CommandError, EXIT } from "../exit-code.ts";

/** What the command line gives to `wa-cli send`. */
export interface SendOptions {
  readonly words: readonly string[];
  readonly to?: string;
  readonly text?: string;
  readonly media?: string;
  readonly as?: MediaKind | undefined;
  readonly caption?: string | undefined;
  readonly filename?: string | undefined;
  readonly location?: string;
  readonly contact?: string;
  readonly react?: string;
  readonly replyTo?: string;
  readonly buttons?: string;
  readonly list?: string;
  readonly link?: string;
  readonly template?: string;
  readonly lang?: string | undefined;
  readonly param?: readonly string[] | undefined;
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
type MediaKind = (typeof MEDIA_KINDS)[number];

export const WAITS = ["accepted", "sent", "delivered", "read"] as const;
export type Wait = (typeof WAITS)[number];

/** Of these one at most: each is a message of its own kind. */
const KINDS = ["media", "location", "contact", "react", "buttons", "list", "link", "template"] as const;

/** Options that mean something with one kind only. */
const BELONGS = [
  ["media", ["as", "caption", "filename"]],
  ["template", ["lang", "param"]],
] as const;

/** What is to be said; `value` is that of the kind's option. A text that is undefined comes by standard input. */
export type SendRequest =
  | { readonly kind: "text"; readonly text: string | undefined }
  | { readonly kind: TextKind; readonly value: string; readonly text: string | undefined }
  | { readonly kind: "location" | "contact"; readonly value: string }
  | { readonly kind: "react"; readonly value: string; readonly emoji: string }
  | TemplateRequest
  | MediaRequest;
type TextKind = "buttons" | "list" | "link";
export type TemplateRequest = { readonly kind: "template"; readonly value: string } & Pick<
  SendOptions,
  "lang" | "param"
>;
export type MediaRequest = { readonly kind: "media"; readonly value: string } & Pick<
  SendOptions,
  "as" | "caption" | "filename"
>;

/** Who is meant, and what is to be said to them; nothing is read or looked up yet. @throws CommandError */
export function parseOptions(options: SendOptions): {
  readonly recipient: string;
  readonly request: SendRequest;
} {
  const given = KINDS.flatMap((kind) => {
    const value = options[kind];
    return value === undefined ? [] : [{ kind, value }];
  });
  if (given.length > 1)
    throw usage(
      `These are several messages: ${given.map(({ kind }) => `--${kind}`).join(" and ")}`,
      "send them one by one",
    );
  const [asked] = given;
  for (const [kind, names] of BELONGS)
    for (const name of names)
      if (asked?.kind !== kind && options[name] !== undefined)
        throw usage(`--${name} goes with --${kind} only`);
  const [first, ...others] = options.words;
  const recipient = options.to ?? first;
  const words = options.to === undefined ? others : options.words;
  if (recipient === undefined) throw usage("To whom? Give --to +15551234567, or the number before the words");
  if (options.to !== undefined && first !== undefined && isRecipient(first) && asked?.kind !== "react")
    throw usage(
      `There are two recipients: --to, and ${first}`,
      "send to one after the other; if it is what to say, write --text",
    );
  return { recipient, request: parseRequest(options, asked, words) };
}

function parseRequest(
  options: SendOptions,
  asked: { readonly kind: (typeof KINDS)[number]; readonly value: string } | undefined,
  words: readonly string[],
): SendRequest {
  if (asked?.kind === "react") return parseReaction(options, asked.value, words);
  if (options.text !== undefined && words.length > 0)
    throw usage(`There are two texts: --text, and the words "${words.join(" ")}"`);
  const text = options.text ?? (words.length > 0 ? words.join(" ") : undefined);
  if (!asked) return { kind: "text", text };
  const { kind, value } = asked;
  if (kind === "buttons" || kind === "list" || kind === "link") return { kind, value, text };
  if (text !== undefined)
    throw usage(
      `A message with --${kind} has no text`,
      kind === "media" ? "give it with --caption, or send it on its own" : "send it on its own",
    );
  const { as, caption, filename, lang, param } = options;
  if (kind === "media") return { kind, value, as, caption, filename };
  return kind === "template" ? { kind, value, lang, param } : { kind, value };
}

function parseReaction({ text, replyTo }: SendOptions, value: string, words: readonly string[]): SendRequest {
  const [emoji] = words;
  if (text !== undefined || emoji === undefined || words.length > 1)
    throw usage('A reaction is one emoji after the message id: --react wamid.… 👍 ("" takes it back)');
  if (replyTo !== undefined)
    throw usage("A reaction names its message already: --reply-to does not go with --react");
  return { kind: "react", value, emoji };
}

function isRecipient(word: string): boolean {
  return parseIdentity(word.replace(/^contact:/, "")) !== undefined;
}

export function usage(
  message: string,
  hint?: string,
  report?: Readonly<Record<string, unknown>>,
): CommandError {
  return new CommandError(EXIT.usage, message, { hint, ...(report && { report }) });
}
