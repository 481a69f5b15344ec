import { z } from "zod";
import { keysOf, type Identity } from "../message.ts";
import type { Database, Parameters } from "./database.ts";
import { inboxRow, type InboxRow } from "./inbox-row.ts";
import { outboxRow, type OutboxRow } from "./outbox-row.ts";

const person = z.object({
  id: z.string(),
  phone: z.string().nullable(),
  bsuid: z.string().nullable(),
  name: z.string().nullable(),
  username: z.string().nullable(),
  last_inbound_at: z.int(),
  opened_at: z.int().nullable(),
});
/** Somebody we write with. */
export type Person = z.output<typeof person>;

const status = z.object({ status: z.string(), at: z.int() });

/** One message of a conversation, by either side. */
export type Message =
  | { readonly from: "person"; readonly at: number; readonly row: InboxRow }
  | { readonly from: "us"; readonly at: number; readonly row: OutboxRow };

export interface MessageQuery {
  readonly contact?: string | undefined;
  /** Milliseconds since 1970. */
  readonly since?: number | undefined;
  /** In any case of letters. */
  readonly search?: string | undefined;
  readonly limit: number;
}

const PAGE = 500;

/** What is stored, for people who look; nothing is changed. */
export class SqliteRecords {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Messages of people whose id ends so: logs show the end alone. */
  receivedBy(end: string): readonly InboxRow[] {
    return this.#received("substr(wamid, -length(:end)) = :end ORDER BY seq LIMIT 20", { end });
  }

  /** The one with this file. */
  receivedWithMedia(id: string): InboxRow | undefined {
    return this.#received("content ->> '$.media.id' = :id ORDER BY seq DESC LIMIT 1", { id })[0];
  }

  question(seq: number): InboxRow | undefined {
    return this.#received("seq = :seq", { seq })[0];
  }

  /** Messages of ours whose id ends so. */
  writtenBy(end: string): readonly OutboxRow[] {
    return this.#written("substr(wamid, -length(:end)) = :end ORDER BY id LIMIT 20", { end });
  }

  /** The row of the outbox, with the other parts of the same answer. */
  writtenWith(id: number): readonly OutboxRow[] {
    return this.#written("batch = (SELECT batch FROM outbox WHERE id = :id) ORDER BY id", { id });
  }

  repliesTo(seq: number): readonly OutboxRow[] {
    return this.#written("inbox_seq = :seq ORDER BY id", { seq });
  }

  /** What WhatsApp told of the message, oldest first. */
  statusesOf({ id, wamid }: OutboxRow): readonly z.output<typeof status>[] {
    return this.#db
      .all(
        `SELECT status, at FROM status WHERE outbox = :id AND wamid = :wamid
         ORDER BY at, instr('sent delivered read played failed', status)`,
        { id, wamid },
      )
      .map((row) => status.parse(row));
  }

  /** The newest that fit, oldest first. */
  messages(query: MessageQuery): readonly Message[] {
    const found: Message[] = [];
    for (const message of this.#newestFirst(query)) {
      if (found.length === query.limit) break;
      if (query.search === undefined || hasText(message, query.search)) found.push(message);
    }
    return found.reverse();
  }

  /** Who wrote last comes first. */
  people(limit: number): readonly Person[] {
    return this.#db
      .all(
        `SELECT id, phone, bsuid, name, username, last_inbound_at, opened_at
         FROM contact ORDER BY last_inbound_at DESC, id LIMIT :limit`,
        { limit },
      )
      .map((row) => person.parse(row));
  }

  /** Whose a number or a user id is now. */
  contactOf(identity: Identity): string | undefined {
    const [key] = keysOf(identity);
    if (key === undefined) return undefined;
    const found = this.#db.get("SELECT contact FROM alias WHERE id = :key AND until IS NULL", { key });
    return found && String(found["contact"]);
  }

  *#newestFirst(query: MessageQuery): Generator<Message> {
    const { since = 0 } = query;
    const contact = query.contact ?? null;
    for (let offset = 0; ; offset += PAGE) {
      const page = this.#db.all(
        `SELECT * FROM (SELECT 'person' AS author, seq AS id, sent_at AS at FROM inbox
           WHERE sent_at >= :since AND (:contact IS NULL OR contact = :contact)
         UNION ALL SELECT 'us', id, created_at FROM outbox
           WHERE created_at >= :since AND (:contact IS NULL OR contact = :contact))
         ORDER BY at DESC, author = 'person', id DESC LIMIT ${PAGE} OFFSET :offset`,
        { contact, since, offset },
      );
      for (const { author, id, at } of page) {
        const [row] =
          author === "us"
            ? this.#written("id = :id", { id: Number(id) })
            : this.#received("seq = :id", { id: Number(id) });
        if (row === undefined) continue;
        yield "seq" in row ? { from: "person", at: Number(at), row } : { from: "us", at: Number(at), row };
      }
      if (page.length < PAGE) return;
    }
  }

  #received(where: string, parameters: Parameters): readonly InboxRow[] {
    return this.#db.all(`SELECT * FROM inbox WHERE ${where}`, parameters).map((row) => inboxRow.parse(row));
  }

  #written(where: string, parameters: Parameters): readonly OutboxRow[] {
    return this.#db.all(`SELECT * FROM outbox WHERE ${where}`, parameters).map((row) => outboxRow.parse(row));
  }
}

function hasText({ row }: Message, search: string): boolean {
  return row.text.toLocaleLowerCase().includes(search.toLocaleLowerCase());
}
