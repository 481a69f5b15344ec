import { basename } from "node:path";
import { isMedia, type Content } from "../content.ts";
import { describeContent } from "../content-text.ts";
import { cleanFilename } from "../filename.ts";
import type { MediaFile } from "../pipeline/media.ts";
import { asTheirs, contextOf, type Ready, type Turn } from "../pipeline/turn.ts";

/** What agents that were written for a bridge to WhatsApp Web take: see docs/http-agents.md. */
export type AgentMessage = {
  /** As `to` of an answer takes it: `+15551234567`, or the user id of a person whose number is hidden. */
  readonly from: string;
  readonly messageId: string;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** The same for every message of one person, whatever becomes of their number. */
  readonly senderId: string;
} & (
  | {
      readonly text: string;
      readonly media?: {
        readonly url: string;
        readonly mimetype: string;
        readonly filename: string;
        readonly size: number;
      };
    }
  /** "" takes the reaction back. */
  | { readonly reaction: string; readonly reactsToMessageId: string }
);

export function agentMessage(
  { message, ready }: Pick<Turn, "message" | "ready">,
  linkTo: (file: MediaFile) => string,
): AgentMessage {
  const { from, wamid, sentAt, contact, content } = message;
  const head = {
    from: from.phone === undefined ? (from.bsuid ?? contact) : `+${from.phone}`,
    messageId: wamid,
    timestamp: sentAt,
    senderId: contact,
  };
  if (content.type === "reaction")
    return { ...head, reaction: content.emoji ?? "", reactsToMessageId: content.target };
  const text = [...contextOf(message), ...wordsOf(content, ready)].join("\n");
  if (ready?.fetched.kind !== "file") return { ...head, text };
  const { file } = ready.fetched;
  const { path, mimeType, bytes } = file;
  const claimed = isMedia(content) ? content.media.filename : undefined;
  const filename = cleanFilename(claimed ?? "") ?? basename(path);
  return { ...head, text, media: { url: linkTo(file), mimetype: mimeType, filename, size: bytes } };
}

/** What the person said; of a file that is there its caption alone, because the file speaks for itself. */
function wordsOf(content: Content, ready: Ready | undefined): string[] {
  if (content.type === "text") return [asTheirs(content.text)];
  if (!isMedia(content)) return [describeContent(content)];
  const { transcript, fetched } = ready ?? {};
  const spoken = transcript?.kind === "text" ? transcript.text : content.caption;
  const words = spoken === undefined || spoken === "" ? [] : [asTheirs(spoken)];
  if (fetched?.kind === "file") return words;
  const why = fetched ? [`[the file could not be had: ${fetched.reason}]`] : [];
  return [describeContent({ type: content.type, media: {} }), ...words, ...why];
}
