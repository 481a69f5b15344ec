import { z } from "zod";
import { maskNumbers } from "../src/mask.ts";
import { DaemonLock } from "../src/store/lock.ts";
import type { InboxRow } from "../src/store/inbox-row.ts";
import type { OutboxRow } from "../src/store/outbox-row.ts";
import type { Store } from "../src/store/store.ts";
import { iso } from "./records.ts";

/** One thing that happened to a message, or that it waits for. */
export interface Hop {
  /** Undefined for what has not happened yet. */
  readonly at: number | undefined;
  readonly hop: string;
  readonly detail?: string | undefined;
}

const gateway = z.object({ kind: z.string(), message: z.string(), hint: z.string().optional() });

const SETTLED: Readonly<Record<string, string>> = {
  answered: "the answer was queued",
  silent: "the agent chose not to answer",
  failed: "the agent failed",
  denied: "the person may not write: nobody lists them in security.roles",
  limited: "over the rate limit (security.rate_limit)",
  stale: "too old to be answered (delivery.max_age)",
  history: "from before this bridge",
  group: "from a group",
  system: "WhatsApp's own word",
  context: "asks nothing: the agent gets it with the next message",
  told: "the agent got it with a later message",
};

/** `show` writes the id of a message. */
export function hopsOfReceived(row: InboxRow, show: (wamid: string) => string): Hop[] {
  const { hops } = row;
  return happened([
    { at: row.sent_at, hop: "sent", detail: "on WhatsApp's clock" },
    { at: row.webhook_at ?? undefined, hop: "received", detail: "by webhook" },
    { at: row.polled_at ?? undefined, hop: "received", detail: "by polling" },
    {
      at: hops?.judgedAt,
      hop: "judged",
      detail: hops?.role === undefined ? SETTLED[row.state] : `let in as ${hops.role}`,
    },
    { at: hops?.fileAt, hop: "file", detail: hops?.file },
    {
      at: hops?.askedAt,
      hop: "asked",
      detail: `the agent got to work${hops?.run === undefined ? "" : `, run ${show(hops.run)}`}`,
    },
    {
      at: hops?.answeredAt,
      hop: hops?.error === undefined ? "answered" : "failed",
      detail: hops?.error && maskNumbers(hops.error),
    },
    { at: row.settled_at ?? undefined, hop: "settled", detail: SETTLED[row.state] ?? row.state },
  ]);
}

/** In the order of time; of the same moment, as they are listed. */
function happened(hops: readonly Hop[]): Hop[] {
  return hops.filter(({ at }) => at !== undefined).toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0));
}

export function whatItWaitsFor({ facts }: Store, folder: string, { hops }: InboxRow): Hop[] {
  if (!DaemonLock.isHeld(folder)) return waits("wa-poller does not run; start it with: wa-poller");
  const state = facts.read("gateway", gateway);
  if (state && state.kind !== "connected")
    return waits(`for the gateway: ${state.message}${state.hint === undefined ? "" : `; ${state.hint}`}`);
  return waits(hops?.askedAt === undefined ? "for its turn, or its file" : "for the agent's answer");
}

export function hopsOfWritten(row: OutboxRow, store: Store): Hop[] {
  const statuses = store.records.statusesOf(row);
  const reason = reasonOf(row);
  const told: Hop[] = statuses.map(({ status, at }) => ({
    at,
    hop: status,
    detail: status === "failed" ? reason : undefined,
  }));
  const hasFailed = statuses.some(({ status }) => status === "failed");
  const before = happened([
    { at: row.created_at, hop: "queued" },
    { at: row.claimed_at ?? undefined, hop: "tried", detail: `try ${row.attempts}` },
    ...(row.settled_at === null || hasFailed
      ? []
      : [
          row.state === "accepted"
            ? { at: row.settled_at, hop: "accepted", detail: "WhatsApp took it" }
            : { at: row.settled_at, hop: "given up", detail: reason },
        ]),
  ]);
  // WhatsApp's clock counts whole seconds, so these can not be put among ours by time.
  return [...before, ...told, ...waitsOf(row, reason)];
}

function waitsOf({ state, due_at: dueAt }: OutboxRow, reason: string | undefined): Hop[] {
  const why = reason === undefined ? "" : `: ${reason}`;
  switch (state) {
    case "held":
      return waits("until the person writes");
    case "queued":
      return waits(`to be sent, next at ${iso(dueAt)}${why}`);
    case "sending":
      return waits(`for WhatsApp's answer to the request${why}`);
    case "doubt":
      return waits(`until it is known whether it left, next look at ${iso(dueAt)}${why}`);
    case "accepted":
    case "dead":
      return [];
  }
}

function waits(detail: string): Hop[] {
  return [{ at: undefined, hop: "waits", detail }];
}

/** Most errors begin with their code. */
function reasonOf({ code, error }: OutboxRow): string | undefined {
  if (error === null) return code ?? undefined;
  return maskNumbers(code === null || error.includes(code) ? error : `${code}: ${error}`);
}
