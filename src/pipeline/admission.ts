import type { Refusal, SentCounts } from "./send-policy.ts";
import type { NewOutgoing } from "./outbox.ts";

/** Printable, without spaces. */
export const KEY_NAME = /^[\x21-\x7E]{1,200}$/;

/** What a caller named a send. */
export interface SendKey {
  readonly name: string;
  /** Tells whether it is the same message. */
  readonly request: string;
}

/** Messages that answer no question, as they are to be queued. */
export interface Admission {
  readonly messages: readonly NewOutgoing[];
  readonly key?: SendKey | undefined;
  /** Parts from here on wait until the person writes. */
  readonly heldFrom?: number | undefined;
  /** Since when messages count. */
  readonly since: { readonly toPerson: number; readonly toAll: number };
  readonly judge: (counts: SentCounts) => Refusal | undefined;
}

/** The key was given before. */
export interface Repeated {
  readonly kind: "repeated";
  readonly ids: readonly number[];
  readonly isSame: boolean;
}

export type Admitted =
  | { readonly kind: "queued"; readonly ids: readonly number[] }
  | Repeated
  | { readonly kind: "refused"; readonly refusal: Refusal };
