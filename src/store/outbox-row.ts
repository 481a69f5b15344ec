import { z } from "zod";
import type { RichContent } from "../outgoing.ts";
import { DELIVERY_STATES } from "../pipeline/delivery-state.ts";
import type { OutgoingMedia } from "../pipeline/media.ts";
import type { Claim } from "../pipeline/outbox.ts";
import { OUTBOX_STATES } from "../pipeline/outbox-state.ts";
import { toIdentity } from "./identity.ts";
import { jsonColumn } from "./json-column.ts";

/** A message of ours. */
export const outboxRow = z.object({
  id: z.int(),
  batch: z.string(),
  inbox_seq: z.int().nullable(),
  part: z.int(),
  contact: z.string(),
  phone: z.string().nullable(),
  bsuid: z.string().nullable(),
  text: z.string(),
  tracking_id: z.string(),
  state: z.enum(OUTBOX_STATES),
  attempts: z.int(),
  doubts: z.int(),
  due_at: z.int(),
  claimed_by: z.string().nullable(),
  claimed_at: z.int().nullable(),
  alive_at: z.int().nullable(),
  doubtful_since: z.int().nullable(),
  wamid: z.string().nullable(),
  code: z.string().nullable(),
  error: z.string().nullable(),
  status: z.enum(DELIVERY_STATES).nullable(),
  status_at: z.int().nullable(),
  created_at: z.int(),
  settled_at: z.int().nullable(),
  quotes: z.string().nullable(),
  media: jsonColumn<OutgoingMedia>(),
  content: jsonColumn<RichContent>(),
  released_at: z.int().nullable(),
});
export type OutboxRow = z.output<typeof outboxRow>;

/** The row in our hands. */
export function toClaim(head: OutboxRow, by: string, claimedAt: number): Claim {
  return {
    id: head.id,
    contact: head.contact,
    by,
    claimedAt,
    to: toIdentity(head),
    text: head.text,
    media: head.media,
    content: head.content,
    quotes: head.quotes ?? undefined,
    trackingId: head.tracking_id,
    attempts: head.attempts,
    doubts: head.doubts,
    // One that was held became a message to be sent when the person wrote.
    createdAt: head.released_at ?? head.created_at,
    doubtfulSince: head.doubtful_since ?? undefined,
  };
}
