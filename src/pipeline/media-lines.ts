import { findCode } from "./code-ranges.ts";
import type { Answer } from "./answer.ts";

const MEDIA_LINE = /^ {0,3}MEDIA:(?<written>.*)$/s;
/** With a scheme, from a root, or with an extension: prose behind the word is none of these. */
const LIKE_A_FILE = /^(?:[a-z][a-z\d+.-]{0,20}:|~|\.{0,2}\/)\S|[^\s.]\.[a-z\d]{1,10}$/iu;
const QUOTED = /^(?<quote>["'`])(?<inner>.+)\k<quote>$/;
const DIRECTIVE =
  /\[\[[ \t]{0,9}(?:(?<voice>audio_as_voice)|reply_to(?:_current|[ \t]{0,9}:[^[\]\n]{0,200}))[ \t]{0,9}\]\] ?/g;

/**
 * Takes `MEDIA:` lines and `[[audio_as_voice]]`, `[[reply_to…]]` out of an agent's text: OpenClaw's agents write them
 * for the program that shows it. What stands in code is left alone: there it is explained, not meant.
 */
export function takeMedia(answer: string): Answer {
  if (!answer.includes("MEDIA:") && !answer.includes("[[")) return { text: answer, media: [] };
  const isCode = findCode(answer);
  const kept: string[] = [];
  const references = new Set<string>();
  let asVoice = false;
  let isGap = false;
  let start = 0;
  for (const line of answer.split("\n")) {
    const reference = isCode(start) ? undefined : readMediaLine(line);
    const { rest, voice } = withoutDirectives(line, (index) => isCode(start + index));
    start += line.length + 1;
    asVoice ||= voice;
    if (reference !== undefined) references.add(reference);
    const isTaken = reference !== undefined || (rest !== line && rest === "");
    const isAfterBlank = (kept.at(-1) ?? "").trim() === "";
    // An empty line on both sides of what was taken would be two.
    if (isTaken) isGap = isAfterBlank;
    else if (!isGap || rest.trim() !== "") {
      isGap = false;
      kept.push(rest);
    }
  }
  const media = [...references].map((reference) => ({ reference, asVoice }));
  return { text: kept.join("\n").trim(), media };
}

function readMediaLine(line: string): string | undefined {
  const written = MEDIA_LINE.exec(line)?.groups?.["written"]?.trim();
  if (written === undefined || written === "") return undefined;
  const inner = QUOTED.exec(written)?.groups?.["inner"]?.trim();
  if (inner !== undefined) return inner === "" ? undefined : inner;
  return LIKE_A_FILE.test(written) ? written : undefined;
}

function withoutDirectives(
  line: string,
  isCode: (index: number) => boolean,
): { readonly rest: string; readonly voice: boolean } {
  let rest = "";
  let voice = false;
  let from = 0;
  for (const match of line.matchAll(DIRECTIVE)) {
    if (isCode(match.index)) continue;
    voice ||= match.groups?.["voice"] !== undefined;
    rest += line.slice(from, match.index);
    from = match.index + match[0].length;
  }
  return from === 0 ? { rest: line, voice } : { rest: (rest + line.slice(from)).trimEnd(), voice };
}
