/**
 * What WhatsApp's clients show of a line, by the rules their users have found: a marker opens at the start, behind
 * white space, ">" or another marker, closes in front of anything but a letter or a digit, and encloses no outer space.
 */
export function shownLine(line: string): string {
  return shown(line, "");
}

function shown(text: string, before: string): string {
  let output = "";
  let previous = before;
  for (let at = 0; at < text.length; at += 1) {
    const end = closing(text, at, previous);
    previous = text.charAt(end ?? at);
    if (end === undefined) {
      output += previous;
      continue;
    }
    const inner = text.slice(at + 1, end);
    output += previous === "`" ? inner : shown(inner, previous);
    at = end;
  }
  return output;
}

function closing(text: string, at: number, previous: string): number | undefined {
  const marker = text.charAt(at);
  if (marker === "`") return text.includes("`", at + 2) ? text.indexOf("`", at + 2) : undefined;
  if (!/[*_~]/.test(marker) || !/^[\s>*_~]?$/.test(previous)) return undefined;
  if (!/\S/.test(text.charAt(at + 1))) return undefined;
  for (let end = text.indexOf(marker, at + 2); end !== -1; end = text.indexOf(marker, end + 1)) {
    if (/\S/.test(text.charAt(end - 1)) && !/^[\p{L}\p{N}]/u.test(text.slice(end + 1))) return end;
  }
  return undefined;
}
