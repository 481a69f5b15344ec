import { toWhatsApp } from "./format.ts";
import { splitText } from "./split.ts";

/** An answer's Markdown as the texts that WhatsApp takes, in order; none for an empty answer. */
export function toMessages(markdown: string): readonly string[] {
  return splitText(toWhatsApp(markdown));
}
