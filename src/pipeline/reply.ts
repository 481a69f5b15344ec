/** Words by which an agent says that it has nothing to say; OpenClaw's own two. */
const SILENT = /^(?:NO_REPLY|HEARTBEAT_OK)$/;
const TRAILING_SILENT = /\s+(?:NO_REPLY|HEARTBEAT_OK)\s*$/;
const REASONING_TAG = /<(\/?)(think|thinking|thought|reasoning|antthinking)\b[^<>]*>/gi;
/** Code is shown as it is, whatever is written in it. An unclosed fence runs to the end. */
const CODE = /(^|\n)(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:\n\2[^\n]*(?=\n|$)|$)|`[^`\n]+`/g;

/**
 * What may be shown of an agent's answer: no reasoning blocks and no silent tokens (promise P6). Empty when nothing is
 * left to say.
 */
export function visibleText(answer: string): string {
  const text = withoutReasoning(answer).trim();
  const spoken = text.replace(TRAILING_SILENT, "").trim();
  return SILENT.test(spoken.replace(/^[*_`~"']+|[*_`~"'.!]+$/g, "")) ? "" : spoken;
}

/** Drops `<think>…</think>` and its kin, nested too; an unclosed block reaches to the end, a lone closing tag from the start. */
function withoutReasoning(answer: string): string {
  const code = [...answer.matchAll(CODE)].map(
    (match) => [match.index, match.index + match[0].length] as const,
  );
  const tags = [...answer.matchAll(REASONING_TAG)].filter(
    ({ index }) => !code.some(([start, end]) => index >= start && index < end),
  );
  let kept = "";
  let depth = 0;
  let from = 0;
  for (const tag of tags) {
    const opens = tag[1] === "";
    if (depth === 0 && opens) kept += answer.slice(from, tag.index);
    if (depth === 0 && !opens) kept = "";
    depth = opens ? depth + 1 : Math.max(0, depth - 1);
    from = tag.index + tag[0].length;
  }
  return depth === 0 ? kept + answer.slice(from) : kept;
}
