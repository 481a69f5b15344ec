import type { Identity } from "../message.ts";
import { canonicalPhone, isSamePhone } from "../phone.ts";
import { windowOf } from "./window.ts";

/** How many messages may leave within a time; 0 is as many as one likes. */
export interface Cap {
  readonly max: number;
  readonly windowMs: number;
}

/** What becomes of a message for somebody whose 24-hour window is closed. */
export type OnClosed =
  | { readonly kind: "fail" }
  /** It waits until they write. */
  | { readonly kind: "hold" }
  /** The template is sent, and the message waits until they write. */
  | { readonly kind: "template"; readonly name: string; readonly language: string };

/** To whom, and how much, may be sent that answers no question. */
export interface SendPolicy {
  readonly allowTo: {
    readonly everybody: boolean;
    /** Whoever has a role. */
    readonly roles: boolean;
    /** Whoever wrote in the last 24 hours. */
    readonly recent: boolean;
    /** Numbers and BSUIDs. */
    readonly people: ReadonlySet<string>;
  };
  readonly perRecipient: Cap;
  readonly perDay: Cap;
  readonly onClosed: OnClosed;
  /** False leaves the judgement of the window to WhatsApp. */
  readonly checkWindow: boolean;
}

type RuleName = "send.own_number" | "send.allow_to" | "send.per_recipient" | "send.per_day";

/** Why something is not sent: the rule, by its key in the configuration. */
export interface Refusal {
  readonly rule: RuleName;
  readonly message: string;
  readonly hint: string;
}

export interface Recipient {
  /** Everything by which the person is known. */
  readonly to: Identity;
  /** When they last wrote. */
  readonly openedAt?: number | undefined;
}

export interface Circumstances {
  /** Number or BSUID → role. */
  readonly roles: ReadonlyMap<string, string>;
  /** Digits of our own number, as soon as it is known. */
  readonly ownPhone: string | undefined;
  readonly now: number;
}

/** Messages that answered no question and left, or are about to, within the windows of the caps. */
export interface SentCounts {
  readonly toPerson: number;
  readonly toAll: number;
}

/** Whether a person may be written to at all; undefined when they may. Answers to questions are never asked about. */
export function refusePerson(
  { to, openedAt }: Recipient,
  { allowTo }: Pick<SendPolicy, "allowTo">,
  { roles, ownPhone, now }: Circumstances,
): Refusal | undefined {
  if (ownPhone !== undefined && to.phone !== undefined && isSamePhone(ownPhone, to.phone))
    return {
      rule: "send.own_number",
      message: "It is the bridge's own number: WhatsApp lets nobody write to themselves",
      hint: "give another recipient",
    };
  if (allowTo.everybody) return undefined;
  if (allowTo.roles && isAmong(to, roles.keys())) return undefined;
  if (isAmong(to, allowTo.people)) return undefined;
  if (allowTo.recent && windowOf(openedAt, now).kind === "open") return undefined;
  return {
    rule: "send.allow_to",
    message: "This person may not be written to: " + whyNot(allowTo),
    hint: 'add them to security.roles or to send.allow_to (WA_SEND_ALLOW_TO); "*" there lets everybody be written to',
  };
}

/** Whether so many more may leave. */
export function refuseCount(
  counts: SentCounts,
  adding: number,
  { perRecipient, perDay }: Pick<SendPolicy, "perRecipient" | "perDay">,
): Refusal | undefined {
  const rules = [
    { rule: "send.per_recipient", cap: perRecipient, sent: counts.toPerson, whom: "to this person" },
    { rule: "send.per_day", cap: perDay, sent: counts.toAll, whom: "to everybody together" },
  ] as const;
  for (const { rule, cap, sent, whom } of rules)
    if (cap.max > 0 && sent + adding > cap.max)
      return {
        rule,
        message: `${sent} of at most ${cap.max} messages ${whom} in ${showSpan(cap.windowMs)} were sent, and this makes ${adding} more`,
        hint: `wait, or raise ${rule} (WA_${rule.toUpperCase().replace(".", "_")})`,
      };
  return undefined;
}

function isAmong({ phone, bsuid }: Identity, people: Iterable<string>): boolean {
  for (const person of people)
    if (person === bsuid || (phone !== undefined && canonicalPhone(person) === canonicalPhone(phone)))
      return true;
  return false;
}

function whyNot({ roles, recent }: SendPolicy["allowTo"]): string {
  const reasons = [
    roles ? "they have no role" : "they are not listed",
    ...(recent ? ["they did not write in the last 24 hours"] : []),
  ];
  return reasons.join(", and ");
}

function showSpan(ms: number): string {
  const hours = ms / 3_600_000;
  return hours >= 1 ? `${Math.round(hours * 10) / 10} h` : `${Math.round(ms / 60_000)} min`;
}
