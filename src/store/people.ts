import { z } from "zod";
import type { Identity } from "../message.ts";
import { WINDOW_MS } from "../pipeline/window.ts";
import { contacts } from "./contacts.ts";
import type { Database } from "./database.ts";

/** What is known of somebody whom we may write to. */
export interface Person {
  readonly contact: string;
  /** Everything by which they can be reached now. */
  readonly to: Identity;
  /** When they last wrote what opens the window; undefined when they never did. */
  readonly openedAt: number | undefined;
}

const personRow = z.object({ window_from: z.int().nullable() });

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
    const found = this.#db.get("SELECT window_from FROM contact WHERE id = :contact", { contact });
    if (!to || !found) return undefined;
    return { contact, to, openedAt: personRow.parse(found).window_from ?? undefined };
  }
}

/** The person wrote: the window is open, and what waited for that may leave. Inside the caller's transaction. */
export function release(
  db: Database,
  contact: string,
  { sentAt, now }: { readonly sentAt: number; readonly now: number },
): void {
  db.run("UPDATE contact SET window_from = max(coalesce(window_from, 0), :sentAt) WHERE id = :contact", {
    contact,
    sentAt,
  });
  if (sentAt > now - WINDOW_MS)
    db.run(
      "UPDATE outbox SET state = 'queued', due_at = :now, released_at = :now WHERE contact = :contact AND state = 'held'",
      { contact, now },
    );
}
