import type { Clock } from "../clock.ts";
import type { Identity } from "../message.ts";
import { describeOutgoing, type OutgoingTemplate } from "../outgoing.ts";
import type { Admission, Admitted, SendKey } from "../pipeline/admission.ts";
import { refuseCount, refusePerson, type Refusal, type SendPolicy } from "../pipeline/conscience.ts";
import type { NewOutgoing } from "../pipeline/outbox.ts";
import { windowOf } from "../pipeline/window.ts";

export interface GatePolicy extends SendPolicy {
  /** What becomes of a message for somebody whose 24-hour window is closed. */
  readonly onClosed:
    | { readonly kind: "fail" }
    | { readonly kind: "hold" }
    | { readonly kind: "template"; readonly name: string; readonly language: string };
  /** False leaves the judgement of the window to WhatsApp. */
  readonly checkWindow: boolean;
}

export interface GateParts {
  readonly outbox: {
    admit(admission: Admission, now: number): Promise<Admitted>;
    findKey(key: SendKey): Admitted | undefined;
  };
  readonly people: {
    find(
      identity: Identity,
      now: number,
    ): { readonly to: Identity; readonly openedAt: number | undefined } | undefined;
  };
  /** Digits of our own number, as soon as it is known. */
  readonly ownPhone: () => string | undefined;
  readonly policy: GatePolicy;
  readonly clock: Clock;
}

/** How a message may go to somebody, or why it may not. */
export type Passage =
  /** They wrote in the last 24 hours. */
  | { readonly kind: "answer" }
  /** It counts: nobody asked for it, as far as we know. */
  | { readonly kind: "unasked" }
  | { readonly kind: "hold" }
  | { readonly kind: "template"; readonly template: OutgoingTemplate }
  | { readonly kind: "closed"; readonly since: number }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/**
 * Lets through what an agent sends by HTTP. Its answers can not be told from what it sends by itself, so whoever wrote in
 * the last 24 hours may be answered as with any other agent; for everybody else the rules of `wa-cli send` count.
 */
export class Gate {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** What became of the send that was named so; undefined when there was none. */
  find(key: SendKey): Admitted | undefined {
    return this.#parts.outbox.findKey(key);
  }

  judge(to: Identity): Passage {
    const { people, policy, ownPhone, clock } = this.#parts;
    const now = clock.now();
    const person = people.find(to, now) ?? { to, openedAt: undefined };
    const refusal = refusePerson(person, policy, { ownPhone: ownPhone(), now });
    const window = windowOf(person.openedAt, now);
    if (refusal?.rule !== "send.own_number" && window.kind === "open") return { kind: "answer" };
    if (refusal) return { kind: "refused", refusal };
    // Of whom we know nothing WhatsApp knows more: they may have written before we were there.
    if (!policy.checkWindow || window.kind !== "closed") return { kind: "unasked" };
    const { onClosed } = policy;
    if (onClosed.kind === "fail") return { kind: "closed", since: window.since };
    if (onClosed.kind === "hold") return onClosed;
    const { name, language } = onClosed;
    return { kind: "template", template: { type: "template", name, language, body: [], buttons: [] } };
  }

  /** Queues the messages, unless a cap is against it or the key turns out to be known. */
  async admit(
    messages: readonly NewOutgoing[],
    passage: Exclude<Passage, { kind: "closed" | "refused" }>,
    key: SendKey | undefined,
  ): Promise<Admitted> {
    const { outbox, policy, clock } = this.#parts;
    const [first] = messages;
    if (!first) return { kind: "queued", ids: [] };
    const now = clock.now();
    const asks = passage.kind === "template" ? [askWith(passage.template, first.to)] : [];
    const all = [...asks, ...messages];
    return outbox.admit(
      {
        messages: all,
        key,
        heldFrom: passage.kind === "hold" || passage.kind === "template" ? asks.length : undefined,
        since: { toPerson: now - policy.perRecipient.windowMs, toAll: now - policy.perDay.windowMs },
        judge: (counts) => (passage.kind === "answer" ? undefined : refuseCount(counts, all.length, policy)),
      },
      now,
    );
  }
}

function askWith(template: OutgoingTemplate, to: Identity): NewOutgoing {
  return { to, text: describeOutgoing(template), content: template };
}
