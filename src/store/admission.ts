import { z } from "zod";
import type { Admission, Admitted, SendKey } from "../pipeline/admission.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";
import { insertOutgoing } from "./outbox-write.ts";

/** Inside the caller's transaction, so that neither a key nor a cap can be passed by two at once. */
export function admit(
  db: Database,
  { messages, key, heldFrom, since, judge }: Admission,
  now: number,
): Admitted {
  const known = key && findKey(db, key);
  if (known) return known;
  const contact = messages[0] && contacts.idOf(db, messages[0].to, now);
  const refusal = judge({
    toPerson: count(db, since.toPerson, contact),
    toAll: count(db, since.toAll),
  });
  if (refusal) return { kind: "refused", refusal };
  return { kind: "queued", ids: insertOutgoing(db, messages, { key, heldFrom, now }) };
}

/** The rows of a send that was named so. */
export function findKey(db: Database, { name, request }: SendKey): Admitted | undefined {
  const first = db.get("SELECT batch, request FROM outbox WHERE idempotency_key = :name", { name });
  if (!first) return undefined;
  const ids = db
    .all("SELECT id FROM outbox WHERE batch = :batch ORDER BY id", { batch: String(first["batch"]) })
    .map(({ id }) => Number(id));
  return { kind: "known", ids, isSame: first["request"] === request };
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
