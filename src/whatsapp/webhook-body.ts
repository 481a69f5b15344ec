import { z } from "zod";
import type { Malformed } from "../pipeline/receive.ts";
import type { DeliveryStatus } from "../pipeline/outbox.ts";
import type { Inbound } from "../message.ts";
import { asJson, readInbound, text, type Aside } from "./inbound.ts";
import { readStatus } from "./status.ts";

/** What one webhook brought. */
export interface WebhookBody {
  readonly messages: readonly Inbound[];
  readonly statuses: readonly DeliveryStatus[];
  readonly malformed: readonly Malformed[];
  /** Events that are none of ours, in words for the log. */
  readonly ignored: readonly string[];
}

export interface WebhookBodyOptions {
  /** The header `X-Webhook-Event`; Kapso's single events are named nowhere else. */
  readonly event: string | undefined;
  readonly phoneNumberId: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
type Collected = Mutable<WebhookBody>;

/** A number would be a number id too, and must not count as absent. */
const id = z
  .union([z.string(), z.number().transform(String)])
  .nullish()
  .catch(undefined);
const list = z.array(z.unknown()).nullish().catch(undefined);

const RECEIVED = "whatsapp.message.received";

const kapsoEvent = z.looseObject({
  message: z.looseObject({
    id: text,
    from: text,
    to: text,
    timestamp: z.union([z.string(), z.number()]).nullish().catch(undefined),
    biz_opaque_callback_data: text,
    kapso: z.looseObject({ direction: text, status: text, statuses: list }).nullish().catch(undefined),
  }),
  conversation: z
    .looseObject({
      phone_number: text,
      phone_number_id: id,
      is_group: z.boolean().nullish().catch(undefined),
      type: text,
      business_scoped_user_id: text,
      username: text,
      contact_name: text,
      kapso: z.looseObject({ contact_name: text }).nullish().catch(undefined),
    })
    .nullish()
    .catch(undefined),
  phone_number_id: id,
});
type KapsoEvent = z.output<typeof kapsoEvent>;

const metaChange = z.looseObject({
  field: text,
  value: z.looseObject({
    metadata: z.looseObject({ phone_number_id: id, display_phone_number: text }).nullish().catch(undefined),
    contacts: z
      .array(
        z
          .looseObject({
            wa_id: text,
            user_id: text,
            profile: z.looseObject({ name: text, username: text }).nullish().catch(undefined),
          })
          .catch({}),
      )
      .nullish()
      .catch(undefined),
    messages: list,
    statuses: list,
  }),
});
type MetaContact = NonNullable<z.output<typeof metaChange>["value"]["contacts"]>[number];

const sender = z.looseObject({ from: text, from_user_id: text }).catch({});
const metaEntry = z.looseObject({ changes: z.array(z.unknown()) });
const metaBody = z.looseObject({ entry: z.array(z.unknown()) });
const kapsoBatch = z.looseObject({ batch: z.literal(true), type: text, data: z.array(z.unknown()) });

/**
 * Reads the body of a webhook, whichever of the three shapes it has: one event of Kapso, a batch of them, or Meta's own.
 * Total: what it does not know is ignored, and one bad message spoils only itself.
 * https://docs.kapso.ai/docs/platform/webhooks/overview
 */
export function readWebhookBody(body: unknown, { event, phoneNumberId }: WebhookBodyOptions): WebhookBody {
  const into: Collected = { messages: [], statuses: [], malformed: [], ignored: [] };
  const meta = metaBody.safeParse(body);
  if (meta.success) {
    for (const change of meta.data.entry.flatMap(changesOf)) readMeta(change, phoneNumberId, into);
    return into;
  }
  const batch = kapsoBatch.safeParse(body);
  if (batch.success) {
    for (const single of batch.data.data)
      readKapso(single, { event: batch.data.type ?? event, phoneNumberId }, into);
    return into;
  }
  readKapso(body, { event, phoneNumberId }, into);
  return into;
}

function readKapso(raw: unknown, { event = "", phoneNumberId }: WebhookBodyOptions, into: Collected): void {
  const parsed = kapsoEvent.safeParse(raw);
  if (!parsed.success) {
    if (event === RECEIVED) into.malformed.push({ raw: asJson(raw), reason: "message: is no object" });
    else into.ignored.push(event || "unknown shape");
    return;
  }
  const { message, conversation, phone_number_id: number } = parsed.data;
  const ours = number ?? conversation?.phone_number_id ?? phoneNumberId;
  if (ours !== phoneNumberId) return void into.ignored.push("another number's");
  if (isOutbound(message, event)) return readKapsoStatuses(message, event, into);
  const aside = {
    phoneNumberId,
    identities: [conversation?.phone_number, conversation?.business_scoped_user_id],
    name: conversation?.kapso?.contact_name || conversation?.contact_name,
    username: conversation?.username,
    isGroup: conversation?.is_group === true || conversation?.type === "group",
  };
  // As it came: the parsed one lacks what had another type than expected.
  addMessage(original(raw), aside, into);
}

/** The body decides wherever it says something: the header that names the event is not signed. */
function isOutbound({ from, to, kapso }: KapsoEvent["message"], event: string): boolean {
  if (kapso?.direction === "inbound" || kapso?.direction === "outbound")
    return kapso.direction === "outbound";
  if (kapso?.statuses && kapso.statuses.length > 0) return true;
  if (!from && to) return true;
  return event !== "" && event !== RECEIVED;
}

/** Some deliveries come without `statuses`; then the message's own state has to do. */
function readKapsoStatuses(message: KapsoEvent["message"], event: string, into: Collected): void {
  const { id, kapso, timestamp, biz_opaque_callback_data: trackingId } = message;
  const aside = { wamid: id ?? undefined, trackingId: trackingId ?? undefined };
  const told = (kapso?.statuses ?? []).flatMap((raw) => readStatus(raw, aside) ?? []);
  if (told.length > 0) return void into.statuses.push(...told);
  const own =
    readStatus({ status: kapso?.status, timestamp }, aside) ??
    readStatus({ status: event.split(".").at(-1), timestamp }, aside);
  if (own) into.statuses.push(own);
  else into.ignored.push(event || "a message of ours");
}

function original(event: unknown): unknown {
  return typeof event === "object" && event !== null && "message" in event ? event.message : undefined;
}

function changesOf(entry: unknown): readonly unknown[] {
  return metaEntry.safeParse(entry).data?.changes ?? [];
}

function readMeta(raw: unknown, phoneNumberId: string, into: Collected): void {
  const parsed = metaChange.safeParse(raw);
  if (!parsed.success) return void into.ignored.push("unknown shape");
  const { field, value } = parsed.data;
  // Other fields carry echoes of what the owner typed, history and account news: never somebody's question.
  if (field && field !== "messages") return void into.ignored.push(field);
  if ((value.metadata?.phone_number_id ?? phoneNumberId) !== phoneNumberId)
    return void into.ignored.push("another number's");
  const ownPhone = value.metadata?.display_phone_number;
  const contacts = new Contacts(value.contacts ?? []);
  for (const message of value.messages ?? [])
    addMessage(message, { phoneNumberId, ownPhone, ...contacts.of(message) }, into);
  for (const status of value.statuses ?? []) {
    const read = readStatus(status);
    if (read) into.statuses.push(read);
    else into.ignored.push("unknown status");
  }
}

/** The people that a body of Meta tells of, beside its messages. */
class Contacts {
  readonly #byId = new Map<string, MetaContact>();
  readonly #only: MetaContact | undefined;

  constructor(contacts: readonly MetaContact[]) {
    if (contacts.length === 1) this.#only = contacts[0];
    for (const contact of contacts)
      for (const known of [contact.wa_id, contact.user_id])
        if (known && !this.#byId.has(known)) this.#byId.set(known, contact);
  }

  /** Who wrote a message: by its ids, or the only one when the message names nobody. */
  of(message: unknown): Pick<Aside, "identities" | "name" | "username"> {
    const { from, from_user_id: userId } = sender.parse(message);
    const contact =
      from || userId ? (this.#byId.get(from ?? "") ?? this.#byId.get(userId ?? "")) : this.#only;
    const { name, username } = contact?.profile ?? {};
    return { identities: [contact?.wa_id, contact?.user_id], name, username };
  }
}

function addMessage(raw: unknown, aside: Aside, into: Collected): void {
  const read = readInbound(raw, aside);
  if (read === undefined) into.ignored.push("no message of a person");
  else if ("message" in read) into.messages.push(read.message);
  else into.malformed.push(read.malformed);
}
