import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { maskContact, maskWamid, type Identity, type Inbound } from "../message.ts";
import type { DeliveryStatus, Statuses, StatusNews } from "./outbox.ts";

/** A piece of what a source brought that is no message we can read. */
export interface Malformed {
  readonly raw: string;
  readonly reason: string;
}

export interface Arrival {
  /** Oldest first. */
  readonly messages: readonly Inbound[];
  /** What became of messages that we sent. */
  readonly statuses: readonly DeliveryStatus[];
  readonly malformed: readonly Malformed[];
}

/**
 * Resolves once all of it is on disk, so that the source may acknowledge it (promise P1), with the number of messages
 * that wait for an answer and that no source had brought before.
 */
export type Accept = (arrival: Arrival) => Promise<number>;

export type SourceName = "poll" | "webhook";

export interface Source {
  readonly name: SourceName;
  /** Runs until `signal` aborts. Rejects only when starting again can not help. */
  run(accept: Accept, signal: AbortSignal): Promise<void>;
}

export interface Cursors {
  /** Milliseconds since 1970 on the provider's clock: everything that was listed before is stored. */
  cursor(source: string): Promise<number | undefined>;
  moveCursor(source: string, to: number, now: number): Promise<void>;
}

/** A stored message that waits for an answer. */
export interface Stored {
  readonly seq: number;
  readonly wamid: string;
  readonly contact: string;
  /** Everything by which the sender is known. */
  readonly from: Identity;
  /** Milliseconds since 1970 on WhatsApp's clock. */
  readonly sentAt: number;
  /** It brought a file that has to be fetched. */
  readonly hasMedia: boolean;
}

export interface Inbox {
  /**
   * Stores what is new, in one transaction, and returns what of it waits for an answer; of what is known, it notes that
   * this source brought it too.
   */
  accept(messages: readonly Inbound[], source: SourceName, now: number): Promise<readonly Stored[]>;
  quarantine(rows: readonly Malformed[], now: number): Promise<number>;
  /** Stored and not yet answered, oldest first. */
  pending(): Promise<readonly Stored[]>;
}

export interface ReceiverParts {
  readonly inbox: Inbox;
  readonly statuses: Statuses;
  readonly clock: Clock;
  readonly log: Log;
  readonly answer: (message: Stored) => void;
}

/** Merges every source into the inbox: whatever brings a message first wins, and `answer` hears of it once. */
export function createReceiver(parts: ReceiverParts): (source: SourceName) => Accept {
  const { inbox, clock, log, answer } = parts;
  return (source) =>
    async ({ messages, statuses, malformed }) => {
      const now = clock.now();
      // Asked for together, so that they share one transaction.
      const [accepted, news, unreadable] = await Promise.all([
        inbox.accept(messages, source, now),
        parts.statuses.note(statuses, now),
        inbox.quarantine(malformed, now),
      ]);
      if (unreadable > 0)
        log.warn(
          { source, count: unreadable, reason: malformed[0]?.reason },
          "message unreadable, kept in quarantine",
        );
      for (const item of news) reportStatus(item, log);
      for (const message of accepted) {
        log.debug(
          { source, wamid: maskWamid(message.wamid), from: maskContact(message.contact) },
          "message stored",
        );
        answer(message);
      }
      return accepted.length;
    };
}

function reportStatus({ kind, id, contact, wamid, error }: StatusNews, log: Log): void {
  const fields = { outboxId: id, to: maskContact(contact), wamid: maskWamid(wamid) };
  switch (kind) {
    case "failed":
      return log.error({ ...fields, reason: error }, "message was accepted but not delivered");
    case "settled":
      return log.info(fields, "send of unknown outcome was accepted");
    case "doubled":
      return log.error(fields, "message left twice: its first send was taken for lost");
  }
}
