import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { describeError } from "../../src/errors.ts";
import { parseJson } from "../../src/json.ts";
import { usage } from "./options.ts";

const row = z.union([
  z.string().transform((title) => ({ title })),
  z.strictObject({ id: z.string().optional(), title: z.string(), description: z.string().optional() }),
]);
const rows = z.array(row);

/** A list as it stands in a file: sections with rows, or rows alone. */
const listFile = z.strictObject({
  text: z.string().optional(),
  button: z.string(),
  header: z.string().optional(),
  footer: z.string().optional(),
  rows: rows.optional(),
  sections: z.array(z.strictObject({ title: z.string().optional(), rows })).optional(),
});

export type ListFile = z.output<typeof listFile>;

/** JSON or TOML, whichever it is. */
export function readList(text: string, name: string): ListFile {
  const parsed = listFile.safeParse(/^\s*\{/.test(text) ? parseJson(text) : toml(text, name));
  if (parsed.success) return parsed.data;
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
