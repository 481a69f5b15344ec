import { z } from "zod";
import type { RichContent } from "../outgoing.ts";
import type { OutgoingMedia } from "../pipeline/media.ts";
import type { Claim } from "../pipeline/outbox.ts";

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
  state: z.enum(["held", "queued", "sending", "doubt", "accepted", "dead"]),
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
  status: z.enum(["sent", "delivered", "read", "played", "failed"]).nullable(),
  status_at: z.int().nullable(),
  created_at: z.int(),
  settled_at: z.int().nullable(),
  quotes: z.string().nullable(),
  media: z.string().nullable(),
  content: z.string().nullable(),
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
    to: {
      ...(head.phone !== null && { phone: head.phone }),
      ...(head.bsuid !== null && { bsuid: head.bsuid }),
    },
    text: head.text,
    media: readMedia(head.media),
    content: readContent(head.content),
    quotes: head.quotes ?? undefined,
    trackingId: head.tracking_id,
    attempts: head.attempts,
    doubts: head.doubts,
    // One that was held became a message to be sent when the person wrote.
    createdAt: head.released_at ?? head.created_at,
    doubtfulSince: head.doubtful_since ?? undefined,
  };
}

/** We wrote it ourselves, from the type. */
function readMedia(text: string | null): OutgoingMedia | undefined {
  if (text === null) return undefined;
  const media: OutgoingMedia = JSON.parse(text);
  return media;
}

function readContent(text: string | null): RichContent | undefined {
  if (text === null) return undefined;
  const content: RichContent = JSON.parse(text);
  return content;
}
