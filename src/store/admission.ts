import { z } from "zod";
import type { Identity } from "../message.ts";
import type { Admission, Admitted, Repeated, SendKey } from "../pipeline/admission.ts";
import type { SentCounts } from "../pipeline/send-policy.ts";
import { windowOf } from "../pipeline/window.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";
import { insertOutgoing } from "./outbox-write.ts";
import { findPerson } from "./people.ts";

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
  // They may have written since it was decided that it waits, or been asked to already.
  const openedAt = findPerson(db, first.to, now)?.openedAt;
  if (heldFrom === undefined || windowOf(openedAt, now).kind === "open")
    return { kind: "queued", ids: insertOutgoing(db, messages, { key, now }) };
  const asks = isWaitedFor(db, contacts.idOf(db, first.to, now)) ? 0 : heldFrom;
  const rest = messages.slice(heldFrom - asks);
  return { kind: "queued", ids: insertOutgoing(db, rest, { key, heldFrom: asks, now }) };
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

/** Something waits until the person writes. */
function isWaitedFor(db: Database, contact: string): boolean {
  return (
    db.get("SELECT 1 FROM outbox WHERE contact = :contact AND state = 'held'", { contact }) !== undefined
  );
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
