import type { Token } from "marked";

/** The Markdown on both sides of a token, as far as it matters. */
interface Around {
  readonly before: string;
  readonly after: string;
}

/** Emphasis to Markdown, and no such thing to its author: its delimiters are part of the text. */
export function literalMarker(token: Token, { before, after }: Around): string | undefined {
  const marker = DELIMITERS.exec(token.raw)?.[0];
  if (marker === undefined || !EMPHASIS.has(token.type)) return undefined;
  const content = token.raw.slice(marker.length);
  const isLiteral =
    isSum(marker, content, before) || isRange(marker, content, after) || isPath(content, before, after);
  return isLiteral ? marker : undefined;
}

/** Text that is not what Markdown makes of it: a name in underscores, or a Windows path. */
export function literalText(token: Token, { before, after }: Around): string | undefined {
  if (token.type === "strong" && NAME.test(token.raw)) {
    // In front of other characters WhatsApp opens nothing, and would print backticks.
    return /\S$/.test(before) ? token.raw : `\`${token.raw}\``;
  }
  if (token.type !== "escape") return undefined;
  const isServer = token.raw === "\\\\" && !/\S$/.test(before) && SERVER.test(after);
  const isFolder = token.raw !== "\\\\" && DRIVE.test(before);
  return isServer || isFolder ? token.raw : undefined;
}

const EMPHASIS = new Set(["em", "strong", "del"]);
/** At most two, as three are one mark within another. */
const DELIMITERS = /^(?:\*{1,2}|_{1,2}|~{1,2})/;

/** `__init__`: models write strong text with asterisks, and a name without its underscores is another name. */
const NAME = /^__[a-z][a-z0-9_]*[a-z0-9]__$/;

/** The rest of `\\server\share`: whoever escapes backslashes has two there. */
const SERVER = /^[\w.$-]+\\(?!\\)/;

/** `C:\` or `C:\Users\`, in front of `_cache` or `.ssh`. */
const DRIVE = /(?:^|[^a-z])[a-z]:(?:\\[^\s\\]+)*$/i;

/** `2*3*4`, `2**3**4`. */
function isSum(marker: string, content: string, before: string): boolean {
  if (!/[a-z0-9]$/i.test(before)) return false;
  return marker === "*" || marker === "~" || (marker === "**" && /^\d/.test(content));
}

/** `10~20, 30~40`, `~10-~20`, `~/bin:~/lib`. */
function isRange(marker: string, content: string, after: string): boolean {
  return marker === "~" && (content.startsWith("/") || /^[\p{L}\p{N}]/u.test(after));
}

/** `src/*.ts, test/*.ts`, `*.a,*.b`, `src/__tests__/x`. */
function isPath(content: string, before: string, after: string): boolean {
  return /^(?:\/|\.\w)/.test(after) && (before.endsWith("/") || /^[/.]/.test(content));
}
