interface Range {
  readonly start: number;
  readonly end: number;
}

const FENCE = /^[ \t]*(?<fence>`{3,}|~{3,})(?<info>.*)$/s;

/**
 * Tells whether an index of a Markdown text is inside a fenced block or inline code; indexes must be asked in ascending
 * order. An unclosed block reaches to the end, as it does when it is shown.
 */
export function findCode(text: string): (index: number) => boolean {
  const ranges = codeRanges(text);
  let next = 0;
  return (index) => {
    while ((ranges[next]?.end ?? Number.POSITIVE_INFINITY) <= index) next++;
    return (ranges[next]?.start ?? Number.POSITIVE_INFINITY) <= index;
  };
}

function codeRanges(text: string): readonly Range[] {
  const ranges: Range[] = [];
  let block: { readonly start: number; readonly fence: string } | undefined;
  let paragraph = 0;
  let start = 0;
  const endParagraph = (end: number, next: number) => {
    ranges.push(...inlineRanges(text.slice(paragraph, end), paragraph));
    paragraph = next;
  };
  for (const line of text.split("\n")) {
    const end = start + line.length;
    const { fence, info = "" } = FENCE.exec(line)?.groups ?? {};
    if (block) {
      if (fence?.startsWith(block.fence) && info.trim() === "") {
        ranges.push({ start: block.start, end });
        block = undefined;
      }
      paragraph = end + 1;
    } else if (fence !== undefined && !(fence.startsWith("`") && info.includes("`"))) {
      endParagraph(start, end + 1);
      block = { start, fence };
    } else if (line.trim() === "") endParagraph(start, end + 1);
    start = end + 1;
  }
  if (block) ranges.push({ start: block.start, end: text.length });
  else endParagraph(text.length, text.length);
  return ranges;
}

/** Inline code of one paragraph: from a run of backticks to the next one of the same length. */
function inlineRanges(paragraph: string, offset: number): readonly Range[] {
  const runs = [...paragraph.matchAll(/`+/g)].map(({ 0: { length }, index }) => ({ index, length }));
  // For each run the next one as long, found from behind: a search for each would be quadratic.
  const closers: (number | undefined)[] = [];
  const nextOfLength = new Map<number, number>();
  for (let at = runs.length - 1; at >= 0; at--) {
    const length = runs[at]?.length ?? 0;
    closers[at] = nextOfLength.get(length);
    nextOfLength.set(length, at);
  }
  const ranges: Range[] = [];
  for (let at = 0; at < runs.length; at++) {
    const closer = closers[at];
    const [open, close] = [runs[at], closer === undefined ? undefined : runs[closer]];
    if (!open || !close || closer === undefined) continue;
    ranges.push({ start: offset + open.index, end: offset + close.index + close.length });
    at = closer;
  }
  return ranges;
}
