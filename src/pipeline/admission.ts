import type { Refusal, SentCounts } from "./conscience.ts";
import type { NewOutgoing } from "./outbox.ts";

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

export type Admitted =
  | { readonly kind: "queued"; readonly ids: readonly number[] }
  /** The key was given before. */
  | { readonly kind: "known"; readonly ids: readonly number[]; readonly isSame: boolean }
  | { readonly kind: "refused"; readonly refusal: Refusal };
