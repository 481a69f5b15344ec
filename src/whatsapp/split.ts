import { MAX_TEXT } from "../outgoing.ts";
import { ADDRESS, cutCosts, FENCE_MARK, type Fence, findFences, FREE, SPAN } from "./split-costs.ts";

/**
 * Splits WhatsApp text into messages of at most `limit` UTF-16 units, which is how Meta counts.
 * Nothing is lost but white space at the cuts; a fence that is cut is closed and opened again.
 */
export function splitText(text: string, limit = MAX_TEXT): string[] {
  if (!(limit >= 2)) throw new RangeError(`Cannot split text into parts of ${limit} units`);
  const source = text.toWellFormed();
  // Closing and opening takes eight characters, so in tiny parts a fence is just text.
  const fences = limit < MIN_FENCED_LIMIT ? [] : findFences(source);

  const parts: string[] = [];
  let start = skipSpace(source, 0);
  let first = 0;
  while (start < source.length) {
    while ((fences[first]?.end ?? Infinity) <= start) first += 1;
    const near = fences.slice(first, first + limit);
    const part = nextPart(source, start, limit, near);
    if (part.text !== "") parts.push(part.text);
    start = part.next;
  }
  return parts;
}

const MIN_FENCED_LIMIT = 32;
const MARK = "```";

// How far beyond the limit a grapheme, an address or a span is followed.
const LOOKAHEAD = 500;

function nextPart(source: string, start: number, limit: number, fences: readonly Fence[]) {
  const prefix = isFenced(fences, start) ? `${MARK}\n` : "";
  const room = limit - prefix.length;
  if (source.length - start <= room) {
    return { text: prefix + source.slice(start).trimEnd(), next: source.length };
  }

  const suffix = `\n${MARK}`;
  const chooseEnd = cutter(source, start, limit, fences);
  let end = chooseEnd(room);
  if (isFenced(fences, end)) end = chooseEnd(room - suffix.length);
  const next = nextStart(source, end, fences);

  const body = source.slice(start, end).trimEnd();
  if (!isFenced(fences, end)) return { text: prefix + body, next };
  const isEmpty = body === "" || body === MARK;
  return { text: isEmpty ? "" : prefix + body + suffix, next };
}

function isFenced(fences: readonly Fence[], at: number): boolean {
  return fences.some(({ open, end }) => open < at && at < end);
}

/** Where the next part begins: behind the white space that the cut stands for. */
function nextStart(source: string, end: number, fences: readonly Fence[]): number {
  const fence = fences.find((candidate) => candidate.open < end && end < candidate.end);
  if (fence === undefined) return skipSpace(source, end);
  const isOver = source.slice(end, fence.end - MARK.length).trim() === "";
  if (isOver) return skipSpace(source, fence.end);
  // Indentation means something in code.
  return source[end] === "\n" ? end + 1 : end;
}

function skipSpace(source: string, at: number): number {
  // A space that carries an accent is one character with it.
  const space = /\s+(?![\p{M}\p{Emoji_Modifier}\u200c\u200d])/uy;
  space.lastIndex = at;
  return at + (space.exec(source)?.[0].length ?? 0);
}

function cutter(source: string, start: number, limit: number, fences: readonly Fence[]) {
  const window = source.slice(start, start + limit + LOOKAHEAD);
  const moved = fences.map(({ open, end }) => ({ open: open - start, end: end - start }));
  const costs = cutCosts(window, moved, limit);
  // Made only for a cut: loading its tables takes 9 ms, and most texts need none.
  const segments = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(window);

  const find: Find = (boundary, from, to, maxCost) => {
    for (let at = to; at > from; at -= 1) {
      if ((costs[at] ?? FREE) > maxCost || !boundary(window, at)) continue;
      const whole = segments.containing(at)?.index ?? at;
      if (whole === at) return at;
      // On to the start of the grapheme that this cut would have torn.
      at = whole + 1;
    }
    return undefined;
  };
  return (room: number): number => start + (chooseCut(find, room) ?? codePointCut(window, room));
}

type Boundary = (window: string, at: number) => boolean;
type Find = (boundary: Boundary, from: number, to: number, cost: number) => number | undefined;

function chooseCut(find: Find, room: number): number | undefined {
  const half = Math.floor(room / 2);
  for (const [from, to, cost] of [
    [half, room, FREE],
    [0, half, FREE],
    [0, room, SPAN],
  ] as const) {
    for (const boundary of BOUNDARIES) {
      const at = find(boundary, from, to, cost);
      if (at !== undefined) return at;
    }
  }
  for (const cost of [FREE, SPAN, ADDRESS, FENCE_MARK]) {
    const at = find(() => true, 0, room, cost);
    if (at !== undefined) return at;
  }
  return undefined;
}

/** For a grapheme longer than a message. */
function codePointCut(window: string, room: number): number {
  return window.slice(0, room).isWellFormed() ? room : room - 1;
}

const SPACE = /[^\S\u00a0\u202f]/;
// Scripts without spaces between words, and surrogates, which are mostly emoji.
const UNSPACED =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\ud800-\udfff]/;
const NO_LINE_START = /[、。，．！？：；）」』】〉》〕’”…ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ]/;

/** Best first. */
const BOUNDARIES: readonly Boundary[] = [
  (window, at) => window.startsWith("\n\n", at),
  (window, at) => window[at] === "\n",
  isSentenceEnd,
  (window, at) => SPACE.test(window.charAt(at)),
  (window, at) => UNSPACED.test(window.slice(at - 1, at + 1)) && !NO_LINE_START.test(window.charAt(at)),
];

function isSentenceEnd(window: string, at: number): boolean {
  const before = window.slice(Math.max(0, at - 3), at);
  if (/[。！？][」』）】”’]*$/.test(before)) return !NO_LINE_START.test(window.charAt(at));
  return /[.!?…]["')”’*_~]*$/.test(before) && SPACE.test(window.charAt(at));
}
