import type { Config } from "../../src/config/config.ts";
import { roleOf } from "../../src/pipeline/guard.ts";
import { windowOf } from "../../src/pipeline/window.ts";
import { toIdentity } from "../../src/store/identity.ts";
import type { Person } from "../../src/store/records.ts";
import { paint, print, type Io } from "../io.ts";
import { iso, openStore, shown, type LookOptions } from "../records.ts";

/** Whom we write with: who they are, what they may do, and how long WhatsApp lets us answer. */
export async function contacts(io: Io, options: LookOptions & { readonly limit: number }): Promise<void> {
  using opened = openStore(io, options);
  const people = opened.store.records.people(options.limit);
  const now = Date.now();
  const rows = people.map((person) => describe(person, opened.config.security, options, now));
  const color = paint(io);
  const lines = rows.map((row) => {
    const who = [row.name, row.username && `@${row.username}`].filter(Boolean);
    const window = row.windowOpen
      ? color(`window open ${showSpan(row.windowLeftMs)} more`, "green")
      : color("window closed", "yellow");
    const seen = row.lastSeen === undefined ? "never wrote" : `last wrote ${row.lastSeen}`;
    return `${[row.phone, row.bsuid].filter(Boolean).join(" ")}${who.length === 0 ? "" : ` (${who.join(", ")})`}: ${row.role ?? color("may not write", "yellow")}, ${window}, ${seen}`;
  });
  const text = lines.length === 0 ? "Nobody has written yet" : [...lines, ...shown(options).note];
  print(io, { json: rows, text }, options.json);
}

function describe(person: Person, security: Config["security"], options: LookOptions, now: number) {
  const { id, phone, bsuid, name, username, last_inbound_at: last, opened_at: openedAt } = person;
  const show = shown(options);
  const known = phone === null && bsuid === null;
  const window = windowOf(openedAt ?? undefined, now);
  return {
    phone: phone !== null || known ? show.contact(phone ?? id) : undefined,
    bsuid: bsuid === null ? undefined : show.contact(bsuid),
    name: show.name(name),
    username: show.username(username),
    role: roleOf(toIdentity(person), security),
    windowOpen: window.kind === "open",
    windowLeftMs: window.kind === "open" ? window.until - now : 0,
    lastSeen: last === 0 ? undefined : iso(last),
  };
}

function showSpan(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
