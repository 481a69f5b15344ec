import { z } from "zod";
import type { Content, IdentityChange } from "../content.ts";
import type { Identity, Inbound } from "../message.ts";
import { isBsuid, isSamePhone, parsePhone } from "../phone.ts";
import type { Malformed } from "../pipeline/receive.ts";
import { readContent } from "./content.ts";
import { cut } from "./fields.ts";

/** A text field that may be absent, null or of another type. */
export const text = z.string().nullish().catch(undefined);

const flag = z.boolean().nullish().catch(undefined);
const MAX_NAME_CHARS = 256;
const MAX_AD_CHARS = 1000;
const MAX_WAMID_CHARS = 1024;

/** The fields that a message has wherever it comes from: Kapso's list, Kapso's webhook, Meta's webhook. */
export const messageRow = z.looseObject({
  id: z.string().min(1).max(MAX_WAMID_CHARS),
  timestamp: z.union([z.string(), z.number()]),
  type: z.string().min(1).max(100),
  from: text,
  to: text,
  from_user_id: text,
  to_user_id: text,
  username: text,
  group_id: text,
  context: z
    .looseObject({ id: text, forwarded: flag, frequently_forwarded: flag })
    .nullish()
    .catch(undefined),
  referral: z.looseObject({ headline: text, body: text, source_url: text }).nullish().catch(undefined),
  kapso: z
    .looseObject({ direction: text, origin: text, phone_number: text, contact_name: text })
    .nullish()
    .catch(undefined),
});
type MessageRow = z.output<typeof messageRow>;

/** What stands beside the message in a webhook. */
export interface Aside {
  readonly phoneNumberId: string;
  /** More places where the sender's number or user id may be. */
  readonly identities?: readonly (string | null | undefined)[];
  readonly name?: string | null | undefined;
  readonly username?: string | null | undefined;
  readonly isGroup?: boolean;
  /** Our own number, if the provider tells: what comes from it is no person's. */
  readonly ownPhone?: string | null | undefined;
}

export type Read = { readonly message: Inbound } | { readonly malformed: Malformed };

/** A message that somebody sent to our number; `undefined` for our own and for what has no sender. */
export function readInbound(raw: unknown, aside: Aside): Read | undefined {
  const fault = (reason: string) => ({ malformed: { raw: asJson(raw), reason } });
  const parsed = messageRow.safeParse(raw);
  if (!parsed.success)
    return fault(`${parsed.error.issues[0]?.path.join(".") ?? ""}: ${parsed.error.issues[0]?.message}`);
  const row = parsed.data;
  if (isOurs(row, aside)) return undefined;
  const sentAt = readTimestamp(row.timestamp);
  if (sentAt === undefined) return fault("timestamp: no seconds since 1970");
  const content = readContent(row.type, raw);
  if (!content) return fault("text: has no body");
  const from = readIdentity([
    row.from,
    row.from_user_id,
    ...(aside.identities ?? []),
    row.kapso?.phone_number,
    ...(content.type === "system" ? knownAs(content.change) : []),
  ]);
  // WhatsApp's word on an account of which it says nothing more.
  if (!from && content.type === "system") return undefined;
  if (!from) return fault("from: neither a phone number nor a user id");
  const name = aside.name || row.kapso?.contact_name;
  const username = aside.username || row.username;
  return {
    message: {
      wamid: row.id,
      phoneNumberId: aside.phoneNumberId,
      from,
      ...(name && { name: cut(name, MAX_NAME_CHARS) }),
      ...(username && { username: cut(username, MAX_NAME_CHARS) }),
      content,
      ...readContext(row),
      ...passive(row, content, aside),
      sentAt,
    },
  };
}

/** Under the old ones they are known already. */
function knownAs({ oldPhone, oldBsuid, newPhone, newBsuid }: IdentityChange = {}): (string | undefined)[] {
  return [oldPhone ?? newPhone, oldBsuid ?? newBsuid];
}

/** What we sent, and what the owner of the number typed in WhatsApp's own app. */
function isOurs({ from, kapso }: MessageRow, { ownPhone }: Aside): boolean {
  if (kapso?.direction === "outbound") return true;
  const [sender, own] = [parsePhone(from ?? ""), parsePhone(ownPhone ?? "")];
  return sender !== undefined && own !== undefined && isSamePhone(sender, own);
}

function readContext({ context, referral }: MessageRow): Pick<Inbound, "quotes" | "forwarded" | "referral"> {
  const { headline, body, source_url: url } = referral ?? {};
  const isForwarded = context?.forwarded === true || context?.frequently_forwarded === true;
  const ad = {
    ...(headline && { headline: cut(headline, MAX_AD_CHARS) }),
    ...(body && { body: cut(body, MAX_AD_CHARS) }),
    ...(url && { url: cut(url, MAX_AD_CHARS) }),
  };
  return {
    ...(context?.id && { quotes: cut(context.id, MAX_WAMID_CHARS) }),
    ...(isForwarded && { forwarded: true }),
    ...(Object.keys(ad).length > 0 && { referral: ad }),
  };
}

function passive(row: MessageRow, content: Content, { isGroup }: Aside): Pick<Inbound, "passive"> {
  if (row.kapso?.origin === "history_sync") return { passive: "history" };
  // Answering a group message would write to its author alone.
  if (row.group_id || isGroup) return { passive: "group" };
  return content.type === "system" ? { passive: "system" } : {};
}

/** Fields are judged by their value: user ids were seen in `from`, and any of them may be absent. */
export function readIdentity(values: readonly (string | null | undefined)[]): Identity | undefined {
  const given = values.filter((value): value is string => typeof value === "string");
  const phone = given.map(parsePhone).find((digits) => digits !== undefined);
  const bsuid = given.find(isBsuid);
  if (phone === undefined && bsuid === undefined) return undefined;
  return { ...(phone !== undefined && { phone }), ...(bsuid !== undefined && { bsuid }) };
}

/** WhatsApp's seconds, mostly as a string, to milliseconds since 1970. */
export function readTimestamp(value: string | number): number | undefined {
  return /^\d{9,11}$/.test(String(value)) ? Number(value) * 1000 : undefined;
}

/** For the quarantine. */
export function asJson(raw: unknown): string {
  try {
    return JSON.stringify(raw) ?? "undefined";
  } catch {
    // Nested too deep to be written.
    return "(too deep)";
  }
}
