import type { MarkedToken, Token, Tokens } from "marked";
import { decodeEntities, stripHtml } from "./format-html.ts";
import type { Run } from "./format-runs.ts";

/** Flattens inline tokens to runs of text that each know the markers they stand in. */
export function inlineRuns(tokens: readonly Token[], marks = "", inLink = false): Run[] {
  return tokens.flatMap((token, index) => {
    const literal = literalSpan(token, tokens[index - 1]);
    if (literal === undefined) return tokenRuns(token, marks, inLink);
    const marker = { text: literal.marker, marks };
    return [marker, ...inlineRuns(literal.tokens, marks, inLink), marker];
  });
}

/** Code as WhatsApp shows it; as plain text when backticks of its own would end it early. */
export function inlineCode(code: string): string {
  if (code.trim() === "") return code;
  if (!code.includes("`")) return `\`${code}\``;
  return /^`|`$|```/.test(code) ? code : `\`\`\`${code}\`\`\``;
}

/** Narrows marked's open token type, whose catch-all member has `any` for every property. */
export function isKnownToken(token: Token): token is MarkedToken {
  return TOKEN_TYPES.has(token.type);
}

const TOKEN_TYPES = new Set<string>([
  "blockquote",
  "br",
  "checkbox",
  "code",
  "codespan",
  "def",
  "del",
  "em",
  "escape",
  "heading",
  "hr",
  "html",
  "image",
  "link",
  "list",
  "list_item",
  "paragraph",
  "space",
  "strong",
  "table",
  "text",
] satisfies MarkedToken["type"][]);

/**
 * What Markdown calls emphasis and people call arithmetic, a range or a home folder: `2*3*4`,
 * `2**3**4`, `10~20, 30~40`, `~/bin:~/lib`.
 */
function literalSpan(token: Token, previous: Token | undefined) {
  if (!isKnownToken(token)) return undefined;
  if (token.type !== "em" && token.type !== "strong" && token.type !== "del") return undefined;
  const isInWord = previous?.type === "text" && /[a-z0-9]$/i.test(previous.raw.slice(-1));
  const literal = isInWord ? /^(?:\*(?!\*)|~(?!~)|\*\*(?=\d))/ : /^~(?=\/)/;
  const marker = literal.exec(token.raw)?.[0];
  return marker === undefined ? undefined : { marker, tokens: token.tokens };
}

function tokenRuns(token: Token, marks: string, inLink: boolean): Run[] {
  if (!isKnownToken(token)) return [{ text: token.raw, marks }];
  switch (token.type) {
    case "strong":
      return inlineRuns(token.tokens, `${marks}*`, inLink);
    case "em":
      return inlineRuns(token.tokens, `${marks}_`, inLink);
    case "del":
      return inlineRuns(token.tokens, `${marks}~`, inLink);
    case "br":
      return [{ text: "\n", marks }];
    case "codespan":
      return [{ text: inlineCode(token.text.replaceAll("\n", " ")), marks }];
    case "html":
      return [{ text: stripHtml(token.text), marks }];
    case "link":
      return linkRuns(token, marks);
    case "image":
      return imageRuns(token, marks, inLink);
    case "text":
      if (token.tokens !== undefined) return inlineRuns(token.tokens, marks, inLink);
      return textRuns(token.text, marks);
    case "escape":
      return [{ text: token.text, marks }];
    default:
      return [];
  }
}

/**
 * CommonMark does not see the strong text in `**「重要」**です`, as a closing delimiter between
 * punctuation and a letter is none in its rules, and models write that all day in Japanese.
 */
function textRuns(text: string, marks: string): Run[] {
  const parts = text.split(/(?<![a-z0-9*])\*\*(?=[^\s*])([^*\n]+)(?<=\S)\*\*(?!\*)/i);
  return parts.map((part, index) => ({
    text: decodeEntities(part),
    marks: index % 2 === 0 ? marks : `${marks}*`,
  }));
}

function linkRuns(link: Tokens.Link, marks: string): Run[] {
  if (link.autolink === true) {
    // Without angle brackets the reader sees what the agent wrote, up to the full stop after it.
    return [{ text: link.text, marks: "", isUrl: link.raw.startsWith("<") }];
  }
  return labelled(inlineRuns(link.tokens, marks, true), link.href);
}

function imageRuns(image: Tokens.Image, marks: string, inLink: boolean): Run[] {
  const alt = { text: decodeEntities(image.text), marks };
  return inLink ? [alt] : labelled([alt], image.href);
}

/** WhatsApp has no link syntax, so the address follows the label. */
function labelled(label: readonly Run[], href: string): Run[] {
  const text = label.map((run) => run.text).join("");
  const url = displayUrl(href);
  // A link inside the page leads nowhere in a chat.
  if (url === "" || url.startsWith("#")) return [...label];
  const address: Run = { text: url, marks: "", isUrl: true };
  if (text.trim() === "" || bareUrl(text.trim()) === bareUrl(url)) return [address];
  const isSeparated = /[:?!]$|:\/\//.test(text);
  return [...label, { text: isSeparated ? " " : ": ", marks: "" }, address];
}

function displayUrl(href: string): string {
  return href.replace(/^(mailto|tel):/i, "").replaceAll(/\s/g, (space) => encodeURIComponent(space));
}

function bareUrl(url: string): string {
  return url.replace(/^https?:\/\//i, "").replace(/\/$/, "");
}
