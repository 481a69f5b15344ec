import { z } from "zod";
import type { Content } from "../content.ts";
import type { Inbound } from "../message.ts";

export const countRow = z.object({ state: z.string(), n: z.int() });

/** A row of the inbox. */
export const inboxRow = z.object({
  seq: z.int(),
  contact: z.string(),
  phone_number_id: z.string(),
  wamid: z.string(),
  phone: z.string().nullable(),
  bsuid: z.string().nullable(),
  name: z.string().nullable(),
  kind: z.string(),
  text: z.string(),
  content: z.string().nullable(),
  quotes: z.string().nullable(),
  extras: z.string().nullable(),
  sent_at: z.int(),
  received_at: z.int(),
});
export type InboxRow = z.output<typeof inboxRow>;

type Extras = Pick<Inbound, "username" | "forwarded" | "referral">;

/** The message as it came. */
export function readMessage(row: InboxRow): Inbound {
  return {
    wamid: row.wamid,
    phoneNumberId: row.phone_number_id,
    from: {
      ...(row.phone !== null && { phone: row.phone }),
      ...(row.bsuid !== null && { bsuid: row.bsuid }),
    },
    ...(row.name !== null && { name: row.name }),
    content: readContent(row),
    ...(row.quotes !== null && { quotes: row.quotes }),
    ...readExtras(row),
    sentAt: row.sent_at,
  };
}

/** What has no column of its own. */
export function extrasOf({ username, forwarded, referral }: Inbound): string | null {
  if (username === undefined && forwarded === undefined && referral === undefined) return null;
  return JSON.stringify({ username, forwarded, referral });
}

/** Rows of an older version have the description alone. */
function readContent({ kind, text, content }: InboxRow): Content {
  if (kind === "text") return { type: "text", text };
  if (content === null) return { type: "text", text };
  // We wrote it ourselves, from the type.
  const read: Content = JSON.parse(content);
  return read;
}

function readExtras({ extras }: InboxRow): Extras {
  const read: Extras = extras === null ? {} : JSON.parse(extras);
  return read;
}
