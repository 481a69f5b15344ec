import type { Tokens } from "marked";
import { inlineRuns } from "./format-inline.ts";
import { renderRuns, type Run } from "./format-runs.ts";

/** WhatsApp has no tables: the narrow ones become aligned code, the others a list of facts. */
export function renderTable(table: Tokens.Table, options: { readonly fence: boolean }): string {
  if (table.header.length === 1) return renderColumn(table);
  if (table.header.length === 2) return renderPairs(table);
  return (options.fence ? renderAligned(table) : undefined) ?? renderRecords(table);
}

// Phones wrap monospaced lines somewhere between 30 and 40 characters.
const MAX_WIDTH = 34;
const GAP = "  ";

const WIDE =
  /\p{Emoji_Presentation}|\ufe0f|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff01-\uff60]/u;

function renderColumn(table: Tokens.Table): string {
  const header = renderRuns(table.header.flatMap((cell) => inlineRuns(cell.tokens, "*")));
  const values = table.rows.flat().map((cell) => renderRuns(inlineRuns(cell.tokens)));
  return [header, ...values.map((value) => value && `- ${value}`)].filter(Boolean).join("\n");
}

function renderPairs(table: Tokens.Table): string {
  const rows = table.rows.map(([key, value]) => renderFact(key, value));
  // The header names both sides: without it "before: after" would be a riddle.
  const [left, right] = table.header;
  return [renderFact(left, right, "_"), ...rows].filter(Boolean).join("\n");
}

function renderRecords(table: Tokens.Table): string {
  const records = table.rows.map((row) =>
    row
      .map((cell, index) => (cell.text.trim() === "" ? "" : renderFact(table.header[index], cell)))
      .filter(Boolean)
      .join("\n"),
  );
  if (records.length === 0) return renderRuns(joinCells(table.header));
  return records.filter(Boolean).join("\n\n");
}

/** `*key*: value`, or with `_` a whole line in italics. */
function renderFact(
  key: Tokens.TableCell | undefined,
  value: Tokens.TableCell | undefined,
  marker: "*" | "_" = "*",
): string {
  const left = inlineRuns(key?.tokens ?? [], marker);
  const right = inlineRuns(value?.tokens ?? [], marker === "_" ? "_" : "");
  const isSplit = hasInk(left) && hasInk(right);
  const colon: Run = { text: isSplit ? ": " : "", marks: marker === "_" ? "_" : "" };
  return renderRuns([...left, colon, ...right]);
}

function hasInk(runs: readonly Run[]): boolean {
  return runs.some(({ text }) => text.trim() !== "");
}

function joinCells(cells: readonly Tokens.TableCell[]): Run[] {
  return cells.flatMap((cell, index) => [
    { text: index === 0 ? "" : " · ", marks: "" },
    ...inlineRuns(cell.tokens, "*"),
  ]);
}

function renderAligned(table: Tokens.Table): string | undefined {
  const rows = [table.header, ...table.rows].map((row) => row.map(plainText));
  if (rows.flat().some((text) => /[\n`]|:\/\//.test(text))) return undefined;

  const widths = table.header.map((_, column) =>
    rows.reduce((widest, row) => Math.max(widest, displayWidth(row[column] ?? "")), 0),
  );
  const total = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length);
  if (total > MAX_WIDTH) return undefined;

  const lines = rows.map((row) => {
    const cells = row.map((text, column) => pad(text, widths[column] ?? 0, table.align[column]));
    return cells.join(GAP).trimEnd();
  });
  return `\`\`\`\n${lines.join("\n")}\n\`\`\``;
}

/** Markers inside a fence would be printed. */
function plainText(cell: Tokens.TableCell): string {
  const runs = inlineRuns(cell.tokens).map((run) => ({ ...run, marks: "" }));
  return renderRuns(runs).replaceAll(/(?<!`)`([^`]+)`(?!`)/g, "$1");
}

function pad(text: string, width: number, align: Tokens.Table["align"][number] | undefined) {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "right" ? space + text : text + space;
}

function displayWidth(text: string): number {
  // No cell of a table that fits is longer, and measuring graphemes is slow.
  if (text.length > MAX_WIDTH * 10) return text.length;
  const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text);
  return Array.from(graphemes).reduce((sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1), 0);
}
