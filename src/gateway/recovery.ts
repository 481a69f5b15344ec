import { visibleText } from "../pipeline/reply.ts";
import { takeMedia } from "../pipeline/media-lines.ts";
import type { Answer } from "../pipeline/answer.ts";
import type { History, HistoryRow } from "./protocol.ts";

/** What the gateway's own record of a session says of a message that may have been asked before. */
export type Trace =
  /** Never arrived, or vanished without a trace: ask, under this key. */
  | { readonly kind: "ask"; readonly key: string }
  | { readonly kind: "answered"; readonly answer: Answer }
  /** A run of it is under way. */
  | { readonly kind: "running" }
  /** A run of it ended in an error. */
  | { readonly kind: "failed" };

/** A message is asked anew this often when its runs vanish; each try has a key of its own. */
const MAX_KEYS = 3;
/** Who wrote the note by which a restarted gateway resumes a turn. No client with our rights can claim it. */
const GATEWAY_ITSELF = "internal_system";

/**
 * Finds a message in `chat.history`. Its rows carry the idempotency key: the user row as `<key>:user`, the answer as the
 * run id. A gateway that crashed goes on under a new run id, which the `[System]` row right behind the user row tells.
 */
export function traceMessage(wamid: string, { messages, sessionInfo }: History): Trace {
  const active = new Set(sessionInfo?.activeRunIds);
  for (let attempt = MAX_KEYS; attempt >= 1; attempt--) {
    const key = runKey(wamid, attempt);
    const asked = messages.findIndex((row) => row.idempotencyKey === `${key}:user`);
    const failed = messages.some((row) => row.idempotencyKey === `${key}:terminal-error`);
    if (asked === -1 && !failed && !active.has(key)) continue;
    const runs = asked === -1 ? [key] : runsOf(key, messages.slice(asked + 1));
    if (runs.some((run) => active.has(run))) return { kind: "running" };
    const answer = findAnswer(messages, runs);
    if (answer !== undefined) return { kind: "answered", answer };
    if (failed) return { kind: "failed" };
    // The resumed run may not have written its first row yet.
    if (active.size > 0 || sessionInfo?.hasActiveRun === true) return { kind: "running" };
    return attempt === MAX_KEYS ? { kind: "failed" } : { kind: "ask", key: runKey(wamid, attempt + 1) };
  }
  return { kind: "ask", key: runKey(wamid, 1) };
}

/** The first try is asked under the wamid itself. */
export function runKey(wamid: string, attempt: number): string {
  return attempt === 1 ? wamid : `${wamid}~${attempt}`;
}

/** The run that was asked for, and those by which the gateway resumed it: their notes stand right behind the question. */
function runsOf(key: string, behind: readonly HistoryRow[]): string[] {
  const runs = [key];
  for (const row of behind) {
    if (row.role !== "user") continue;
    if (row.provenance?.kind !== GATEWAY_ITSELF) break;
    if (row.idempotencyKey?.endsWith(":user")) runs.push(row.idempotencyKey.slice(0, -":user".length));
  }
  return runs;
}

/** The answer bound to the question by run id alone, never by being "the next line" (promise P5). */
function findAnswer(messages: readonly HistoryRow[], runs: readonly string[]): Answer | undefined {
  const last = messages.findLast(
    (row) =>
      row.role === "assistant" &&
      runs.includes(row.__openclaw?.runId ?? "") &&
      (row.stopReason === undefined || row.stopReason === "stop" || row.stopReason === "length") &&
      !row.idempotencyKey?.endsWith(":terminal-error"),
  );
  // A result has its directives taken out; the record keeps what the model wrote.
  return last && takeMedia(visibleText(textOf(last)));
}

function textOf({ content }: HistoryRow): string {
  if (typeof content === "string") return content;
  return content
    .flatMap((part) => (part.type === "text" && part.text !== undefined ? [part.text] : []))
    .join("\n");
}
