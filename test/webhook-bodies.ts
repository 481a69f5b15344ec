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

/** SHA-256 of nothing, as Meta's webhooks spell it and as everybody else does. */
export const SHA256_BASE64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
export const SHA256_HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/** Of the message that another one is about. */
export const TARGET = "wamid.HBgLMTU1NTAxMDAwMDEAAAAAAAA";

/** What stands for a file in a message. */
export function metaFile(mimeType: string, given: Fields = {}): Fields {
  return {
    id: "660011",
    mime_type: mimeType,
    sha256: SHA256_BASE64,
    url: "https://lookaside.example/attachments/?mid=660011&ext=1800000300&hash=AbCd",
    ...given,
  };
}

/** Kapso's copy of a file, beside the message. */
export function kapsoFile(filename: string, contentType: string, given: Fields = {}): Fields {
  const where = `https://app.kapso.example/blobs/redirect/c2lnbmVk--00ff/${filename}`;
  return kapsoAside({
    has_media: true,
    content: `Image attached (${filename}) [Size: 12 KB | Type: ${contentType}] URL: ${where}`,
    media_url: where,
    media_data: { url: where, filename, content_type: contentType, byte_size: 12_288 },
    message_type_data: {},
    ...given,
  });
}

/** The part of a message that says what it is, for every kind that is documented or was seen, as Meta writes it. */
export const KINDS: Readonly<Record<string, Fields & { readonly type: string }>> = {
  text: { type: "text", text: { body: "Are you open on Sunday?" } },
  image: { type: "image", image: metaFile("image/jpeg", { caption: "our table" }) },
  video: { type: "video", video: metaFile("video/mp4") },
  voice: { type: "audio", audio: metaFile("audio/ogg; codecs=opus", { voice: true }) },
  recording: { type: "audio", audio: metaFile("audio/mpeg", { voice: false }) },
  document: {
    type: "document",
    document: metaFile("application/pdf", { filename: "Menü.pdf", caption: "see page 2" }),
  },
  sticker: { type: "sticker", sticker: metaFile("image/webp", { animated: false }) },
  spoiltFile: {
    type: "image",
    image: metaFile("image/jpeg", { url: undefined }),
    errors: [{ code: 400, title: "Media download failed", details: "Not retriable" }],
  },
  position: { type: "location", location: { latitude: 52.516_27, longitude: 13.377_703 } },
  place: {
    type: "location",
    location: {
      latitude: 48.137_22,
      longitude: 11.575_4,
      name: "Market",
      address: "1 Market Street",
      url: "https://market.example/",
    },
  },
  card: {
    type: "contacts",
    contacts: [
      {
        name: { formatted_name: "Bob Baker", first_name: "Bob", last_name: "Baker" },
        phones: [{ phone: "+1 (555) 010-0002", wa_id: "15550100002", type: "CELL" }],
        emails: [{ email: "bob@bakery.example", type: "WORK" }],
        org: { company: "Baker & Sons", department: "Bread", title: "Baker" },
        addresses: [{ street: "2 Mill Lane", city: "Smalltown", country_code: "us", type: "WORK" }],
        urls: [{ url: "https://bakery.example", type: "WORK" }],
        birthday: "1990-02-03",
        origin: "other",
      },
    ],
  },
  button: {
    type: "interactive",
    context: { from: OURS, id: TARGET },
    interactive: { type: "button_reply", button_reply: { id: "yes-1", title: "Yes" } },
  },
  row: {
    type: "interactive",
    interactive: { type: "list_reply", list_reply: { id: "tea", title: "Tea", description: "green" } },
  },
  form: {
    type: "interactive",
    interactive: {
      type: "nfm_reply",
      nfm_reply: {
        name: "flow",
        body: "Sent",
        response_json: '{"flow_token":"f-1","day":"Sunday","guests":["Ann","Bob"]}',
      },
    },
  },
  callPermission: {
    type: "interactive",
    interactive: {
      type: "call_permission_reply",
      call_permission_reply: {
        response: "accept",
        expiration_timestamp: 1_800_600_000,
        response_source: "user_action",
      },
    },
  },
  emptyInteractive: { type: "interactive", context: { from: OURS, id: TARGET } },
  templateButton: { type: "button", button: { payload: "stop-news", text: "Stop" } },
  order: {
    type: "order",
    order: {
      catalog_id: "770022",
      text: "before noon, please",
      product_items: [
        { product_retailer_id: "rye", quantity: 2, item_price: 3.5, currency: "EUR" },
        { product_retailer_id: "roll", quantity: "10", item_price: "0.4", currency: "EUR" },
      ],
    },
  },
  reaction: { type: "reaction", reaction: { message_id: TARGET, emoji: "👍" } },
  reactionGone: { type: "reaction", reaction: { message_id: TARGET } },
  newNumber: {
    type: "system",
    system: {
      type: "user_changed_number",
      body: `Ann changed from ${ANN} to 15550100009`,
      wa_id: "15550100009",
    },
  },
  newUserId: {
    type: "system",
    system: {
      type: "user_changed_user_id",
      user_id: "US.4400110099",
      previous_user_id: ANN_ID,
      parent_user_id: "US.ENT.9900110099",
      previous_parent_user_id: "US.ENT.9900110022",
    },
  },
  newDevice: {
    type: "system",
    identity: { acknowledged: true, created_timestamp: SENT_AT, hash: "Zm9v" },
    system: { type: "customer_identity_changed", body: "Ann's security code changed" },
  },
  edit: {
    type: "edit",
    edit: {
      original_message_id: TARGET,
      message: { context: { id: TARGET }, type: "text", text: { body: "on Monday, I mean" } },
    },
  },
  editedCaption: {
    type: "edit",
    edit: {
      original_message_id: TARGET,
      message: { type: "image", image: metaFile("image/jpeg", { caption: "our other table" }) },
    },
  },
  revoke: { type: "revoke", revoke: { original_message_id: TARGET } },
  poll: {
    type: "unsupported",
    unsupported: { type: "poll_creation" },
    errors: [{ code: 131_051, title: "Message type unknown", error_data: { details: "Not supported" } }],
  },
  unsupported: { type: "unsupported", errors: [{ code: 131_051, title: "Message type unknown" }] },
  oldUnsupported: { type: "unknown", errors: [{ code: 131_051, title: "Unsupported message type" }] },
  welcome: { type: "request_welcome" },
  hologram: { type: "hologram", hologram: { id: "1", depth: 3 } },
};

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
