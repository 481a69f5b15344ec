import { z } from "zod";
import type { Identity, Inbound } from "../message.ts";
import { isBsuid, parsePhone } from "../phone.ts";
import type { Malformed } from "../pipeline/receive.ts";
import { readContent } from "./content.ts";

/** A text field that may be absent, null or of another type. */
export const text = z.string().nullish().catch(undefined);

/** The fields that a message has wherever it comes from: Kapso's list, Kapso's webhook, Meta's webhook. */
export const messageRow = z.looseObject({
  id: z.string().min(1).max(1024),
  timestamp: z.union([z.string(), z.number()]),
  type: z.string().min(1).max(100),
  from: text,
  to: text,
  from_user_id: text,
  to_user_id: text,
  group_id: text,
  text: z.looseObject({ body: text }).nullish().catch(undefined),
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
  readonly isGroup?: boolean;
}

export type Read = { readonly message: Inbound } | { readonly malformed: Malformed };

/** A message that somebody sent to our number; `undefined` for our own and for what has no sender. */
export function readInbound(raw: unknown, aside: Aside): Read | undefined {
  const fault = (reason: string) => ({ malformed: { raw: asJson(raw), reason } });
  const parsed = messageRow.safeParse(raw);
  if (!parsed.success)
    return fault(`${parsed.error.issues[0]?.path.join(".") ?? ""}: ${parsed.error.issues[0]?.message}`);
  const row = parsed.data;
  if (row.kapso?.direction === "outbound") return undefined;
  const sentAt = readTimestamp(row.timestamp);
  if (sentAt === undefined) return fault("timestamp: no seconds since 1970");
  const { identities = [], phoneNumberId } = aside;
  const from = readIdentity([row.from, row.from_user_id, ...identities, row.kapso?.phone_number]);
  // Meta's notes on an account ("changed number") name nobody who wrote.
  if (!from && row.type === "system") return undefined;
  if (!from) return fault("from: neither a phone number nor a user id");
  const content = readContent(row.type, raw);
  if (!content) return fault("text: has no body");
  const name = aside.name || row.kapso?.contact_name;
  return {
    message: {
      ...content,
      ...passive(row, aside),
      wamid: row.id,
      phoneNumberId,
      from,
      ...(name && { name }),
      kind: row.type,
      sentAt,
    },
  };
}

function passive(row: MessageRow, { isGroup }: Aside): Pick<Inbound, "passive"> {
  if (row.kapso?.origin === "history_sync") return { passive: "history" };
  // Answering a group message would write to its author alone.
  if (row.group_id || isGroup) return { passive: "group" };
  return {};
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
