import { createHmac } from "node:crypto";

export type Fields = Readonly<Record<string, unknown>>;

export const PHONE_NUMBER_ID = "100";
export const ANN = "15550100001";
export const ANN_ID = "US.4400110022";
/** What WhatsApp shows as our number. */
export const OURS = "15550109999";
/** Seconds, as WhatsApp writes them. */
export const SENT_AT = "1800000000";
export const SENT_AT_MS = 1_800_000_000_000;

export const RECEIVED = "whatsapp.message.received";

let made = 0;
const nextWamid = () => `wamid.HBgLMTU1NTAxMDAwMDE${String(++made).padStart(8, "0")}`;

/** The message of a Kapso event. What is given replaces; `undefined` leaves out. */
export function kapsoMessage({ kapso, ...given }: Fields = {}): Fields {
  return {
    id: nextWamid(),
    timestamp: SENT_AT,
    type: "text",
    from: ANN,
    text: { body: "hello" },
    context: null,
    kapso: kapso === undefined ? kapsoAside() : kapso,
    ...given,
  };
}

/** What Kapso adds to a message that came in. */
export function kapsoAside(given: Fields = {}): Fields {
  return {
    direction: "inbound",
    status: "received",
    processing_status: "pending",
    origin: "cloud_api",
    has_media: false,
    content: "hello",
    statuses: [],
    ...given,
  };
}

export function kapsoConversation(given: Fields = {}): Fields {
  return {
    id: "3f6f1f0e-0000-4000-8000-000000000001",
    phone_number: `+${ANN}`,
    status: "active",
    metadata: {},
    phone_number_id: PHONE_NUMBER_ID,
    business_scoped_user_id: null,
    username: null,
    kapso: { contact_name: "Ann", messages_count: 1, last_message_type: "text" },
    ...given,
  };
}

/** One event of Kapso's, `whatsapp.message.received` unless its message says otherwise. */
export function kapsoEvent({ message, conversation, ...given }: Fields = {}): Fields {
  return {
    message: message ?? kapsoMessage(),
    conversation: conversation === undefined ? kapsoConversation() : conversation,
    is_new_conversation: false,
    phone_number_id: PHONE_NUMBER_ID,
    ...given,
  };
}

/** An event on a message that we sent. */
export function kapsoSentEvent({ kapso, ...message }: Fields = {}): Fields {
  const aside = typeof kapso === "object" && kapso !== null ? kapso : {};
  return kapsoEvent({
    message: kapsoMessage({
      from: undefined,
      to: ANN,
      text: { body: "an answer of the agent" },
      kapso: kapsoAside({ direction: "outbound", status: "sent", ...aside }),
      ...message,
    }),
  });
}

export function kapsoBatch(events: readonly unknown[], given: Fields = {}): Fields {
  return {
    type: RECEIVED,
    batch: true,
    data: events,
    batch_info: { size: events.length, window_ms: 5000, first_sequence: 1, last_sequence: events.length },
    ...given,
  };
}

/** One of `messages[]` from Meta. */
export function metaMessage(given: Fields = {}): Fields {
  return {
    from: ANN,
    from_user_id: ANN_ID,
    id: nextWamid(),
    timestamp: SENT_AT,
    type: "text",
    text: { body: "hello" },
    ...given,
  };
}

export function metaContact(given: Fields = {}): Fields {
  return { profile: { name: "Ann" }, wa_id: ANN, user_id: ANN_ID, ...given };
}

/** One of `statuses[]`, the same from both. */
export function metaStatus(given: Fields = {}): Fields {
  return {
    id: nextWamid(),
    status: "delivered",
    timestamp: SENT_AT,
    recipient_id: ANN,
    pricing: { billable: true, pricing_model: "PMP", category: "service", type: "regular" },
    ...given,
  };
}

export function metaChange(value: Fields, given: Fields = {}): Fields {
  return {
    field: "messages",
    value: {
      messaging_product: "whatsapp",
      metadata: { display_phone_number: OURS, phone_number_id: PHONE_NUMBER_ID },
      ...value,
    },
    ...given,
  };
}

/** A body of Meta's with one entry that has these changes. */
export function metaBody(...changes: readonly unknown[]): Fields {
  return { object: "whatsapp_business_account", entry: [{ id: "900", changes }] };
}

/** A body of Meta's with one message. */
export function metaReceived(given: Fields = {}): Fields {
  return metaBody(metaChange({ contacts: [metaContact()], messages: [metaMessage(given)] }));
}

export interface Signed {
  readonly headers: Readonly<Record<string, string>>;
  readonly raw: Buffer;
}

export interface SignedOptions {
  readonly by?: "kapso" | "meta";
  /** Kapso's name of the event. */
  readonly event?: string;
}

/** A webhook as it is on the wire; text and bytes are sent as they are, everything else as JSON in its sender's spelling. */
export function signed(
  body: unknown,
  secret: string,
  { by = "kapso", event = RECEIVED }: SignedOptions = {},
): Signed {
  const raw = bytesOf(body, by);
  const hex = createHmac("sha256", secret).update(raw).digest("hex");
  const type = { "content-type": "application/json" };
  if (by === "meta") return { headers: { ...type, "x-hub-signature-256": `sha256=${hex}` }, raw };
  return { headers: { ...type, "x-webhook-event": event, "x-webhook-signature": hex }, raw };
}

function bytesOf(body: unknown, by: "kapso" | "meta"): Buffer {
  if (body instanceof Uint8Array) return Buffer.from(body);
  if (typeof body === "string") return Buffer.from(body);
  return Buffer.from(by === "meta" ? asMetaWrites(body) : JSON.stringify(body));
}

/** Meta escapes slashes and everything beyond ASCII; its signature is over that. */
export function asMetaWrites(body: unknown): string {
  return JSON.stringify(body)
    .replaceAll("/", String.raw`\/`)
    .replaceAll(/[^\0-~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
