import type { Identity } from "../message.ts";
import type { RichContent } from "../outgoing.ts";
import type { OutgoingMedia } from "./media.ts";

/** A message that is to be sent. */
export interface NewOutgoing {
  readonly to: Identity;
  /** With a file, its caption. */
  readonly text: string;
  readonly media?: OutgoingMedia | undefined;
  /** What is neither text nor file; `text` describes it then. */
  readonly content?: RichContent | undefined;
  /** wamid of the message that it quotes. */
  readonly quotes?: string | undefined;
}

/** A message on its way to one person. */
export interface Outgoing extends NewOutgoing {
  /** Comes back in status webhooks as `biz_opaque_callback_data`, and so tells what became of a send. */
  readonly trackingId: string;
}

export interface Accepted {
  readonly wamid: string;
  /** The recipient's number as WhatsApp spells it, which need not be how it was given. E.164 digits. */
  readonly waId?: string | undefined;
}

/** What is known after a try to send (promise P7). Only `refused`, `later` and `blocked` are certainly not sent. */
export type SendOutcome =
  /** WhatsApp took it; that is not yet delivered. */
  | ({ readonly kind: "accepted" } & Accepted)
  /** Will never be taken as it is. */
  | { readonly kind: "refused"; readonly code?: string | undefined; readonly error: string }
  /** Try again after a while: this person only, or everybody. */
  | {
      readonly kind: "later";
      readonly scope: "person" | "all";
      /** Tries that it is worth; without, until the message is 24 hours old. */
      readonly maxTries?: number | undefined;
      readonly afterMs?: number | undefined;
      readonly error: string;
    }
  /** Nothing can be sent until somebody mends the account or the key; the queue waits. */
  | {
      readonly kind: "blocked";
      readonly code: "credentials" | "account";
      readonly error: string;
      readonly hint: string;
    }
  | { readonly kind: "unknown"; readonly error: string };

/** What the provider's list of sent messages says of a text. */
export type Sighting =
  | { readonly kind: "found"; readonly wamid: string }
  | { readonly kind: "absent" }
  | { readonly kind: "unclear"; readonly error: string }
  /** The provider has no such list: only a status can tell. */
  | { readonly kind: "unlisted" };

/** How far a message got that WhatsApp took. */
export type DeliveryState = "sent" | "delivered" | "read" | "played" | "failed";

/** One status of WhatsApp's. They come out of order, more than once, and sometimes before the answer to the send. */
export interface DeliveryStatus {
  readonly wamid: string;
  readonly status: DeliveryState;
  /** Milliseconds since 1970 on WhatsApp's clock. */
  readonly at?: number | undefined;
  readonly trackingId?: string | undefined;
  /** Why it failed. */
  readonly failure?: Reason | undefined;
}

/** What a status told us that somebody should hear of. */
export interface StatusNews {
  /** It failed after all; a send of unknown outcome is settled; or a message left twice. */
  readonly kind: "failed" | "settled" | "doubled";
  readonly id: number;
  readonly contact: string;
  readonly wamid: string;
  readonly error?: string | undefined;
}

export interface Statuses {
  /** Resolves when they are on disk. */
  note(statuses: readonly DeliveryStatus[], now: number): Promise<readonly StatusNews[]>;
}

export interface Sender {
  send(message: Outgoing, signal: AbortSignal): Promise<SendOutcome>;
  /** Looks for a text that was sent at `sinceMs` or later under an id for which `isKnown` is false. */
  findSent(
    message: Outgoing,
    sinceMs: number,
    isKnown: (wamid: string) => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<Sighting>;
}

/** A row of the outbox in our hands. */
export interface Claim extends Outgoing {
  readonly id: number;
  readonly contact: string;
  readonly by: string;
  readonly claimedAt: number;
  /** This try included. */
  readonly attempts: number;
  /** Tries of unknown outcome. */
  readonly doubts: number;
  readonly createdAt: number;
  /** When the try began whose outcome is unknown; undefined for a row that is to be sent now. */
  readonly doubtfulSince: number | undefined;
}

export interface Reason {
  readonly code?: string | null | undefined;
  readonly error: string;
}

export interface Outbox {
  /** The person's oldest open row, if it is due and nobody else has it. */
  claim(contact: string, by: string, now: number): Promise<Claim | undefined>;
  accepted(claim: Claim, accepted: Accepted, now: number): Promise<void>;
  unquote(claim: Claim, now: number): Promise<void>;
  renew(claim: Claim, now: number): Promise<void>;
  retryAt(claim: Claim, dueAt: number, reason: Reason): Promise<void>;
  doubtUntil(claim: Claim, dueAt: number, error: string): Promise<void>;
  dead(claim: Claim, reason: Reason, now: number): Promise<void>;
  isKnown(wamid: string): Promise<boolean>;
  dueContacts(now: number): Promise<readonly string[]>;
}
