/**
 * A person on WhatsApp. Since 2026 the phone number may be hidden, and then only the business-scoped user id
 * (BSUID) is known; at least one of the two is always there.
 */
export interface Identity {
  /** E.164 digits without the `+`. */
  readonly phone?: string;
  readonly bsuid?: string;
}

/** Why a message is stored but starts no turn of the agent, when that is known from the message alone. */
export type Passive = "history" | "group" | "not-a-question";

/** One message that a person sent to our number. */
export interface Inbound {
  readonly wamid: string;
  readonly phoneNumberId: string;
  readonly from: Identity;
  /** The profile name, as its owner chose it: hostile until cleaned. */
  readonly name?: string;
  /** WhatsApp's own word: text, image, audio, location, … */
  readonly kind: string;
  /** What the agent reads: the text itself, or a line that describes another kind of message. */
  readonly text: string;
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

/** The end of a wamid tells messages apart; its beginning is the person's number in base64. */
export function maskWamid(wamid: string): string {
  return `…${wamid.slice(-12)}`;
}

/** Shows who is meant without giving the number away: `+1555…4567`, `US.1349…`. */
export function maskContact(id: string): string {
  if (/^\d+$/.test(id)) return id.length < 8 ? "+…" : `+${id.slice(0, -8)}…${id.slice(-4)}`;
  return `${id.slice(0, 7)}…`;
}
