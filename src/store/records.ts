import { z } from "zod";
import type { Identity } from "../message.ts";
import { canonicalPhone } from "../phone.ts";
import type { Database, Parameters } from "./database.ts";

const hops = z.object({
  judgedAt: z.number().optional(),
  role: z.string().optional(),
  fileAt: z.number().optional(),
  file: z.string().optional(),
  askedAt: z.number().optional(),
  run: z.string().optional(),
  answeredAt: z.number().optional(),
  error: z.string().optional(),
});

const json = <T extends z.ZodType>(shape: T) =>
  z
    .string()
    .nullable()
    .transform((text) => (text === null ? undefined : shape.safeParse(JSON.parse(text)).data));

const received = z.object({
  seq: z.int(),
  wamid: z.string(),
  contact: z.string(),
  name: z.string().nullable(),
  kind: z.string(),
  text: z.string(),
  content: json(z.looseObject({ media: z.looseObject({ id: z.string().optional() }).optional() })),
  quotes: z.string().nullable(),
  sent_at: z.int(),
  received_at: z.int(),
  polled_at: z.int().nullable(),
  webhook_at: z.int().nullable(),
  state: z.string(),
  settled_at: z.int().nullable(),
  hops: json(hops),
});
/** A message of a person's. */
export type Received = z.output<typeof received>;

const written = z.object({
  id: z.int(),
  part: z.int(),
  inbox_seq: z.int().nullable(),
  contact: z.string(),
  text: z.string(),
  media: json(z.looseObject({ as: z.string(), path: z.string(), filename: z.string().optional() })),
  quotes: z.string().nullable(),
  state: z.string(),
  attempts: z.int(),
  claimed_at: z.int().nullable(),
  due_at: z.int(),
  wamid: z.string().nullable(),
  code: z.string().nullable(),
  error: z.string().nullable(),
  status: z.string().nullable(),
  status_at: z.int().nullable(),
  created_at: z.int(),
  settled_at: z.int().nullable(),
});
/** A message of ours. */
export type Written = z.output<typeof written>;

const person = z.object({
  id: z.string(),
  phone: z.string().nullable(),
  bsuid: z.string().nullable(),
  name: z.string().nullable(),
  username: z.string().nullable(),
  last_inbound_at: z.int(),
  window_from: z.int().nullable(),
});
/** Somebody we write with. */
export type Person = z.output<typeof person>;

const status = z.object({ status: z.string(), at: z.int() });

/** One message of a conversation, by either side. */
export type Message =
  | { readonly from: "person"; readonly at: number; readonly row: Received }
  | { readonly from: "us"; readonly at: number; readonly row: Written };

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
  receivedBy(end: string): readonly Received[] {
    return this.#received("substr(wamid, -length(:end)) = :end ORDER BY seq LIMIT 20", { end });
  }

  /** The one with this file. */
  receivedWithMedia(id: string): Received | undefined {
    return this.#received("content ->> '$.media.id' = :id ORDER BY seq DESC LIMIT 1", { id })[0];
  }

  question(seq: number): Received | undefined {
    return this.#received("seq = :seq", { seq })[0];
  }

  /** Messages of ours whose id ends so. */
  writtenBy(end: string): readonly Written[] {
    return this.#written("substr(wamid, -length(:end)) = :end ORDER BY id LIMIT 20", { end });
  }

  /** The row of the outbox, with the other parts of the same answer. */
  writtenWith(id: number): readonly Written[] {
    return this.#written("batch = (SELECT batch FROM outbox WHERE id = :id) ORDER BY id", { id });
  }

  repliesTo(seq: number): readonly Written[] {
    return this.#written("inbox_seq = :seq ORDER BY id", { seq });
  }

  /** What WhatsApp told of the message, oldest first. */
  statusesOf({ id, wamid }: Written): readonly z.output<typeof status>[] {
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
        `SELECT id, phone, bsuid, name, username, last_inbound_at, window_from
         FROM contact ORDER BY last_inbound_at DESC, id LIMIT :limit`,
        { limit },
      )
      .map((row) => person.parse(row));
  }

  /** Whose a number or a user id is now. */
  contactOf({ phone, bsuid }: Identity): string | undefined {
    const key = phone === undefined ? bsuid : canonicalPhone(phone);
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

  #received(where: string, parameters: Parameters): readonly Received[] {
    return this.#db.all(`SELECT * FROM inbox WHERE ${where}`, parameters).map((row) => received.parse(row));
  }

  #written(where: string, parameters: Parameters): readonly Written[] {
    return this.#db.all(`SELECT * FROM outbox WHERE ${where}`, parameters).map((row) => written.parse(row));
  }
}

function hasText({ row }: Message, search: string): boolean {
  return row.text.toLocaleLowerCase().includes(search.toLocaleLowerCase());
}
