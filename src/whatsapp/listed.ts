import { z } from "zod";
import type { Identity } from "../message.ts";
import { messageRow, readIdentity, text } from "./inbound.ts";

/** A page of `GET /{phone_number_id}/messages`. Rows are read one by one, so that a bad one spoils only itself. */
export const listPage = z.looseObject({
  data: z.array(z.unknown()),
  paging: z
    .looseObject({ cursors: z.looseObject({ after: text }).nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
});

/** One of our own messages in the list, as far as it is needed to recognise it. */
export interface ListedText {
  readonly wamid: string;
  readonly to: Identity;
  readonly text: string;
}

/** Undefined for what is no text of ours. */
export function readSentText(raw: unknown): ListedText | undefined {
  const parsed = messageRow.safeParse(raw);
  if (!parsed.success || parsed.data.type !== "text") return undefined;
  const { id, to, to_user_id: toUserId, text: body, kapso } = parsed.data;
  if (kapso?.direction === "inbound") return undefined;
  const person = readIdentity([to, toUserId, kapso?.phone_number]);
  return person && typeof body?.body === "string" ? { wamid: id, to: person, text: body.body } : undefined;
}
