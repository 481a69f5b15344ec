import { z } from "zod";
import type { Identity, Inbound } from "../message.ts";
import { isBsuid, parsePhone } from "../phone.ts";
import type { Malformed } from "../pipeline/receive.ts";
import { readContent } from "./content.ts";

const text = z.string().nullish().catch(undefined);

/** A page of `GET /{phone_number_id}/messages`. Rows are read one by one, so that a bad one spoils only itself. */
export const listPage = z.looseObject({
  data: z.array(z.unknown()),
  paging: z
    .looseObject({ cursors: z.looseObject({ after: text }).nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
});

const row = z.looseObject({
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
type ListedRow = z.output<typeof row>;

/** A listed row as the message that it is; `undefined` for our own messages among them. */
export function readInbound(
  raw: unknown,
  phoneNumberId: string,
): { readonly message: Inbound } | { readonly malformed: Malformed } | undefined {
  const fault = (reason: string) => ({ malformed: { raw: JSON.stringify(raw) ?? "undefined", reason } });
  const parsed = row.safeParse(raw);
  if (!parsed.success)
    return fault(`${parsed.error.issues[0]?.path.join(".") ?? ""}: ${parsed.error.issues[0]?.message}`);
  const listed = parsed.data;
  if (listed.kapso?.direction === "outbound") return undefined;
  const sentAt = readTimestamp(listed.timestamp);
  if (sentAt === undefined) return fault("timestamp: no seconds since 1970");
  const from = readIdentity([listed.from, listed.from_user_id, listed.kapso?.phone_number]);
  if (!from) return fault("from: neither a phone number nor a user id");
  const content = readContent(listed.type, raw);
  if (!content) return fault("text: has no body");
  return {
    message: {
      ...content,
      ...passive(listed),
      wamid: listed.id,
      phoneNumberId,
      from,
      ...name(listed),
      kind: listed.type,
      sentAt,
    },
  };
}

/** One of our own messages in the list, as far as it is needed to recognise it. */
export interface ListedText {
  readonly wamid: string;
  readonly to: Identity;
  readonly text: string;
}

/** Undefined for what is no text of ours. */
export function readSentText(raw: unknown): ListedText | undefined {
  const parsed = row.safeParse(raw);
  if (!parsed.success || parsed.data.type !== "text") return undefined;
  const { id, to, to_user_id: toUserId, text: body, kapso } = parsed.data;
  if (kapso?.direction === "inbound") return undefined;
  const person = readIdentity([to, toUserId, kapso?.phone_number]);
  return person && typeof body?.body === "string" ? { wamid: id, to: person, text: body.body } : undefined;
}

function passive(listed: ListedRow): Pick<Inbound, "passive"> {
  if (listed.kapso?.origin === "history_sync") return { passive: "history" };
  // Answering a group message would write to its author alone.
  if (listed.group_id) return { passive: "group" };
  return {};
}

function name({ kapso }: ListedRow): Pick<Inbound, "name"> {
  return kapso?.contact_name ? { name: kapso.contact_name } : {};
}

/** Fields are judged by their value: user ids were seen in `from`, and any of them may be absent. */
function readIdentity(values: readonly (string | null | undefined)[]): Identity | undefined {
  const given = values.filter((value): value is string => typeof value === "string");
  const phone = given.map(parsePhone).find((digits) => digits !== undefined);
  const bsuid = given.find(isBsuid);
  if (phone === undefined && bsuid === undefined) return undefined;
  return { ...(phone !== undefined && { phone }), ...(bsuid !== undefined && { bsuid }) };
}

function readTimestamp(value: string | number): number | undefined {
  return /^\d{9,11}$/.test(String(value)) ? Number(value) * 1000 : undefined;
}
