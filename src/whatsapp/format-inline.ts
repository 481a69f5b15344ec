import type { MarkedToken, Token, Tokens } from "marked";
import { decodeEntities, stripHtml } from "./format-html.ts";
import { literalMarker, literalText } from "./format-literal.ts";
import type { Run } from "./format-runs.ts";

/** Flattens inline tokens to runs of text that each know the markers they stand in. */
export function inlineRuns(tokens: readonly Token[], marks = "", inLink = false): Run[] {
  let before = "";
  return tokens.flatMap((token, index) => {
    const around = { before, after: tokens[index + 1]?.raw ?? "" };
    before = (before + token.raw).slice(-MAX_BEFORE);
    const text = literalText(token, around);
    if (text !== undefined) return [{ text, marks }];
    const literal = literalMarker(token, around);
    if (literal === undefined) return tokenRuns(token, marks, inLink);
    const marker = { text: literal, marks };
    return [marker, ...inlineRuns(innerTokens(token), marks, inLink), marker];
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

// Longer than the path in front of any token.
const MAX_BEFORE = 260;

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

function innerTokens(token: Token): Token[] {
  return isKnownToken(token) && "tokens" in token ? (token.tokens ?? []) : [];
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
 * Behind a comma or an opening bracket it is code: `f(**a,**b)`.
 */
function textRuns(text: string, marks: string): Run[] {
  const parts = text.split(/(?<![a-z0-9*])\*\*(?=[^\s*])([^*\n]+)(?<=[^\s,([{=+-])\*\*(?!\*)/i);
  return parts.map((part, index) => ({
    text: decodeEntities(part),
    marks: index % 2 === 0 ? marks : `${marks}*`,
  }));
}

function linkRuns(link: Tokens.Link, marks: string): Run[] {
  if (link.autolink !== true) return labelled(inlineRuns(link.tokens, marks, true), link.href);
  const address = { text: link.text, marks: "" };
  if (link.raw.startsWith("<")) return [{ ...address, url: "apart" }];
  // Without angle brackets the reader sees what the agent wrote, up to the full stop after it.
  return [/^mailto:/i.test(link.href) ? address : { ...address, url: "as written" }];
}

function imageRuns(image: Tokens.Image, marks: string, inLink: boolean): Run[] {
  const alt = inlineRuns(image.tokens, marks, true);
  return inLink ? alt : labelled(alt, image.href);
}

/** WhatsApp has no link syntax, so the address follows the label. */
function labelled(label: readonly Run[], href: string): Run[] {
  const text = label.map((run) => run.text).join("");
  const url = displayUrl(href);
  // A link inside the page leads nowhere in a chat, and an embedded file is pages of nonsense.
  if (url === "" || /^(?:#|data:)/i.test(url)) return [...label];
  const address: Run = { text: url, marks: "", url: "apart" };
  if (text.trim() === "" || bareUrl(text.trim()) === bareUrl(url)) return [address];
  const isSeparated = /[:?!]$|:\/\//.test(text);
  return [...label, { text: isSeparated ? " " : ": ", marks: "" }, address];
}

function displayUrl(href: string): string {
  const url = decodeEntities(href).replace(/^(mailto|tel):/i, "");
  return url.replaceAll(/\s/g, (space) => encodeURIComponent(space));
}

function bareUrl(url: string): string {
  return url.replace(/^https?:\/\//i, "").replace(/\/$/, "");
}
