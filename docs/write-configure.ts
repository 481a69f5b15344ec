import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Setting } from "../src/config/setting.ts";
import { SETTINGS, type Section } from "../src/config/settings.ts";

/** Writes the tables of configure.md from the settings; what stands above the mark is written by hand. */

const FILE = fileURLToPath(new URL("configure.md", import.meta.url));
const MARK = "<!-- From here on written by `npm run docs`, from src/config/*settings.ts. -->\n";
const HEAD = ["key", "variable", "values", "default", "meaning"];
/** A longer default is shown by its beginning. */
const MAX_DEFAULT = 40;

const SECTIONS: Readonly<Record<string, string>> = {
  "": "At the top of the file, above every section.",
  kapso: "The account at Kapso.",
  meta: "The account at Meta, without Kapso: [meta.md](meta.md).",
  delivery: "How messages come in and are answered: [receiving.md](receiving.md).",
  webhook: "Where webhooks arrive, and what they are signed with.",
  tailscale: 'The Funnel, with `delivery.mode = "tailscale"`.',
  gateway: "The agent.",
  bridge: "Agents that send by HTTP: [http-agents.md](http-agents.md).",
  security: "Who may write, as whom, and how often.",
  send: "What `wa-cli send` may do: [sending.md](sending.md).",
  transcribe: "Voice messages as text: [messages.md](messages.md#voice).",
  media: "Files, both ways: [messages.md](messages.md#files-that-come-in).",
  state: "What is kept on disk: [operations.md](operations.md).",
  log: "The daemon's log.",
} satisfies Record<Section, string>;

/** The page with its tables anew. */
export function writeTables(page: string): string {
  const [intro] = page.split(MARK);
  return `${intro}${MARK}${Object.entries(SETTINGS).map(describeSection).join("")}`;
}

function describeSection([section, settings]: [string, Record<string, Setting>]): string {
  const rows = Object.entries(settings).map(([key, setting]) => describe(key, setting));
  const title = section === "" ? "No section" : `[${section}]`;
  return `\n## ${title}\n\n${SECTIONS[section]}\n\n${table([HEAD, ...rows])}`;
}

function describe(key: string, { schema, env, about, secret }: Setting): string[] {
  const shape = z.toJSONSchema(schema, { io: "input" });
  const fallback = shape.default ?? schema.safeParse(undefined).data;
  return [
    code(key),
    env.map(code).join(", "),
    secret ? (shape.type === "array" ? "secrets, a list" : "secret") : values(shape),
    fallback === undefined ? "" : showDefault(fallback),
    about,
  ].map((cell) => cell.replaceAll("|", "\\|"));
}

type Shape = z.core.JSONSchema.BaseSchema;

function values({ description, enum: words, const: only, type, format, minimum, maximum }: Shape): string {
  if (description !== undefined) return description;
  if (words) return words.map((word) => code(JSON.stringify(word))).join(", ");
  if (only !== undefined) return code(JSON.stringify(only));
  switch (type) {
    case "boolean":
      return "`true`, `false`";
    case "integer":
    case "number":
      return `number, ${minimum}${maximum === Number.MAX_SAFE_INTEGER ? " or more" : ` to ${maximum}`}`;
    case "array":
      return "list";
    case "object":
      return "table of lists";
    default:
      return format === "uri" ? "URL" : "text";
  }
}

function showDefault(value: unknown): string {
  const text = JSON.stringify(value).replaceAll('","', '", "');
  return code(
    text.length > MAX_DEFAULT && typeof value === "string" ? `${text.slice(0, MAX_DEFAULT)}…"` : text,
  );
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Padded as the formatter wants it. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |\n`;
  const [head = [], ...body] = rows.map(line);
  return [head, line(widths.map((width) => "-".repeat(width))), ...body].join("");
}

if (import.meta.main) writeFileSync(FILE, writeTables(readFileSync(FILE, "utf8")));
