import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { maskContact, maskWamid, type Inbound } from "../message.ts";

/** A piece of what a source brought that is no message we can read. */
export interface Malformed {
  readonly raw: string;
  readonly reason: string;
}

export interface Arrival {
  /** Oldest first. */
  readonly messages: readonly Inbound[];
  readonly malformed: readonly Malformed[];
}

/** Resolves once all of it is on disk, so that the source may acknowledge it (promise P1). */
export type Accept = (arrival: Arrival) => Promise<void>;

export interface Source {
  readonly name: string;
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
}

export interface Inbox {
  /** Stores what is new, in one transaction, and returns it; what is known already is left out. */
  accept(messages: readonly Inbound[], source: string, now: number): Promise<readonly Stored[]>;
  quarantine(rows: readonly Malformed[], now: number): Promise<number>;
  /** Stored and not yet answered, oldest first. */
  pending(): Promise<readonly Stored[]>;
}

/** Merges every source into the inbox: whatever brings a message first wins, and `answer` hears of it once. */
export function createReceiver({
  inbox,
  clock,
  log,
  answer,
}: {
  readonly inbox: Inbox;
  readonly clock: Clock;
  readonly log: Log;
  readonly answer: (message: Stored) => void;
}): (source: string) => Accept {
  return (source) =>
    async ({ messages, malformed }) => {
      const added = await inbox.quarantine(malformed, clock.now());
      if (added > 0)
        log.warn(
          { source, count: added, reason: malformed[0]?.reason },
          "message unreadable, kept in quarantine",
        );
      const accepted = await inbox.accept(messages, source, clock.now());
      for (const message of accepted) {
        log.debug(
          { source, wamid: maskWamid(message.wamid), from: maskContact(message.contact) },
          "message stored",
        );
        answer(message);
      }
    };
}
