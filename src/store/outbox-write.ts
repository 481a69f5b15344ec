import { randomUUID } from "node:crypto";
import type { SendKey } from "../pipeline/admission.ts";
import type { NewOutgoing, Reason } from "../pipeline/outbox.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";

// What others do to the outbox, inside a transaction of theirs.

interface Insertion {
  readonly question?: { readonly seq: number; readonly contact: string };
  readonly key?: SendKey | undefined;
  /** Parts from here on wait until the person writes. */
  readonly heldFrom?: number | undefined;
  readonly now: number;
}

/** Returns the ids. The messages are parts of one answer or send, in order. */
export function insertOutgoing(
  db: Database,
  messages: readonly NewOutgoing[],
  { question, key, heldFrom = Number.POSITIVE_INFINITY, now }: Insertion,
): number[] {
  const batch = randomUUID();
  return messages.map(({ to, text, media, content, quotes }, part) => {
    if (!question && to.phone === undefined && to.bsuid === undefined)
      throw new TypeError("Cannot identify whom a message is for");
    const inserted = db.get(
      `INSERT INTO outbox (batch, part, inbox_seq, contact, phone, bsuid, text, media, content, quotes, tracking_id, state, idempotency_key,
         request, due_at, created_at)
       VALUES (:batch, :part, :inboxSeq, :contact, :phone, :bsuid, :text, :media, :content, :quotes, :tracking, :state, :key,
         :request, :now, :now)
       RETURNING id`,
      {
        batch,
        part,
        inboxSeq: question?.seq ?? null,
        // An answer stays in the queue of its question, whatever was learnt of the person since.
        contact: question?.contact ?? contacts.reach(db, to),
        phone: to.phone ?? null,
        bsuid: to.bsuid ?? null,
        text,
        media: media === undefined ? null : JSON.stringify(media),
        content: content === undefined ? null : JSON.stringify(content),
        quotes: quotes ?? null,
        state: part < heldFrom ? "queued" : "held",
        key: (part === 0 ? key?.name : undefined) ?? null,
        request: (part === 0 ? key?.request : undefined) ?? null,
        tracking: `wr-${batch}-${part}`,
        now,
      },
    );
    return Number(inserted?.["id"]);
  });
}

/** Gives up the parts of an answer behind one that was not sent: without their head they would mislead. */
export function endAnswer(db: Database, id: number, { code = null, error }: Reason, now: number): void {
  db.run(
    `UPDATE outbox SET state = 'dead', code = :code, error = :error, settled_at = :now
     WHERE batch = (SELECT batch FROM outbox WHERE id = :id) AND id > :id AND state IN ('queued', 'held')`,
    { id, code, error, now },
  );
}

/** The person wrote: what waited for that may leave, and is as old as if it were written now. */
export function releaseHeld(db: Database, contact: string, now: number): void {
  db.run(
    "UPDATE outbox SET state = 'queued', due_at = :now, released_at = :now WHERE contact = :contact AND state = 'held'",
    { contact, now },
  );
}
