import { z } from "zod";
import type { Identity } from "../message.ts";
import type { Admission, Admitted, Repeated, SendKey } from "../pipeline/admission.ts";
import type { Accepted, Claim, Outbox, Reason } from "../pipeline/outbox.ts";
import type { SentCounts } from "../pipeline/send-policy.ts";
import { admit, countSent, findKey } from "./admission.ts";
import { contacts } from "./contacts.ts";
import type { Database, Parameters } from "./database.ts";
import { outboxRow, toClaim, type OutboxRow } from "./outbox-row.ts";

/** A claim of a `wa-cli` that never came back counts as of unknown outcome after this long. */
const CLAIM_MS = 90_000;

/** Gives up the parts of an answer behind one that was not sent: without their head they would mislead. */
export function endAnswer(db: Database, id: number, { code = null, error }: Reason, now: number): void {
  db.run(
    `UPDATE outbox SET state = 'dead', code = :code, error = :error, settled_at = :now
     WHERE batch = (SELECT batch FROM outbox WHERE id = :id) AND id > :id AND state IN ('queued', 'held')`,
    { id, code, error, now },
  );
}

/** Messages on their way out. Several processes may work on it: a row is sent by whoever claims it. */
export class SqliteOutbox implements Outbox {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Queues what answers no question, unless the key is known or a rule is against it. */
  async admit(admission: Admission, now: number): Promise<Admitted> {
    return this.#db.write(() => admit(this.#db, admission, now));
  }

  /** What became of the send that was named so; undefined when there was none. */
  findKey(key: SendKey): Repeated | undefined {
    return findKey(this.#db, key);
  }

  /** What the caps would count. */
  countSent(to: Identity, since: Admission["since"], now: number): SentCounts {
    return countSent(this.#db, to, since, now);
  }

  /** Who works, or worked, on this person's row. */
  claimants(contact: string): readonly string[] {
    return this.#db
      .all("SELECT DISTINCT claimed_by FROM outbox WHERE contact = :contact AND state = 'sending'", {
        contact,
      })
      .map((found) => z.string().parse(found["claimed_by"]));
  }

  /** People whose oldest open row may be worked on now. */
  async dueContacts(now: number): Promise<readonly string[]> {
    return this.#db
      .all(
        `SELECT contact, min(id), state, due_at, coalesce(alive_at, claimed_at) AS seen_at FROM outbox WHERE state IN ('queued', 'sending', 'doubt')
         GROUP BY contact HAVING (state != 'sending' AND due_at <= :now) OR (state = 'sending' AND seen_at <= :expired)`,
        { now, expired: now - CLAIM_MS },
      )
      .map((found) => z.string().parse(found["contact"]));
  }

  async claim(contact: string, by: string, now: number): Promise<Claim | undefined> {
    return this.#db.write(() => this.#claim(contact, by, now));
  }

  /** True whoever has the row by now: it left. A row with a wamid was told so by a status already. */
  async accepted({ id, contact, to }: Claim, { wamid, waId }: Accepted, now: number): Promise<void> {
    await this.#db.write(() => {
      this.#db.run(
        `UPDATE outbox SET state = 'accepted', wamid = :wamid, code = NULL, error = NULL, settled_at = :now
         WHERE id = :id AND wamid IS NULL`,
        { id, wamid, now },
      );
      if (waId !== undefined && to.phone !== undefined)
        contacts.learn(this.#db, contact, { sentTo: to.phone, waId });
    });
  }

  /** It is still being worked on: nobody else may take it for abandoned. */
  async renew({ id, by, claimedAt }: Claim, now: number): Promise<void> {
    await this.#db.write(() =>
      this.#db.run(
        "UPDATE outbox SET alive_at = :now WHERE id = :id AND state = 'sending' AND claimed_by = :by AND claimed_at = :claimedAt",
        { id, by, claimedAt, now },
      ),
    );
  }

  /** The message that it quotes can not be quoted: it is sent without. */
  async unquote({ id }: Claim, now: number): Promise<void> {
    await this.#db.write(() =>
      this.#db.run(
        "UPDATE outbox SET state = 'queued', quotes = NULL, due_at = :now WHERE id = :id AND state = 'sending'",
        { id, now },
      ),
    );
  }

  async retryAt(claim: Claim, dueAt: number, { code = null, error }: Reason): Promise<void> {
    await this.#release(
      claim,
      "state = 'queued', due_at = :dueAt, doubtful_since = NULL, code = :code, error = :error",
      {
        dueAt,
        code,
        error,
      },
    );
  }

  async doubtUntil(claim: Claim, dueAt: number, error: string): Promise<void> {
    await this.#release(
      claim,
      `state = 'doubt', due_at = :dueAt, error = :error, doubts = doubts + (doubtful_since IS NULL),
       doubtful_since = coalesce(doubtful_since, claimed_at)`,
      { dueAt, error },
    );
  }

  /** Gives up this row and the later parts of the same answer, and keeps them for `wa-cli outbox`. */
  async dead({ id }: Claim, { code = null, error }: Reason, now: number): Promise<void> {
    await this.#db.write(() => {
      this.#db.run(
        "UPDATE outbox SET state = 'dead', code = :code, error = :error, settled_at = :now WHERE id = :id AND wamid IS NULL",
        { id, code, error, now },
      );
      endAnswer(this.#db, id, { code, error: `An earlier part was not sent: ${error}` }, now);
    });
  }

  /** At the start of a daemon: what the last one was sending when it died has an unknown outcome. */
  async recover(by: string, now: number): Promise<number> {
    return this.#db.write(() => {
      // A new start may have a new key: what waited for one is tried at once.
      this.#db.run(
        "UPDATE outbox SET due_at = :now WHERE state = 'queued' AND code IN ('credentials', 'account')",
        { now },
      );
      return this.#db.run(
        `UPDATE outbox SET state = 'doubt', due_at = :now, doubts = doubts + (doubtful_since IS NULL),
           doubtful_since = coalesce(doubtful_since, claimed_at), error = 'The program stopped while sending'
         WHERE state = 'sending' AND claimed_by = :by`,
        { by, now },
      );
    });
  }

  async isKnown(wamid: string): Promise<boolean> {
    return this.#db.get("SELECT 1 FROM outbox WHERE wamid = :wamid", { wamid }) !== undefined;
  }

  get(id: number): OutboxRow | undefined {
    const found = this.#db.get("SELECT * FROM outbox WHERE id = :id", { id });
    return found && outboxRow.parse(found);
  }

  /** Rows that are not accepted, oldest first; with `all`, accepted ones too. */
  list({ all, limit }: { readonly all: boolean; readonly limit: number }): OutboxRow[] {
    return this.#db
      .all(
        `SELECT * FROM (SELECT * FROM outbox WHERE :all OR state != 'accepted' ORDER BY id DESC LIMIT :limit) ORDER BY id`,
        { all: all ? 1 : 0, limit },
      )
      .map((found) => outboxRow.parse(found));
  }

  /** Files that have not left yet, or may be sent again. */
  files(): ReadonlySet<string> {
    const rows = this.#db.all(
      "SELECT media ->> 'path' AS path FROM outbox WHERE media IS NOT NULL AND state != 'accepted'",
    );
    return new Set(rows.map(({ path }) => String(path)));
  }

  counts(): Record<string, number> {
    const rows = this.#db.all("SELECT state, count(*) AS n FROM outbox GROUP BY state");
    return Object.fromEntries(rows.map((found) => [String(found["state"]), Number(found["n"])]));
  }

  /** Queues a dead row again, with the later parts that died with it; false when it is in another state. */
  async revive(id: number, now: number): Promise<boolean> {
    return this.#db.write(
      () =>
        this.#db.run(
          // A new tracking id: a late status of the old try must not be taken for one of the new.
          `UPDATE outbox SET state = 'queued', due_at = :now, attempts = 0, doubts = 0, doubtful_since = NULL, code = NULL, error = NULL, settled_at = NULL,
             wamid = NULL, status = NULL, status_at = NULL, tracking_id = 'wr-' || lower(hex(randomblob(16)))
           WHERE state = 'dead' AND (text != '' OR media IS NOT NULL) AND id >= :id
             AND batch = (SELECT batch FROM outbox WHERE id = :id AND state = 'dead')`,
          { id, now },
        ) > 0,
    );
  }

  /** Its sender gave up waiting and was told so: it must not leave later. Nothing happens while somebody sends it. */
  async withdraw(id: number, error: string, now: number): Promise<void> {
    await this.#db.write(() =>
      this.#db.run(
        "UPDATE outbox SET state = 'dead', code = coalesce(code, 'withdrawn'), error = :error, settled_at = :now WHERE id = :id AND state IN ('queued', 'held')",
        { id, error, now },
      ),
    );
  }

  /** Takes a row off the list; false while it is being sent or when it was accepted. */
  async drop(id: number): Promise<boolean> {
    return this.#db.write(
      () =>
        this.#db.run("DELETE FROM outbox WHERE id = :id AND state IN ('held', 'queued', 'doubt', 'dead')", {
          id,
        }) === 1,
    );
  }

  #claim(contact: string, by: string, now: number): Claim | undefined {
    const found = this.#db.get(
      "SELECT * FROM outbox WHERE contact = :contact AND state IN ('queued', 'sending', 'doubt') ORDER BY id LIMIT 1",
      { contact },
    );
    if (!found) return undefined;
    const head = outboxRow.parse(found);
    const isStale = head.state === "sending" && (head.alive_at ?? head.claimed_at ?? 0) <= now - CLAIM_MS;
    if (isStale) head.doubtful_since ??= head.claimed_at;
    else if (head.state === "sending" || head.due_at > now) return undefined;
    // What may have left is looked up where it was sent to.
    if (head.doubtful_since === null) {
      head.attempts++;
      if (!this.#readdress(head)) {
        this.#db.run("UPDATE outbox SET state = 'dead', error = :error, settled_at = :now WHERE id = :id", {
          id: head.id,
          error: "The person has another number now, and it is not known yet",
          now,
        });
        endAnswer(this.#db, head.id, { error: "An earlier part was not sent" }, now);
        return this.#claim(contact, by, now);
      }
    }
    this.#db.run(
      `UPDATE outbox SET phone = :phone, bsuid = :bsuid, state = 'sending', attempts = :attempts, claimed_by = :by, claimed_at = :now, alive_at = NULL,
         doubtful_since = :doubtfulSince, doubts = doubts + (:isStale AND doubtful_since IS NULL) WHERE id = :id`,
      {
        id: head.id,
        phone: head.phone,
        bsuid: head.bsuid,
        attempts: head.attempts,
        by,
        now,
        doubtfulSince: head.doubtful_since,
        isStale: isStale ? 1 : 0,
      },
    );
    return toClaim(head, by, now);
  }

  /**
   * An answer goes to its person, wherever they are by now: the number that they wrote from may be another's since. False
   * when they can not be reached.
   */
  #readdress(head: OutboxRow): boolean {
    const known = head.inbox_seq === null ? undefined : contacts.identity(this.#db, head.contact);
    if (!known) return true;
    head.phone = known.phone ?? null;
    head.bsuid = known.bsuid ?? null;
    return head.phone !== null || head.bsuid !== null;
  }

  /** Lets go of a claim. Nothing happens when somebody else has the row by now. */
  async #release({ id, by, claimedAt }: Claim, set: string, parameters: Parameters): Promise<void> {
    await this.#db.write(() =>
      this.#db.run(
        `UPDATE outbox SET ${set} WHERE id = :id AND state = 'sending' AND claimed_by = :by AND claimed_at = :claimedAt`,
        { id, by, claimedAt, ...parameters },
      ),
    );
  }
}
