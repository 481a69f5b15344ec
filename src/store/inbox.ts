import { createHash } from "node:crypto";
import { isMedia, type Content } from "../content.ts";
import { describeContent, startsTurn } from "../content-text.ts";
import type { Identity, Inbound } from "../message.ts";
import type { Inbox, Malformed, SourceName, Stored } from "../pipeline/receive.ts";
import type { Coverage } from "../pipeline/gap-detector.ts";
import type { Settlement, Settled } from "../pipeline/answer.ts";
import type { Hops } from "../pipeline/hops.ts";
import { opensWindow, windowOf } from "../pipeline/window.ts";
import type { Question } from "../pipeline/turn.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";
import { extrasOf, inboxRow, readMessage, type InboxRow } from "./inbox-row.ts";
import { insertOutgoing, releaseHeld } from "./outbox-write.ts";

const QUARANTINE_MAX_CHARS = 65_536;
/** Reactions and edits that go along with a turn; of more than these, the newest. */
const MAX_NOTES = 20;

const SEEN_AGAIN: Readonly<Record<SourceName, string>> = {
  poll: `UPDATE inbox SET polled_at = :now
         WHERE phone_number_id = :phoneNumberId AND wamid = :wamid AND polled_at IS NULL`,
  webhook: `UPDATE inbox SET webhook_at = :now
            WHERE phone_number_id = :phoneNumberId AND wamid = :wamid AND webhook_at IS NULL`,
};

/** Everything that arrived and what became of it; one row for each (phone number id, wamid), whoever brings it. */
export class SqliteInbox implements Inbox, Settlement {
  readonly #db: Database;
  readonly #startsTurn: (content: Content) => boolean;

  constructor(db: Database, isTurn = startsTurn) {
    this.#db = db;
    this.#startsTurn = isTurn;
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
      .all("SELECT * FROM inbox WHERE state = 'pending' ORDER BY seq")
      .map((found) => this.#stored(inboxRow.parse(found)));
  }

  async question(seq: number): Promise<Question | undefined> {
    const found = this.#db.get("SELECT * FROM inbox WHERE seq = :seq AND state = 'pending'", { seq });
    if (!found) return undefined;
    const row = inboxRow.parse(found);
    const message = this.#read(row);
    return {
      ...message,
      seq,
      contact: row.contact,
      receivedAt: row.received_at,
      quoted: this.#quoted(row.contact, message.quotes),
      notes: this.#notes(row.contact, seq),
    };
  }

  /** One transaction: the message is settled and its answer queued, or neither. Settling twice changes nothing. */
  async settle(seq: number, { state, replies, noticePeriodMs, hops }: Settled, now: number): Promise<number> {
    return this.#db.write(() => {
      const changed = this.#db.run(
        `UPDATE inbox SET state = :state, settled_at = :now, hops = coalesce(:hops, hops)
         WHERE seq = :seq AND state = 'pending'`,
        { seq, state, now, hops: hops === undefined ? null : JSON.stringify(hops) },
      );
      if (changed === 0) return 0;
      if (state === "answered" || state === "silent" || state === "failed" || state === "passed")
        this.#markTold(seq, now);
      if (replies.length === 0) return 0;
      if (noticePeriodMs !== undefined && !this.#noteNotice(seq, now, noticePeriodMs)) return 0;
      const contact = String(
        this.#db.get("SELECT contact FROM inbox WHERE seq = :seq", { seq })?.["contact"],
      );
      return insertOutgoing(this.#db, replies, { question: { seq, contact }, now }).length;
    });
  }

  async note(seq: number, hops: Hops): Promise<void> {
    await this.#db.write(() =>
      this.#db.run("UPDATE inbox SET hops = :hops WHERE seq = :seq AND state = 'pending'", {
        seq,
        hops: JSON.stringify(hops),
      }),
    );
  }

  /** True when the person wrote again since: whatever answers the message then has to say which it means. */
  async isOvertaken(seq: number): Promise<boolean> {
    const found = this.#db.get(
      `SELECT 1 FROM inbox AS later JOIN inbox AS question ON later.contact = question.contact AND later.seq > question.seq
       WHERE question.seq = :seq AND later.state NOT IN ('history', 'group', 'system', 'context', 'told') LIMIT 1`,
      { seq },
    );
    return found !== undefined;
  }

  /** Rows by state, for `wa-cli status`. */
  counts(): Record<string, number> {
    const rows = this.#db.all("SELECT state, count(*) AS n FROM inbox GROUP BY state");
    return Object.fromEntries(rows.map((found) => [String(found["state"]), Number(found["n"])]));
  }

  /** When the oldest unanswered message was received. */
  oldestPending(): number | undefined {
    const row = this.#db.get("SELECT min(received_at) AS at FROM inbox WHERE state = 'pending'");
    return typeof row?.["at"] === "number" ? row["at"] : undefined;
  }

  /** How many of the messages that were received in a span of time there are, and how many of them webhooks missed. */
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

  #markTold(seq: number, now: number): void {
    this.#db.run(
      `UPDATE inbox SET state = 'told', settled_at = :now
       WHERE state = 'context' AND seq < :seq
         AND contact = (SELECT contact FROM inbox WHERE seq = :seq AND kind != 'reaction')`,
      { seq, now },
    );
  }

  /** What the person did since the last turn that asks nothing by itself. */
  #notes(contact: string, before: number): Question["notes"] {
    return this.#db
      .all(
        `SELECT * FROM (SELECT * FROM inbox WHERE contact = :contact AND state = 'context' AND seq < :before
         AND text != '' ORDER BY seq DESC LIMIT ${MAX_NOTES}) ORDER BY seq`,
        { contact, before },
      )
      .map((found) => {
        const { content } = readMessage(inboxRow.parse(found));
        const target = "target" in content ? content.target : undefined;
        return { content, quoted: this.#quoted(contact, target) };
      });
  }

  /** A message of this conversation, by either side; undefined when it is not known, or its text is gone. */
  #quoted(contact: string, wamid: string | undefined): Question["quoted"] {
    if (wamid === undefined) return undefined;
    const found = this.#db.get(
      `SELECT CASE WHEN text = '' THEN coalesce('[' || (media ->> 'as') || ']', '') ELSE text END AS text, 'us' AS author
       FROM outbox WHERE wamid = :wamid AND contact = :contact
       UNION ALL SELECT text, 'person' AS author FROM inbox WHERE wamid = :wamid AND contact = :contact LIMIT 1`,
      { wamid, contact },
    );
    if (!found) return { by: undefined, text: "" };
    return { by: found["author"] === "us" ? "us" : "person", text: String(found["text"]) };
  }

  /** With everything by which the person can be reached now: the number that they had may be another's since. */
  #read(row: InboxRow): Inbound {
    const message = readMessage(row);
    return { ...message, from: this.#reachable(row.contact, message.from) };
  }

  #reachable(contact: string, from: Identity): Identity {
    return contacts.identity(this.#db, contact) ?? from;
  }

  #stored(row: InboxRow): Stored {
    const { wamid, from, sentAt, content } = this.#read(row);
    return { seq: row.seq, wamid, contact: row.contact, from, sentAt, hasMedia: isMedia(content) };
  }

  #insert(message: Inbound, source: SourceName, now: number): Stored[] {
    const { content, phoneNumberId, wamid, from, sentAt } = message;
    const key = { phoneNumberId, wamid };
    // Before anything is learnt of the person: what is brought again may be older than what is known.
    if (this.#db.get("SELECT 1 FROM inbox WHERE phone_number_id = :phoneNumberId AND wamid = :wamid", key)) {
      this.#db.run(SEEN_AGAIN[source], { ...key, now });
      return [];
    }
    const state = message.passive ?? (this.#startsTurn(content) ? "pending" : "context");
    const opens = message.passive === undefined && opensWindow(content);
    // WhatsApp's own word on an account names nobody who wrote, and old or foreign conversations tell nothing new.
    const contact =
      message.passive === undefined
        ? contacts.note(this.#db, { ...message, opens })
        : contacts.idOf(this.#db, from, sentAt);
    if (opens && windowOf(sentAt, now).kind === "open") releaseHeld(this.#db, contact, now);
    const inserted = this.#db.get(
      `INSERT INTO inbox (phone_number_id, wamid, contact, phone, bsuid, name, kind, text, content, quotes, extras,
         sent_at, received_at, polled_at, webhook_at, state, settled_at)
       VALUES (:phoneNumberId, :wamid, :contact, :phone, :bsuid, :name, :kind, :text, :content, :quotes, :extras,
         :sentAt, :now, :polledAt, :webhookAt, :state, CASE :state WHEN 'pending' THEN NULL ELSE :now END) RETURNING seq`,
      {
        ...key,
        contact,
        phone: from.phone ?? null,
        bsuid: from.bsuid ?? null,
        name: message.name ?? null,
        kind: content.type,
        text: describeContent(content),
        content: content.type === "text" ? null : JSON.stringify(content),
        quotes: message.quotes ?? null,
        extras: extrasOf(message),
        sentAt,
        now,
        polledAt: source === "poll" ? now : null,
        webhookAt: source === "webhook" ? now : null,
        state,
      },
    );
    if (state === "system" && content.type === "system" && content.change)
      contacts.change(this.#db, content.change, sentAt);
    if (state !== "pending") return [];
    const seq = Number(inserted?.["seq"]);
    return [
      { seq, wamid, contact, from: this.#reachable(contact, from), sentAt, hasMedia: isMedia(content) },
    ];
  }
}
