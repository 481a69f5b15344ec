import { z } from "zod";
import type { ContactCard, Content } from "../content.ts";
import { parsePhone } from "../phone.ts";
import { fieldOf, listOf, words } from "./fields.ts";

const MAX_CARDS = 100;
const MAX_ENTRIES = 20;

const card = z
  .object({
    name: z.object({ formatted_name: words, first_name: words, last_name: words }).catch({}),
    phones: listOf(MAX_ENTRIES),
    emails: listOf(MAX_ENTRIES),
    org: z.object({ company: words }).catch({}),
  })
  .transform(({ name, phones, emails, org }): ContactCard => {
    const shown = name.formatted_name ?? [name.first_name, name.last_name].filter(Boolean).join(" ");
    return {
      ...(shown && { name: shown }),
      phones: phones.flatMap((phone) => readPhone(phone) ?? []),
      emails: emails.flatMap((email) => words.parse(fieldOf(email, "email")) ?? []),
      ...(org.company && { organisation: org.company }),
    };
  });

export function readCards(message: unknown): Content {
  const entries = listOf(MAX_CARDS).parse(fieldOf(message, "contacts"));
  return { type: "contacts", cards: entries.flatMap((entry) => card.safeParse(entry).data ?? []) };
}

/** `+` and digits; as it stands on the card where that is no international number and WhatsApp knows none. */
function readPhone(entry: unknown): string | undefined {
  const written = words.parse(fieldOf(entry, "phone"))?.trim() || undefined;
  const known = words.parse(fieldOf(entry, "wa_id"));
  const international = written?.startsWith("+") ? written : (known ?? written);
  const digits = parsePhone(international ?? "");
  return digits === undefined ? written : `+${digits}`;
}
