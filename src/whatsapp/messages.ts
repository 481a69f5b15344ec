import { splitText } from "./split.ts";

/** One line without any character that Markdown could mean something by, and without an address. */
const PLAIN = /^(?![\s\d+=-]|.*(?::\/\/|www\.))[^\n\r\t*_~`#>[\]|<&\\]*$/i;

/**
 * An answer's Markdown as the texts that WhatsApp takes, in order; none for an empty answer. A plain line does without
 * the parser, whose loading and first run would take `wa-cli send` 40 ms.
 */
export async function toMessages(markdown: string): Promise<readonly string[]> {
  if (PLAIN.test(markdown)) return splitText(markdown);
  const { toWhatsApp } = await import("./format.ts");
  return splitText(toWhatsApp(markdown));
}
