import { isMedia } from "../content.ts";
import type { Log } from "../log.ts";
import { maskWamid } from "../message.ts";
import type { Fetched, MediaFetcher, Transcriber, Transcript } from "./media.ts";
import type { Question, Ready } from "./turn.ts";

export interface ReadyParts {
  readonly media: MediaFetcher;
  /** Undefined when none is set up. */
  readonly transcriber: Transcriber | undefined;
  readonly log: Log;
}

/** Gets the file of a message that the guard let in, and what is said in it. Rejects only when `signal` aborts. */
export async function makeReady(
  { content, wamid }: Question,
  parts: ReadyParts,
  signal: AbortSignal,
): Promise<Ready | undefined> {
  if (!isMedia(content)) return undefined;
  const log = parts.log.child({ wamid: maskWamid(wamid) });
  const fetched = await parts.media.fetch(content, wamid, signal);
  if (fetched.kind === "failed") log.warn({ reason: fetched.reason }, "file not fetched");
  if (content.type !== "voice") return { fetched };
  const transcript: Transcript | undefined =
    content.transcript === undefined
      ? await transcribe(fetched, parts, signal)
      : { kind: "text", text: content.transcript };
  if (transcript?.kind === "none" && parts.transcriber)
    log.warn({ reason: transcript.reason }, "voice message not transcribed");
  return { fetched, transcript };
}

async function transcribe(
  fetched: Fetched,
  { transcriber }: ReadyParts,
  signal: AbortSignal,
): Promise<Transcript | undefined> {
  if (fetched.kind === "failed") return undefined;
  if (!transcriber) return { kind: "none", reason: "transcription is not set up (transcribe.provider)" };
  return transcriber.transcribe(fetched.file, signal);
}
