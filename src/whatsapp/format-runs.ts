export interface Run {
  readonly text: string;
  /** The WhatsApp markers this text stands in, such as "*_". */
  readonly marks: string;
  /**
   * An address. Nothing may touch one that we put there, or it becomes part of the link; one in the
   * agent's own sentence keeps the full stop behind it, which is none to any reader of addresses.
   */
  readonly url?: "apart" | "as written";
}

/** Writes runs with as many of their markers as WhatsApp will read as markers. */
export function renderRuns(runs: readonly Run[]): string {
  // WhatsApp's markers end with the line, so each line opens and closes its own.
  const lines = toLines(separateUrls(runs)).map((line) => renderSpan(line, "", "", ""));
  // Not trimStart(): Japanese paragraphs begin with a full-width space.
  return lines.map((line) => line.trimEnd().replace(/^[ \t]+/, "")).join("\n");
}

const MARKERS = ["*", "_", "~"] as const;

function separateUrls(runs: readonly Run[]): Run[] {
  const output: Run[] = [];
  let previous: Run | undefined;
  for (const run of runs.filter(({ text }) => text !== "")) {
    if (previous !== undefined && isGlued(previous, run)) output.push({ text: " ", marks: "" });
    output.push(run);
    previous = run;
  }
  return output;
}

function isGlued(before: Run, after: Run): boolean {
  if (before.url === "apart") return !/^\s/.test(after.text);
  if (before.url === "as written") return after.text.startsWith(")") && isBalanced(before.text);
  return after.url === "apart" && isWord(before.text.slice(-1));
}

/** Otherwise the bracket behind it is the address's own, and the parser's error. */
function isBalanced(url: string): boolean {
  return url.split("(").length === url.split(")").length;
}

function toLines(runs: readonly Run[]): Run[][] {
  let line: Run[] = [];
  const lines = [line];
  for (const run of runs) {
    const [first = "", ...rest] = run.text.split("\n");
    line.push({ ...run, text: first });
    for (const text of rest) {
      line = [{ ...run, text }];
      lines.push(line);
    }
  }
  return lines.map((runsOfLine) => runsOfLine.filter(({ text }) => text !== ""));
}

/** `open` holds the markers already dealt with; `before` and `after` are the characters around. */
function renderSpan(runs: readonly Run[], open: string, before: string, after: string): string {
  let output = "";
  let previous = before;
  let index = 0;
  while (index < runs.length) {
    const { marker, end } = widestMarker(runs, index, open);
    const group = runs.slice(index, end);
    const next = runs[end]?.text ?? after;
    const text = marker === "" ? textOf(group) : renderMarked(group, marker, open, previous, next);
    output += text;
    previous = text.at(-1) ?? previous;
    index = end;
  }
  return output;
}

/** The outermost marker is the one that reaches furthest. */
function widestMarker(runs: readonly Run[], index: number, open: string) {
  let widest = { marker: "", end: index + 1 };
  for (const marker of MARKERS) {
    if (open.includes(marker)) continue;
    let end = index;
    while (runs[end]?.marks.includes(marker) === true) end += 1;
    if (end > index && (widest.marker === "" || end > widest.end)) widest = { marker, end };
  }
  return widest;
}

function renderMarked(
  group: readonly Run[],
  marker: string,
  open: string,
  before: string,
  after: string,
): string {
  const text = textOf(group);
  const core = text.trim();
  const leading = text.slice(0, text.length - text.trimStart().length);
  const trailing = text.slice(text.trimEnd().length);
  const works =
    core !== "" &&
    (leading !== "" || canOpen(marker, before)) &&
    (trailing !== "" || canClose(marker, after)) &&
    !endsEarly(marker, core);

  if (!works) return renderSpan(group, open + marker, before, after);
  const inner = renderSpan(trimRuns(group), open + marker, marker, marker);
  return leading + marker + inner + marker + trailing;
}

/** A letter before it, or an opening bracket, makes WhatsApp print the marker. */
function canOpen(marker: string, before: string): boolean {
  return before === "" || (before !== marker && /[\s>*_~]/.test(before));
}

function canClose(marker: string, after: string): boolean {
  return !isWord(after) && !after.startsWith(marker);
}

/** Whether the text itself holds a character that would close the marker. */
function endsEarly(marker: string, text: string): boolean {
  return text.split(marker).some((part, index) => index > 0 && !isWord(part));
}

/** Whether text begins with a letter or a digit of any script. */
function isWord(text: string): boolean {
  return /^[\p{L}\p{N}]/u.test(text);
}

function textOf(runs: readonly Run[]): string {
  return runs.map((run) => run.text).join("");
}

function trimRuns(runs: readonly Run[]): Run[] {
  const isInk = ({ text }: Run) => text.trim() !== "";
  const first = runs.findIndex(isInk);
  const last = runs.findLastIndex(isInk);
  return runs.slice(first, last + 1).map((run, index, { length }) => {
    const text = index === 0 ? run.text.trimStart() : run.text;
    return { ...run, text: index === length - 1 ? text.trimEnd() : text };
  });
}
