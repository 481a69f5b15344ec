import type { Log } from "../log.ts";
import { canCaption } from "../outgoing.ts";
import type { Answer } from "./answer.ts";
import type { MediaPreparer, OutgoingMedia } from "./media.ts";
import type { NewOutgoing } from "./outbox.ts";
import { isSilent, visibleText } from "./reply.ts";

export interface ReplyParts {
  /** Turns an answer's Markdown into messages that WhatsApp takes, in order. */
  readonly format: (markdown: string) => Promise<readonly string[]>;
  readonly preparer: MediaPreparer;
  readonly log: Log;
}

/** Of one answer. */
const MAX_FILES = 10;

/** What is sent for an answer: texts first, then files; a short text is the caption of the only file. */
export async function composeReplies(
  { text, media }: Answer,
  parts: ReplyParts,
  signal: AbortSignal,
): Promise<readonly Pick<NewOutgoing, "text" | "media">[]> {
  // Judged again as it will be seen: markup can hide a token from the first look.
  const texts = (await parts.format(visibleText(text))).filter((part) => !isSilent(part));
  const files: OutgoingMedia[] = [];
  const refusals = media.length > MAX_FILES ? [`(Only ${MAX_FILES} of ${media.length} files were sent)`] : [];
  for (const reference of media.slice(0, MAX_FILES)) {
    const prepared = await parts.preparer.prepare(reference, signal);
    if (prepared.kind === "file") files.push(prepared.media);
    else {
      refusals.push(`(A file was not sent: ${prepared.reason})`);
      parts.log.warn({ reason: prepared.reason }, "file of an answer not sent");
    }
  }
  const [caption = ""] = texts;
  const [file] = files;
  const said = refusals.map((part) => ({ text: part }));
  if (file && files.length === 1 && texts.length === 1 && canCaption(file.as, caption))
    return [{ text: caption, media: file }, ...said];
  return [
    ...texts.map((part) => ({ text: part })),
    ...said,
    ...files.map((each) => ({ text: "", media: each })),
  ];
}
