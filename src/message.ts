import type { Content } from "./content.ts";
import { canonicalPhone, isBsuid, parsePhone } from "./phone.ts";

/**
 * A person on WhatsApp. Since 2026 the phone number may be hidden, and then only the business-scoped user id
 * (BSUID) is known; at least one of the two is always there.
 */
export interface Identity {
  /** E.164 digits without the `+`. */
  readonly phone?: string;
  readonly bsuid?: string;
}

/** Why a message never reaches the agent, when that is known from the message alone. */
export type Passive = "history" | "group" | "system";

/** Texts of an advertisement, as its owner wrote them. */
export interface Referral {
  readonly headline?: string;
  readonly body?: string;
  readonly url?: string;
}

/** One message that a person sent to our number. */
export interface Inbound {
  readonly wamid: string;
  readonly phoneNumberId: string;
  readonly from: Identity;
  /** The profile name, as its owner chose it: hostile until cleaned. */
  readonly name?: string;
  /** Shown to the agent, never trusted: a person can give it up and another take it. */
  readonly username?: string;
  readonly content: Content;
  /** wamid of the message that it answers. */
  readonly quotes?: string;
  readonly forwarded?: boolean;
  /** The advertisement that brought the person here. */
  readonly referral?: Referral;
  /** Milliseconds since 1970 on WhatsApp's clock (whole seconds). */
  readonly sentAt: number;
  readonly passive?: Passive;
}

/** The key of a conversation, a session and a rate limit: the same for every message of one person. */
export function contactId(identity: Identity): string {
  const id = identity.phone ?? identity.bsuid;
  if (!id) throw new TypeError("Cannot identify a person without phone number and user id");
  return id;
}

/** A number in any international spelling, or a BSUID; undefined for what is neither. */
export function parseIdentity(text: string): Identity | undefined {
  if (isBsuid(text)) return { bsuid: text };
  const phone = parsePhone(text);
  return phone === undefined ? undefined : { phone };
}

/** By which a person is listed and found again: the number in one spelling, then the user id. */
export function keysOf({ phone, bsuid }: Identity): string[] {
  return [phone === undefined ? undefined : canonicalPhone(phone), bsuid].filter((key) => key !== undefined);
}

/** One of both is enough: a user id is one person's for good, and what is sent to a number reaches whoever has it. */
export function isSamePerson(a: Identity, b: Identity): boolean {
  const keys = keysOf(b);
  return keysOf(a).some((key) => keys.includes(key));
}

/** The end of a wamid tells messages apart; its beginning is the person's number in base64. */
export function maskWamid(wamid: string): string {
  return `…${wamid.slice(-12)}`;
}

/** Shows who is meant without giving the number away: `+1555…4567`, `US.1349…`. */
export function maskContact(id: string): string {
  // A count behind a number tells its owners apart.
  const [digits = ""] = id.split("~");
  if (/^\d+$/.test(digits)) return digits.length < 8 ? "+…" : `+${digits.slice(0, -8)}…${digits.slice(-4)}`;
  return `${id.slice(0, 7)}…`;
}
