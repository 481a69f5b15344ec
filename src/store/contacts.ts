import { z } from "zod";
import type { IdentityChange } from "../content.ts";
import { contactId, keysOf, type Identity } from "../message.ts";
import { canonicalPhone } from "../phone.ts";
import type { Database } from "./database.ts";
import { toIdentity } from "./identity.ts";

/** What one message tells of who wrote it. */
export interface Seen {
  readonly from: Identity;
  readonly name?: string | undefined;
  /** Shown, never trusted: a person can give it up and another take it. */
  readonly username?: string | undefined;
  /** Milliseconds since 1970, when the message was sent. */
  readonly sentAt: number;
  /** It opens the 24-hour window. */
  readonly opens: boolean;
}

/** Later than every message: what is true now. */
const ALWAYS = Number.MAX_SAFE_INTEGER;

const row = z.object({ id: z.string(), phone: z.string().nullable(), bsuid: z.string().nullable() });
type Contact = z.output<typeof row>;

/**
 * The people we write with, each under the id by which they were first known: a number or a user id (BSUID). A number can
 * pass to somebody else, so an alias is a person's for a time; a user id is one person's for good. All functions run
 * inside the caller's transaction.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
 */
export const contacts = {
  /** Everything by which a person can be reached now; undefined for nobody we know. */
  identity(db: Database, id: string): Identity | undefined {
    const contact = read(db, id);
    return contact && toIdentity(contact);
  },

  /** Whose a message is that tells nothing new; a person who is not known gets the id that a first message would give. */
  idOf(db: Database, identity: Identity, at: number): string {
    return whose(db, identity, at)?.id ?? contactId(identity);
  },

  /** Somebody is written to: the contact's id, which their first message will find again. */
  reach(db: Database, identity: Identity): string {
    const known = whose(db, identity, ALWAYS);
    if (known) return known.id;
    const id = freshId(db, identity);
    insert(db, id, identity, 0);
    for (const key of keysOf(identity)) open(db, key, id, 0);
    return id;
  },

  /** Remembers who wrote, links number and user id when both are seen, and returns the contact's id. */
  note(db: Database, { from, name, username, sentAt, opens }: Seen): string {
    const id = whose(db, from, sentAt)?.id ?? freshId(db, from);
    insert(db, id, from, sentAt);
    db.run(
      `UPDATE contact SET name = coalesce(:name, name), username = coalesce(:username, username),
         last_inbound_at = max(last_inbound_at, :sentAt),
         opened_at = max(coalesce(opened_at, :openedAt), coalesce(:openedAt, opened_at)) WHERE id = :id`,
      { id, name: name ?? null, username: username ?? null, sentAt, openedAt: opens ? sentAt : null },
    );
    // A user id that has a record of its own stays there: two records are never merged.
    if (from.bsuid !== undefined && !ownerOf(db, from.bsuid, ALWAYS)) {
      open(db, from.bsuid, id, sentAt);
      db.run("UPDATE contact SET bsuid = coalesce(bsuid, :bsuid) WHERE id = :id", { id, bsuid: from.bsuid });
    }
    if (from.phone !== undefined && !isOld(db, canonicalPhone(from.phone), id, sentAt)) {
      take(db, canonicalPhone(from.phone), id, sentAt);
      setPhone(db, id, from.phone);
    }
    return id;
  },

  /** The provider spells a number that we wrote to otherwise; one that is somebody's already stays theirs. */
  learn(
    db: Database,
    id: string,
    { sentTo, waId }: { readonly sentTo: string; readonly waId: string },
  ): void {
    const isStillTheirs = ownerOf(db, canonicalPhone(sentTo), ALWAYS)?.id === id;
    const key = canonicalPhone(waId);
    if (isStillTheirs && !ownerOf(db, key, ALWAYS)) open(db, key, id, 0);
  },

  /**
   * A person has another number or user id since `at`, on WhatsApp's word. A message under the new one may have come
   * before this news and made a record of its own; from now on it is the old record's. Doing it again changes nothing.
   */
  change(db: Database, { oldPhone, newPhone, oldBsuid, newBsuid }: IdentityChange, at: number): void {
    const contact = whose(db, toIdentity({ phone: oldPhone ?? null, bsuid: oldBsuid ?? null }), at - 1);
    if (!contact) return;
    const { id } = contact;
    const early = ownerOf(db, newBsuid, ALWAYS);
    const phone = newPhone ?? (early?.bsuid === newBsuid ? early?.phone : undefined) ?? undefined;
    if (newBsuid !== undefined) {
      forget(db, newBsuid, id, 0);
      open(db, newBsuid, id, at);
      db.run("UPDATE contact SET bsuid = :newBsuid WHERE id = :id", { newBsuid, id });
    }
    if (phone === undefined) return;
    const key = canonicalPhone(phone);
    const other = ownerOf(db, key, ALWAYS);
    // Somebody else was seen under the number since.
    if (
      other &&
      other.id !== id &&
      other.bsuid !== null &&
      other.bsuid !== newBsuid &&
      isOld(db, key, id, at)
    )
      return;
    forget(db, key, id, at);
    take(db, key, id, at);
    // The old numbers will be given to somebody else.
    leaveNumbers(db, id, phone, at);
    setPhone(db, id, phone);
  },
};

/**
 * The record that is meant. Two of them are never merged: as long as they do not contradict each other the number decides,
 * which has the longer history. A number whose record has another user id has changed hands, and its new owner must not
 * get into the old one's conversation.
 */
function whose(db: Database, { phone, bsuid }: Identity, at: number): Contact | undefined {
  const byBsuid = ownerOf(db, bsuid, at);
  const byPhone = ownerOf(db, phone === undefined ? undefined : canonicalPhone(phone), at);
  if (byPhone === undefined || bsuid === undefined || byPhone.id === byBsuid?.id) return byBsuid ?? byPhone;
  if (byPhone.bsuid !== null && byPhone.bsuid !== bsuid) return byBsuid;
  const isElsewhere = byBsuid !== undefined && byBsuid.phone !== null;
  return isElsewhere ? byBsuid : byPhone;
}

/** Whose a number or user id was at a time. */
function ownerOf(db: Database, key: string | undefined, at: number): Contact | undefined {
  if (key === undefined) return undefined;
  const found = db.get(
    `SELECT contact.id, phone, bsuid FROM alias JOIN contact ON contact.id = alias.contact
     WHERE alias.id = :key AND (until IS NULL OR until > :at) ORDER BY until IS NULL, until LIMIT 1`,
    { key, at },
  );
  return found && row.parse(found);
}

/** True when it is known to be somebody else's since, or not this person's any more. */
function isOld(db: Database, key: string, contact: string, at: number): boolean {
  const later = db.get(
    `SELECT 1 FROM alias WHERE id = :key
     AND ((contact != :contact AND until IS NULL AND since > :at) OR (contact = :contact AND until > :at))`,
    { key, contact, at },
  );
  return later !== undefined;
}

/** From then on it is this person's, and nobody else's. */
function take(db: Database, key: string, contact: string, at: number): void {
  const others = db.all(
    "SELECT contact FROM alias WHERE id = :key AND contact != :contact AND until IS NULL",
    {
      key,
      contact,
    },
  );
  for (const { contact: other } of others) leave(db, key, String(other), at);
  open(db, key, contact, at);
}

function open(db: Database, key: string, contact: string, at: number): void {
  db.run(
    `INSERT INTO alias (id, contact, since) VALUES (:key, :contact, :at)
     ON CONFLICT (id, contact) DO UPDATE SET since = CASE WHEN until IS NULL THEN since ELSE :at END, until = NULL`,
    { key, contact, at },
  );
}

/** Others who were seen under it since were this person. */
function forget(db: Database, key: string, contact: string, at: number): void {
  db.run("DELETE FROM alias WHERE id = :key AND contact != :contact AND until IS NULL AND since >= :at", {
    key,
    contact,
    at,
  });
}

/** It is not this person's any more. */
function leave(db: Database, key: string, contact: string, at: number): void {
  db.run("UPDATE alias SET until = :at WHERE id = :key AND contact = :contact AND until IS NULL", {
    key,
    contact,
    at,
  });
  const { phone = null } = read(db, contact) ?? {};
  if (phone !== null && canonicalPhone(phone) === key)
    db.run("UPDATE contact SET phone = NULL WHERE id = :contact", { contact });
}

/** All numbers of a person but one. */
function leaveNumbers(db: Database, contact: string, kept: string | undefined, at: number): void {
  const keys = db.all(
    "SELECT id FROM alias WHERE contact = :contact AND until IS NULL AND id GLOB '[0-9]*'",
    {
      contact,
    },
  );
  for (const { id } of keys)
    if (kept === undefined || String(id) !== canonicalPhone(kept)) leave(db, String(id), contact, at);
}

/** Where answers go. */
function setPhone(db: Database, id: string, phone: string): void {
  db.run("UPDATE contact SET phone = :phone WHERE id = :id", { id, phone });
}

function insert(db: Database, id: string, { phone, bsuid }: Identity, sentAt: number): void {
  db.run(
    `INSERT INTO contact (id, phone, bsuid, last_inbound_at) VALUES (:id, :phone, :bsuid, :sentAt)
     ON CONFLICT (id) DO NOTHING`,
    { id, phone: phone ?? null, bsuid: bsuid ?? null, sentAt },
  );
}

/** The number may still be the id of its last owner: then the user id serves, or a count behind it. */
function freshId(db: Database, identity: Identity): string {
  const id = contactId(identity);
  const choices = [id, identity.bsuid, ...Array.from({ length: 100 }, (_, n) => `${id}~${n + 2}`)];
  return choices.find((choice) => choice !== undefined && !read(db, choice)) ?? id;
}

function read(db: Database, id: string): Contact | undefined {
  const found = db.get("SELECT id, phone, bsuid FROM contact WHERE id = :id", { id });
  return found && row.parse(found);
}
