/** Words by which an agent says that it has nothing to say; OpenClaw's own two. */
const SILENT_WORD = "(?:NO_REPLY|HEARTBEAT_OK)";
/** What agents put around a word: emphasis, quotes, brackets, code marks, invisible characters. */
const AROUND = String.raw`[\s\p{Cf}*_~\u0060"'“”()[\]{}<>.!]*`;
const ONLY_SILENT = new RegExp(`^${AROUND}(?:${SILENT_WORD}${AROUND})+$`, "iu");
/** At the start the word stands on a line of its own, so that a sentence about it is kept. */
const LEADING_SILENT = new RegExp(String.raw`^${AROUND}${SILENT_WORD}[*_~\u0060"')\].!]*[ \t]*\n`, "u");
const TRAILING_SILENT = new RegExp(
  String.raw`(?<=\s)[*_~\u0060"'(\[]*${SILENT_WORD}[\p{Cf}*_~\u0060"')\].!]*$`,
  "u",
);

/**
 * What may be shown of an agent's answer: no reasoning blocks and no silent tokens (promise P6). Empty when nothing is
 * left to say.
 */
export function visibleText(answer: string): string {
  let text = withoutReasoning(answer).trim();
  if (ONLY_SILENT.test(text)) return "";
  for (let before = ""; before !== text;) {
    before = text;
    text = text.replace(LEADING_SILENT, "").replace(TRAILING_SILENT, "").trim();
  }
  return text;
}

/** A fence at the start of a line, inline code, or a tag of a reasoning block. */
const PIECE =
  /(?<=^|\n)(?<fence>`{3,}|~{3,})|`[^`\n]+`|<(?<slash>\/?)(?:think|thinking|thought|reasoning|antthinking)\b[^<>]*>/gi;

/**
 * Drops `<think>…</think>` and its kin, nested too; an unclosed block reaches to the end, a lone closing tag from the
 * start. Code outside of a block is shown as it is, whatever is written in it.
 */
function withoutReasoning(answer: string): string {
  let kept = "";
  let depth = 0;
  let from = 0;
  PIECE.lastIndex = 0;
  for (let match = PIECE.exec(answer); match; match = PIECE.exec(answer)) {
    const { fence, slash } = match.groups ?? {};
    if (fence !== undefined && depth === 0) PIECE.lastIndex = endOfFence(answer, fence, PIECE.lastIndex);
    if (slash === undefined) continue;
    if (depth === 0 && slash === "") kept += answer.slice(from, match.index);
    if (depth === 0 && slash === "/") kept = "";
    if (slash === "/") depth = Math.max(0, depth - 1);
    else if (!match[0].endsWith("/>")) depth++;
    from = PIECE.lastIndex;
  }
  return depth === 0 ? kept + answer.slice(from) : kept;
}

function endOfFence(text: string, fence: string, from: number): number {
  const close = text.indexOf(`\n${fence}`, from);
  return close === -1 ? text.length : close + 1 + fence.length;
}
