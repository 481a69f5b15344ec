import { z } from "zod";
import type { Identity } from "../message.ts";
import { windowOf } from "../pipeline/window.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";
import { releaseHeld } from "./outbox-write.ts";

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
    return findPerson(this.#db, identity, now);
  }

  /** The provider says that they wrote: what waited for that may leave. Nothing happens for nobody we know. */
  async noteOpened(identity: Identity, openedAt: number, now: number): Promise<void> {
    await this.#db.write(() => {
      const person = findPerson(this.#db, identity, now);
      if (!person) return;
      const { contact } = person;
      this.#db.run(
        "UPDATE contact SET opened_at = max(coalesce(opened_at, 0), :openedAt) WHERE id = :contact",
        {
          contact,
          openedAt,
        },
      );
      if (windowOf(openedAt, now).kind === "open") releaseHeld(this.#db, contact, now);
    });
  }
}

export function findPerson(db: Database, identity: Identity, now: number): Person | undefined {
  const contact = contacts.idOf(db, identity, now);
  const to = contacts.identity(db, contact);
  const found = db.get("SELECT opened_at FROM contact WHERE id = :contact", { contact });
  if (!to || !found) return undefined;
  return { contact, to, openedAt: personRow.parse(found).opened_at ?? undefined };
}
