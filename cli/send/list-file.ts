import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { describeError } from "../../src/errors.ts";
import { parseJson } from "../../src/json.ts";
import type { RichContent } from "../../src/outgoing.ts";
import { usage } from "./options.ts";

type ListContent = Extract<RichContent, { readonly type: "list" }>;

const words = z.string().exactOptional();
const row = z
  .union([
    z.string().transform((title) => ({ title })),
    z.strictObject({ id: words, title: z.string(), description: words }),
  ])
  // What is pressed comes back as its title, unless it has an id.
  .transform((choice) => ({ id: choice.title, ...choice }));
const rows = z.array(row);

/** A list as it stands in a file: sections with rows, or rows alone. */
const listFile = z.strictObject({
  text: words,
  button: z.string(),
  header: words,
  footer: words,
  rows: rows.exactOptional(),
  sections: z.array(z.strictObject({ title: words, rows })).default([]),
});

/** JSON or TOML, whichever it is; it may leave the text to the command line. */
export function readList(file: string, name: string): Omit<ListContent, "text"> & { readonly text?: string } {
  const parsed = listFile.safeParse(/^\s*\{/.test(file) ? parseJson(file) : toml(file, name));
  if (parsed.success) {
    const { rows: alone, sections, ...list } = parsed.data;
    return { ...list, type: "list", sections: alone ? [{ rows: alone }, ...sections] : sections };
  }
  const [issue] = parsed.error.issues;
  throw usage(
    `${name} is no list: ${issue?.path.join(".") || "the file"}: ${issue?.message ?? "it can not be read"}`,
    'it needs button = "Choose" and rows = ["One", "Two"]; see docs/sending.md',
  );
}

function toml(text: string, name: string): unknown {
  try {
    return parseToml(text);
  } catch (error) {
    throw usage(`${name} is neither JSON nor TOML: ${describeError(error).split("\n", 1)[0]}`);
  }
}
