import { z } from "zod";
import type { Content } from "../content.ts";
import type { Inbound } from "../message.ts";
import type { Hops } from "../pipeline/hops.ts";
import { toIdentity } from "./identity.ts";
import { jsonColumn } from "./json-column.ts";

/** What has no column of its own. */
type Extras = Pick<Inbound, "username" | "forwarded" | "referral">;

/** A message of a person's. */
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
  content: jsonColumn<Content>(),
  quotes: z.string().nullable(),
  extras: jsonColumn<Extras>(),
  sent_at: z.int(),
  received_at: z.int(),
  polled_at: z.int().nullable(),
  webhook_at: z.int().nullable(),
  state: z.string(),
  settled_at: z.int().nullable(),
  hops: jsonColumn<Hops>(),
});
export type InboxRow = z.output<typeof inboxRow>;

/** The message as it came. */
export function readMessage(row: InboxRow): Inbound {
  return {
    wamid: row.wamid,
    phoneNumberId: row.phone_number_id,
    from: toIdentity(row),
    ...(row.name !== null && { name: row.name }),
    // A text has no more than its text, and rows of an older version have the description alone.
    content: row.content ?? { type: "text", text: row.text },
    ...(row.quotes !== null && { quotes: row.quotes }),
    ...row.extras,
    sentAt: row.sent_at,
  };
}

export function extrasOf({ username, forwarded, referral }: Inbound): string | null {
  if (username === undefined && forwarded === undefined && referral === undefined) return null;
  return JSON.stringify({ username, forwarded, referral });
}
