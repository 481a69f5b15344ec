import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Identity } from "../message.ts";
import type { Admission, Admitted, Repeated, SendKey } from "../pipeline/admission.ts";
import type { NewOutgoing } from "../pipeline/outbox.ts";
import type { SentCounts } from "../pipeline/send-policy.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";

interface Insertion {
  readonly question?: { readonly seq: number; readonly contact: string };
  readonly key?: SendKey | undefined;
  /** Parts from here on wait until the person writes. */
  readonly heldFrom?: number | undefined;
  readonly now: number;
}

/** Inserts inside the caller's transaction; returns the ids. The texts are parts of one answer, in order. */
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

/** Inside the caller's transaction, so that neither a key nor a cap can be passed by two at once. */
export function admit(
  db: Database,
  { messages, key, heldFrom, since, judge }: Admission,
  now: number,
): Admitted {
  const before = key && findKey(db, key);
  if (before) return before;
  const [first] = messages;
  if (!first) return { kind: "queued", ids: [] };
  const refusal = judge(countSent(db, first.to, since, now));
  if (refusal) return { kind: "refused", refusal };
  return { kind: "queued", ids: insertOutgoing(db, messages, { key, heldFrom, now }) };
}

/** The rows of a send that was named so. */
export function findKey(db: Database, { name, request }: SendKey): Repeated | undefined {
  const first = db.get("SELECT batch, request FROM outbox WHERE idempotency_key = :name", { name });
  if (!first) return undefined;
  const ids = db
    .all("SELECT id FROM outbox WHERE batch = :batch ORDER BY id", { batch: String(first["batch"]) })
    .map(({ id }) => Number(id));
  return { kind: "repeated", ids, isSame: first["request"] === request };
}

/** What answered no question and left, or is about to. */
export function countSent(db: Database, to: Identity, since: Admission["since"], now: number): SentCounts {
  return {
    toPerson: count(db, since.toPerson, contacts.idOf(db, to, now)),
    toAll: count(db, since.toAll),
  };
}

/** Messages that answered no question; what was given up before it left does not count. */
function count(db: Database, since: number, contact?: string): number {
  const found = db.get(
    `SELECT count(*) AS n FROM outbox WHERE inbox_seq IS NULL AND created_at > :since
     AND (state != 'dead' OR wamid IS NOT NULL) AND (:contact IS NULL OR contact = :contact)`,
    { since, contact: contact ?? null },
  );
  return z.int().parse(found?.["n"]);
}
