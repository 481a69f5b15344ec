const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Outside of its strings a request has some signs, and white space between them. */
const MAX_BYTES = 16_384;

/**
 * Whether a body of JSON has little but strings in it, as a message has: 20 MB of brackets or of keys would take JSON.parse
 * seconds, in which nobody else is served, and a hundred times their size. Whether it is JSON, is not looked at.
 */
export function isPlain(body: Buffer): boolean {
  let count = 0;
  for (let at = 0; at < body.length && count <= MAX_BYTES; at++) {
    if (body[at] === QUOTE) at = endOfString(body, at + 1);
    else count++;
  }
  return count <= MAX_BYTES;
}

/** Where its closing quote is, or the end of the body. */
function endOfString(body: Buffer, start: number): number {
  for (let at = body.indexOf(QUOTE, start); at !== -1; at = body.indexOf(QUOTE, at + 1)) {
    let escapes = 0;
    while (body[at - 1 - escapes] === BACKSLASH && at - 1 - escapes >= start) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return body.length;
}
