import { Hooks, Lexer, type Token, type Tokens, type TokensList } from "marked";
import { inlineCode, inlineRuns, isKnownToken } from "./format-inline.ts";
import { stripHtml } from "./format-html.ts";
import { renderRuns } from "./format-runs.ts";
import { renderTable } from "./format-table.ts";

/** Turns the Markdown an agent writes into WhatsApp's own markup; never throws. */
export function toWhatsApp(markdown: string): string {
  if (markdown.length > MAX_LENGTH) return markdown.trim();

  try {
    const tokens = new BoundedLexer({ gfm: true, hooks: new AddressMask() }).lex(markdown);
    return renderBlocks(tokens, { depth: 0, quoted: false }).replace(/^\n+/, "").trimEnd();
  } catch {
    // marked throws when it finds itself in an endless loop. An unformatted reply is better
    // than none.
    return markdown.trim();
  }
}

interface Context {
  readonly depth: number;
  readonly quoted: boolean;
}

// About sixty full messages: longer text is no chat reply, and parsing time should stay bounded.
const MAX_LENGTH = 256 * 1024;

// marked needs quadratic time for long runs of unpaired delimiters: 20,000 characters of "*_a"
// take it 2.6 s. A paragraph that fits a message never has this many.
const MAX_DELIMITERS = 500;

// A phone screen has no room for deeper indentation.
const MAX_INDENT_LEVELS = 4;

// 20,000 nested quotes overflow the parser's stack, and each level parses all of its text again.
const MAX_NESTING = 32;

/** Keeps emphasis from ending within an address: `_see https://a.b/c_(d) now_`. */
class AddressMask extends Hooks {
  override emStrongMask(source: string): string {
    return source.replaceAll(ADDRESS, (address) => address.replaceAll("_", "a"));
  }
}

/** Without what may end the sentence or the emphasis around it. */
const ADDRESS = /(?:https?:\/\/|www\.)[^\s<>]*[^\s<>*_~.,:;!?'")\]]/gi;

class BoundedLexer extends Lexer {
  #nesting = 0;

  override blockTokens(source: string, tokens?: Token[], isClipped?: boolean): Token[];
  override blockTokens(source: string, tokens: TokensList, isClipped?: boolean): TokensList;
  override blockTokens(source: string, tokens: Token[] = [], isClipped?: boolean): Token[] {
    if (this.#nesting > MAX_NESTING) return pushLiteral(tokens, source);
    this.#nesting += 1;
    super.blockTokens(source, tokens, isClipped);
    this.#nesting -= 1;
    return tokens;
  }

  override inlineTokens(source: string, tokens: Token[] = []): Token[] {
    const delimiters = source.match(/[*_~!]/g)?.length ?? 0;
    if (delimiters <= MAX_DELIMITERS) return super.inlineTokens(source, tokens);
    return pushLiteral(tokens, source);
  }
}

/** An escape is the token that is printed as it stands: no entity in it is decoded. */
function pushLiteral(tokens: Token[], source: string): Token[] {
  tokens.push({ type: "escape", raw: source, text: source });
  return tokens;
}

function renderBlocks(tokens: readonly Token[], context: Context): string {
  let output = "";
  let previous = "";
  for (const token of tokens) {
    const block = renderBlock(token, context);
    if (block !== "") output += output === "" ? block : separator(previous, token.type) + block;
    previous = token.type;
  }
  return output;
}

function separator(previous: string, next: string): string {
  // "Steps:" right above its list stays there; everything else gets room to breathe.
  const isTight = previous === "paragraph" && (next === "list" || next === "code");
  return isTight ? "\n" : "\n\n";
}

function renderBlock(token: Token, context: Context): string {
  if (!isKnownToken(token)) return token.raw;
  switch (token.type) {
    case "space":
    case "def":
    case "checkbox":
      return "";
    case "hr":
      return "———";
    case "heading":
      return renderRuns(inlineRuns(token.tokens, "*"));
    case "paragraph":
      return renderRuns(inlineRuns(token.tokens));
    case "code":
      return context.quoted ? renderQuotedCode(token.text) : renderFence(token.text);
    case "blockquote":
      return renderQuote(token, context);
    case "list":
      return renderList(token, context);
    case "table":
      return renderTable(token, { fence: !context.quoted });
    case "html":
      return stripHtml(token.text).trim();
    default:
      return renderRuns(inlineRuns([token]));
  }
}

function renderFence(code: string): string {
  if (code.trim() === "") return "";
  // WhatsApp ends a fence at the first ```, so such code is only readable without one around it.
  return code.includes("```") ? code : `\`\`\`\n${code}\n\`\`\``;
}

/** A quote mark in front of every line would show up inside a fence, so each line is code by itself. */
function renderQuotedCode(code: string): string {
  const lines = code.split("\n");
  return lines.map((line) => (line.trim() === "" ? "" : inlineCode(line))).join("\n");
}

function renderQuote(quote: Tokens.Blockquote, context: Context): string {
  const text = renderBlocks(quote.tokens, { ...context, quoted: true });
  // WhatsApp has one level of quotes, and an empty quoted line prints its mark.
  if (context.quoted) return text;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => `> ${line}`).join("\n");
}

function renderList(list: Tokens.List, context: Context): string {
  const start = list.start === "" ? 1 : list.start;
  const items = list.items.map((item, index) => {
    const mark = bullet(item, context.depth);
    const marker = list.ordered ? `${start + index}.${item.task ? ` ${mark}` : ""}` : mark;
    const text = renderItem(item, context);
    return indentation(context.depth) + marker + (/^(\n|$)/.test(text) ? "" : " ") + text;
  });
  return items.join(list.loose ? "\n\n" : "\n");
}

function bullet(item: Tokens.ListItem, depth: number): string {
  if (item.task) return item.checked === true ? "☑" : "☐";
  // WhatsApp's lists have one level; an indented dash would be plain text, and an ugly one.
  return depth === 0 ? "-" : "◦";
}

function renderItem(item: Tokens.ListItem, context: Context): string {
  const depth = context.depth + 1;
  let output = "";
  for (const token of item.tokens) {
    const block = renderBlock(token, { ...context, depth });
    if (block === "") continue;
    // WhatsApp knows a quote at the start of a line only.
    const isQuote = token.type === "blockquote" && !context.quoted && output !== "";
    const isVerbatim = isQuote || isAtMargin(token, block);
    const indented = isVerbatim ? block : block.replaceAll(/^(?=.)/gm, indentation(depth));
    output += output === "" && !isVerbatim ? indented.trimStart() : `\n${indented}`;
  }
  return output;
}

/** Nested lists are indented already, code keeps the indentation it has. */
function isAtMargin(token: Token, block: string): boolean {
  return token.type === "list" || token.type === "code" || block.startsWith("```");
}

function indentation(depth: number): string {
  return "  ".repeat(Math.min(depth, MAX_INDENT_LEVELS));
}
