export interface Fence {
  readonly open: number;
  readonly end: number;
}

/** What a cut at a position would break, from nothing to the text itself. */
export const FREE = 0;
export const SPAN = 1;
export const ADDRESS = 2;
export const FENCE_MARK = 3;

/** Pairs of ```; one without a partner is text. */
export function findFences(text: string): Fence[] {
  const fences: Fence[] = [];
  let open = text.indexOf(MARK);
  while (open !== -1) {
    const close = text.indexOf(MARK, open + MARK.length);
    if (close === -1) break;
    fences.push({ open, end: close + MARK.length });
    open = text.indexOf(MARK, close + MARK.length);
  }
  return fences;
}

/** The cost of a cut in front of each character of the window, whose fences count from its start. */
export function cutCosts(window: string, fences: readonly Fence[], limit: number): Uint8Array {
  const costs = new Uint8Array(window.length + 1);
  const raise = (from: number, to: number, cost: number) => {
    const last = Math.min(to, window.length);
    for (let at = Math.max(0, from); at <= last; at += 1) {
      costs[at] = Math.max(cost, costs[at] ?? FREE);
    }
  };

  for (const { from, to } of findSpans(window)) raise(from + 1, to, SPAN);
  for (const { index, 0: url } of window.matchAll(URL)) {
    raise(index + 1, index + url.length - 1, ADDRESS);
  }
  for (const { open, end } of fences) {
    // A fence that fits a message stays in one piece; a longer one may be cut at any line.
    if (open >= 0 && end - open <= limit) raise(open + 1, end - 1, SPAN);
    // One more on the inner sides: nobody wants a fence around an empty line.
    raise(open + 1, open + MARK.length + 1, FENCE_MARK);
    raise(end - MARK.length - 1, end - 1, FENCE_MARK);
  }
  return costs;
}

const MARK = "```";

// Japanese sentences follow an address without a space, so their punctuation ends it.
const URL = /(?:https?:\/\/|www\.)[^\s<>"`、。！？「」『』（）【】]+/gi;

/** Finds `*bold*` and the like with one look at each character, however hostile the text. */
function findSpans(window: string) {
  const spans: { from: number; to: number }[] = [];
  const opened = new Map<string, number>();
  for (let at = 0; at < window.length; at += 1) {
    const character = window.charAt(at);
    if (character === "\n") opened.clear();
    if (!"*_~`".includes(character)) continue;

    const from = opened.get(character);
    const before = window.charAt(at - 1);
    const after = window.charAt(at + 1);
    if (from !== undefined && at > from + 1 && /\S/.test(before) && !/[a-z0-9]/i.test(after)) {
      spans.push({ from, to: at });
      opened.delete(character);
    } else if (/\S/.test(after) && !/[a-z0-9]/i.test(before)) {
      opened.set(character, at);
    }
  }
  return spans;
}
