import { z } from "zod";
import type { Identity } from "../message.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";

/** What is known of somebody whom we may write to. */
export interface Person {
  readonly contact: string;
  /** Everything by which they can be reached now. */
  readonly to: Identity;
  /** When they last wrote what opens the window, in milliseconds since 1970 on WhatsApp's clock; undefined for never. */
  readonly openedAt: number | undefined;
}

const personRow = z.object({ opened_at: z.int().nullable() });

/** Whom we know, for whoever wants to write to them. */
export class SqlitePeople {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Undefined for nobody we know. */
  find(identity: Identity, now: number): Person | undefined {
    const contact = contacts.idOf(this.#db, identity, now);
    const to = contacts.identity(this.#db, contact);
    const found = this.#db.get("SELECT opened_at FROM contact WHERE id = :contact", { contact });
    if (!to || !found) return undefined;
    return { contact, to, openedAt: personRow.parse(found).opened_at ?? undefined };
  }
}
