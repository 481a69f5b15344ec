import { rm } from "node:fs/promises";
import { describeOutgoing, type OutgoingTemplate } from "../outgoing.ts";
import type { Admission, Admitted } from "./admission.ts";
import type { NewOutgoing } from "./outbox.ts";
import {
  refuseCount,
  refusePerson,
  type Circumstances,
  type Recipient,
  type Refusal,
  type SendPolicy,
} from "./send-policy.ts";
import { windowOf, type ReplyWindow } from "./window.ts";

/** What differs between those who send. */
export interface SenderRights {
  /** The window of a person of whom no message is known: WhatsApp may know more, or nobody wrote. */
  readonly unknownWindow: "open" | "closed";
  /** Whoever wrote in the last 24 hours may be answered: neither a list nor a cap is against it. */
  readonly mayAnswer: boolean;
}

/** How messages may go to somebody, or why they may not. */
export type SendDecision =
  /** The caps count them, unless they are answers. */
  | { readonly kind: "send"; readonly isCounted: boolean }
  | { readonly kind: "hold" }
  /** It asks the person to write, and the messages wait for that. */
  | { readonly kind: "template"; readonly template: OutgoingTemplate }
  | { readonly kind: "closed"; readonly window: Exclude<ReplyWindow, { readonly kind: "open" }> }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** One that lets messages go. */
export type Permission = Exclude<SendDecision, { readonly kind: "closed" | "refused" }>;

/** Whether a person may be written to now, by everything but the caps. A template needs no open window. */
export function judge(
  person: Recipient,
  policy: SendPolicy,
  {
    isTemplate = false,
    unknownWindow,
    mayAnswer,
    ...circumstances
  }: Circumstances & SenderRights & { readonly isTemplate?: boolean },
): SendDecision {
  const window = windowOf(person.openedAt, circumstances.now);
  const isAnswer = mayAnswer && window.kind === "open";
  const refusal = refusePerson(person, policy, circumstances);
  if (refusal && !(isAnswer && refusal.rule === "send.allow_to")) return { kind: "refused", refusal };
  const isUnheard = window.kind === "unknown" && unknownWindow === "open";
  if (window.kind === "open" || isTemplate || !policy.checkWindow || isUnheard)
    return { kind: "send", isCounted: !isAnswer };
  const { onClosed } = policy;
  if (onClosed.kind === "fail") return { kind: "closed", window };
  if (onClosed.kind === "hold") return onClosed;
  const { name, language } = onClosed;
  return { kind: "template", template: { type: "template", name, language, body: [], buttons: [] } };
}

/** What is queued, and what of it waits until the person writes. */
export function plan(
  messages: readonly NewOutgoing[],
  permission: Permission,
  policy: Pick<SendPolicy, "perRecipient" | "perDay">,
  now: number,
): Admission {
  const [first] = messages;
  const template = permission.kind === "template" ? permission.template : undefined;
  const asks =
    first && template ? [{ to: first.to, text: describeOutgoing(template), content: template }] : [];
  const all = [...asks, ...messages];
  const isFree = permission.kind === "send" && !permission.isCounted;
  return {
    messages: all,
    heldFrom: permission.kind === "send" ? undefined : asks.length,
    since: { toPerson: now - policy.perRecipient.windowMs, toAll: now - policy.perDay.windowMs },
    judge: (counts) => (isFree ? undefined : refuseCount(counts, all.length, policy)),
  };
}

/** Queues the messages, or takes away the copies of files that nobody will send then. */
export async function queue(
  outbox: { admit(admission: Admission, now: number): Promise<Admitted> },
  admission: Admission,
  now: number,
): Promise<Admitted> {
  let admitted: Admitted | undefined;
  try {
    return (admitted = await outbox.admit(admission, now));
  } finally {
    if (admitted?.kind !== "queued")
      for (const { media } of admission.messages) if (media) await rm(media.path, { force: true });
  }
}
