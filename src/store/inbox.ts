import { createHash } from "node:crypto";
import { z } from "zod";
import { contactId, type Inbound, type Passive } from "../message.ts";
import type { Inbox, Malformed, SourceName, Stored } from "../pipeline/receive.ts";
import type { Coverage } from "../pipeline/gap-detector.ts";
import type { Question, Settlement, Settled } from "../pipeline/answer.ts";
import type { Database } from "./database.ts";
import { insertOutgoing } from "./outbox.ts";

const QUARANTINE_MAX_CHARS = 65_536;

const questionRow = z.object({
  seq: z.int(),
  phone_number_id: z.string(),
  wamid: z.string(),
  phone: z.string().nullable(),
  bsuid: z.string().nullable(),
  name: z.string().nullable(),
  kind: z.string(),
  text: z.string(),
  sent_at: z.int(),
  received_at: z.int(),
  state: z.string(),
});
const headRow = z.object({ seq: z.int(), wamid: z.string(), contact: z.string() });
const countRow = z.object({ state: z.string(), n: z.int() });

const SEEN_AGAIN: Readonly<Record<SourceName, string>> = {
  poll: `UPDATE inbox SET polled_at = :now
         WHERE phone_number_id = :phoneNumberId AND wamid = :wamid AND polled_at IS NULL`,
  webhook: `UPDATE inbox SET webhook_at = :now
            WHERE phone_number_id = :phoneNumberId AND wamid = :wamid AND webhook_at IS NULL`,
};

/** Everything that arrived and what became of it; one row for each (phone number id, wamid), whoever brings it. */
export class SqliteInbox implements Inbox, Settlement {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async accept(messages: readonly Inbound[], source: SourceName, now: number): Promise<readonly Stored[]> {
    if (messages.length === 0) return [];
    return this.#db.write(() => messages.flatMap((message) => this.#insert(message, source, now)));
  }

  /** Resolves with the number of rows that were not known yet. */
  async quarantine(rows: readonly Malformed[], now: number): Promise<number> {
    if (rows.length === 0) return 0;
    return this.#db.write(() => {
      let added = 0;
      for (const { raw, reason } of rows)
        added += this.#db.run(
          `INSERT INTO quarantine (id, reason, raw, seen_at) VALUES (:id, :reason, :raw, :now) ON CONFLICT (id) DO NOTHING`,
          {
            id: createHash("sha256").update(raw).digest("hex"),
            reason,
            raw: raw.slice(0, QUARANTINE_MAX_CHARS),
            now,
          },
        );
      return added;
    });
  }

  /** Stored and not settled, oldest first: what a start replays. */
  async pending(): Promise<readonly Stored[]> {
    return this.#db
      .all("SELECT seq, wamid, contact FROM inbox WHERE state = 'pending' ORDER BY seq")
      .map((row) => headRow.parse(row));
  }

  async question(seq: number): Promise<Question | undefined> {
    const found = this.#db.get("SELECT * FROM inbox WHERE seq = :seq AND state = 'pending'", { seq });
    if (!found) return undefined;
    const row = questionRow.parse(found);
    return {
      seq: row.seq,
      receivedAt: row.received_at,
      wamid: row.wamid,
      phoneNumberId: row.phone_number_id,
      from: {
        ...(row.phone !== null && { phone: row.phone }),
        ...(row.bsuid !== null && { bsuid: row.bsuid }),
      },
      ...(row.name !== null && { name: row.name }),
      kind: row.kind,
      text: row.text,
      sentAt: row.sent_at,
    };
  }

  /** One transaction: the message is settled and its answer queued, or neither. Settling twice changes nothing. */
  async settle(seq: number, { state, replies, noticePeriodMs }: Settled, now: number): Promise<number> {
    return this.#db.write(() => {
      const changed = this.#db.run(
        "UPDATE inbox SET state = :state, settled_at = :now WHERE seq = :seq AND state = 'pending'",
        { seq, state, now },
      );
      if (changed === 0 || replies.length === 0) return 0;
      if (noticePeriodMs !== undefined && !this.#noteNotice(seq, now, noticePeriodMs)) return 0;
      return insertOutgoing(this.#db, replies, { inboxSeq: seq, now }).length;
    });
  }

  /** Rows by state, for `wa-cli status`. */
  counts(): Record<string, number> {
    const rows = this.#db
      .all("SELECT state, count(*) AS n FROM inbox GROUP BY state")
      .map((row) => countRow.parse(row));
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  }

  /** When the oldest unanswered message was received. */
  oldestPending(): number | undefined {
    const row = this.#db.get("SELECT min(received_at) AS at FROM inbox WHERE state = 'pending'");
    return typeof row?.["at"] === "number" ? row["at"] : undefined;
  }

  /** How many of the messages that were received in a span of time webhooks brought. */
  async coverage(from: number, to: number, sentSince: number): Promise<Coverage> {
    const row = this.#db.get(
      `SELECT count(*) AS total, count(*) - count(webhook_at) AS missed FROM inbox
       WHERE received_at >= :from AND received_at < :to AND sent_at >= :sentSince AND state != 'history'`,
      { from, to, sentSince },
    );
    return { total: Number(row?.["total"] ?? 0), missed: Number(row?.["missed"] ?? 0) };
  }

  /** When a source last brought a message. */
  lastBroughtAt(source: SourceName): number | undefined {
    const column = source === "poll" ? "polled_at" : "webhook_at";
    const at = this.#db.get(`SELECT max(${column}) AS at FROM inbox`)?.["at"];
    return typeof at === "number" ? at : undefined;
  }

  quarantined(): number {
    return Number(this.#db.get("SELECT count(*) AS n FROM quarantine")?.["n"] ?? 0);
  }

  /** Remembers that the person is told of a refusal; false when that was done within the period. */
  #noteNotice(seq: number, now: number, periodMs: number): boolean {
    const changed = this.#db.run(
      `UPDATE contact SET denied_at = :now
       WHERE id = (SELECT contact FROM inbox WHERE seq = :seq) AND (denied_at IS NULL OR denied_at <= :before)`,
      { seq, now, before: now - periodMs },
    );
    return changed === 1;
  }

  #insert(message: Inbound, source: SourceName, now: number): Stored[] {
    const polledAt = source === "poll" ? now : null;
    const webhookAt = source === "webhook" ? now : null;
    const contact = contactId(message.from);
    const state: "pending" | Passive = message.passive ?? "pending";
    const { phone = null, bsuid = null } = message.from;
    const inserted = this.#db.get(
      `INSERT INTO inbox (phone_number_id, wamid, contact, phone, bsuid, name, kind, text, sent_at, received_at,
         polled_at, webhook_at, state, settled_at)
       VALUES (:phoneNumberId, :wamid, :contact, :phone, :bsuid, :name, :kind, :text, :sentAt, :now,
         :polledAt, :webhookAt, :state, CASE :state WHEN 'pending' THEN NULL ELSE :now END)
       ON CONFLICT (phone_number_id, wamid) DO NOTHING RETURNING seq`,
      {
        phoneNumberId: message.phoneNumberId,
        wamid: message.wamid,
        contact,
        phone,
        bsuid,
        name: message.name ?? null,
        kind: message.kind,
        text: message.text,
        sentAt: message.sentAt,
        now,
        polledAt,
        webhookAt,
        state,
      },
    );
    if (!inserted) {
      this.#db.run(SEEN_AGAIN[source], { phoneNumberId: message.phoneNumberId, wamid: message.wamid, now });
      return [];
    }
    this.#db.run(
      `INSERT INTO contact (id, phone, bsuid, last_inbound_at) VALUES (:contact, :phone, :bsuid, :sentAt)
       ON CONFLICT (id) DO UPDATE SET
         phone = coalesce(excluded.phone, phone), bsuid = coalesce(excluded.bsuid, bsuid),
         last_inbound_at = max(last_inbound_at, excluded.last_inbound_at)`,
      { contact, phone, bsuid, sentAt: message.sentAt },
    );
    return state === "pending" ? [{ seq: Number(inserted["seq"]), wamid: message.wamid, contact }] : [];
  }
}
