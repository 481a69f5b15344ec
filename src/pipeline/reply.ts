/** Words by which an agent says that it has nothing to say; OpenClaw's own two. */
const SILENT_WORD = "(?:NO_REPLY|HEARTBEAT_OK)";
/** What agents put around a word: emphasis, quotes, brackets, full stops, emoji, invisible characters. */
const AROUND = String.raw`[\s\p{Cf}\p{P}\p{S}]*`;
const ONLY_SILENT = new RegExp(`^${AROUND}(?:${SILENT_WORD}${AROUND})+$`, "iu");
const NOTHING = /^[\s\p{Cf}]*$/u;
const TAG = /<[^<>]{0,200}>/g;

/**
 * What may be shown of an agent's answer: no reasoning blocks and no silent tokens (promise P6). Empty when nothing is
 * left to say.
 */
export function visibleText(answer: string): string {
  const text = withoutReasoning(answer).trim();
  return isSilent(text) ? "" : withoutEdges(text);
}

/** True for a text that shows nothing, or only silent tokens in some dress. */
export function isSilent(text: string): boolean {
  return NOTHING.test(text) || ONLY_SILENT.test(text.replace(TAG, ""));
}

/** Drops tokens on lines of their own at both ends, and at the end of the last line. A sentence about one is kept. */
function withoutEdges(text: string): string {
  const lines = text.split("\n");
  let start = 0;
  let end = lines.length;
  const isToken = (line = "") => ONLY_SILENT.test(line) || NOTHING.test(line);
  while (start < end && isToken(lines[start])) start++;
  while (end > start && isToken(lines[end - 1])) end--;
  const kept = lines.slice(start, end);
  const words = (kept.pop() ?? "").split(/(?<=\s)/);
  while (words.length > 0 && ONLY_SILENT.test(words.at(-1) ?? "")) words.pop();
  return [...kept, words.join("")].join("\n").trim();
}

const REASONING = String.raw`<(?<slash>\/?)(?:think|thinking|thought|reasoning|antthinking)\b[^<>]*>`;
/** Outside of a block: a fence at the start of a line, inline code, or a tag. Inside only tags count. */
const OUTSIDE = new RegExp(
  String.raw`(?<=^|\n)(?<fence>\u0060{3,}|~{3,})|\u0060[^\u0060\n]+\u0060|${REASONING}`,
  "giu",
);
const INSIDE = new RegExp(REASONING, "giu");

/**
 * Drops `<think>…</think>` and its kin, nested too; an unclosed block reaches to the end, a lone closing tag from the
 * start. Code outside of a block is shown as it is, whatever is written in it.
 */
function withoutReasoning(answer: string): string {
  let kept = "";
  let depth = 0;
  let from = 0;
  for (let at = 0; ;) {
    const pattern = depth === 0 ? OUTSIDE : INSIDE;
    pattern.lastIndex = at;
    const match = pattern.exec(answer);
    if (!match) return depth === 0 ? kept + answer.slice(from) : kept;
    const { fence, slash } = match.groups ?? {};
    at = match.index + match[0].length;
    if (fence !== undefined) at = endOfFence(answer, fence, at);
    if (slash === undefined) continue;
    if (depth === 0 && slash === "") kept += answer.slice(from, match.index);
    if (depth === 0 && slash === "/") kept = "";
    if (slash === "/") depth = Math.max(0, depth - 1);
    else if (!match[0].endsWith("/>")) depth++;
    from = at;
  }
}

function endOfFence(text: string, fence: string, from: number): number {
  const close = text.indexOf(`\n${fence}`, from);
  return close === -1 ? text.length : close + 1 + fence.length;
}
