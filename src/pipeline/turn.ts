import { isMedia, type Content } from "../content.ts";
import { describeContent, quoteText } from "../content-text.ts";
import type { Inbound } from "../message.ts";
import type { Fetched, MediaFile, Transcript } from "./media.ts";

/** A message that another one is about. */
export interface Quoted {
  /** Undefined when it is not known here: too old, or sent before the bridge was. */
  readonly by: "us" | "person" | undefined;
  /** "" when it was deleted after `state.keep_text`. */
  readonly text: string;
}

/** Something that a person did and that asks nothing by itself: a reaction, an edit. */
export interface Note {
  readonly content: Content;
  readonly quoted: Quoted | undefined;
}

/** A stored message, loaded to be answered. */
export interface Question extends Inbound {
  readonly seq: number;
  readonly contact: string;
  readonly receivedAt: number;
  readonly quoted: Quoted | undefined;
  /** Since the last turn, oldest first. */
  readonly notes: readonly Note[];
}

/** What became of the file of a message. */
export interface Ready {
  readonly fetched: Fetched;
  /** For voice messages. */
  readonly transcript?: Transcript | undefined;
}

/** One message for the agent, with everything that the agent may know and the sender can not forge. */
export interface Turn {
  readonly message: Question;
  /** What the agent reads. */
  readonly text: string;
  /** The message's file, for gateways that pass it on by themselves. */
  readonly ready?: Ready | undefined;
  /** Files that the agent may see at once, if its gateway takes them. */
  readonly images: readonly MediaFile[];
  readonly role: string;
  readonly session: string;
  /** It may have been asked before (by a process that died): the gateway must look before it asks. */
  readonly replayed: boolean;
}

const MAX_QUOTE_CHARS = 500;
const ZERO_WIDTH_SPACE = "\u200B";
const OURS =
  /^\[(?:(?:file|forwarded|in reply|the file|came here|about|voice|audio|image|video|document|sticker|location|contact|chose|filled|order|reaction|took back|edited|deleted)\b|[^\]]{0,60}\bmessage that can not be shown)/i;

/** What the agent reads: first what it needs to understand the message, in brackets, then the message. */
export function turnText(question: Question, ready: Ready | undefined): string {
  return [...contextOf(question), ...describeBody(question.content, ready)].join("\n");
}

/** What is needed to understand a message, a line each. */
export function contextOf(question: Question): readonly string[] {
  return [
    ...question.notes.map(describeNote),
    ...describeReferral(question),
    ...(question.forwarded === true ? ["[forwarded]"] : []),
    ...(question.quoted === undefined ? [] : [`[in reply to ${describeQuoted(question.quoted)}]`]),
  ];
}

export function imagesOf(content: Content, ready: Ready | undefined): readonly MediaFile[] {
  const isPicture = content.type === "image" || content.type === "sticker";
  return isPicture && ready?.fetched.kind === "file" ? [ready.fetched.file] : [];
}

function describeBody(content: Content, ready: Ready | undefined): string[] {
  if (content.type === "text") return [asTheirs(content.text)];
  if (!isMedia(content) || ready === undefined) return [describeContent(content)];
  const { fetched, transcript } = ready;
  const spoken = content.type === "voice" ? [describeVoice(fetched, transcript)] : [describeContent(content)];
  if (fetched.kind === "failed") return [...spoken, `[the file could not be had: ${fetched.reason}]`];
  // What is written down needs no listening.
  if (content.type === "voice" && transcript?.kind === "text") return spoken;
  const { path, mimeType, bytes } = fetched.file;
  return [...spoken, `[file: ${path} (${mimeType}, ${showSize(bytes)})]`];
}

function describeVoice(fetched: Fetched, transcript: Transcript | undefined): string {
  const seconds = fetched.kind === "file" ? fetched.file.seconds : undefined;
  const length = seconds === undefined ? "" : ` ${showLength(seconds)}`;
  if (transcript?.kind === "text") return `[voice${length}] ${asTheirs(transcript.text)}`;
  return `[voice${length}${transcript ? `: no text, ${transcript.reason}` : ""}]`;
}

/** Lines that look like ours get an invisible space in front: what the bridge tells is not for others to write. */
export function asTheirs(text: string): string {
  return text
    .split(/(?<=[\n\v\f\r\u0085\u2028\u2029])/)
    .map((line) => (OURS.test(asSeen(line)) ? ZERO_WIDTH_SPACE + line : line))
    .join("");
}

/** Without what nobody sees. */
function asSeen(line: string): string {
  return line
    .normalize("NFKC")
    .replace(/[\p{Cc}\p{Cf}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/gu, (unseen) =>
      /\s/.test(unseen) ? " " : "",
    )
    .replace(/\s+/g, " ")
    .replace(/^ | (?=\W)|(?<=\[) /g, "");
}

function describeNote({ content, quoted }: Note): string {
  return quoted === undefined
    ? describeContent(content)
    : `${describeContent(content)} [about ${describeQuoted(quoted)}]`;
}

function describeQuoted({ by, text }: Quoted): string {
  if (by === undefined) return "an earlier message that is not known here";
  const whose = by === "us" ? "your message" : "a message of their own";
  return text === "" ? `${whose} that was deleted here` : `${whose}: ${quoteText(text, MAX_QUOTE_CHARS)}`;
}

function describeReferral({ referral }: Question): string[] {
  if (!referral) return [];
  const { headline, body, url } = referral;
  const parts = [headline, body, url].flatMap((part) =>
    part === undefined ? [] : quoteText(part, MAX_QUOTE_CHARS),
  );
  return [`[came here from an advertisement: ${parts.join(", ")}]`];
}

function showLength(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function showSize(bytes: number): string {
  return bytes < 1_048_576 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}
