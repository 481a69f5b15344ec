/** What a terminal obeys instead of showing it: escape codes begin with a control character, others end a line or turn its text around. */
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** One line in which all of that can be seen, written as in JSON: so a document of JSON stays what it is. */
export function visible(line: string): string {
  return line.replace(OBEYED, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same for a text, whose line feeds stay. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}
