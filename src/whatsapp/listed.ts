import { z } from "zod";
import type { Identity } from "../message.ts";
import { messageRow, readIdentity, text } from "./inbound.ts";
import { markOf } from "./mark.ts";

/** A page of `GET /{phone_number_id}/messages`. Rows are read one by one, so that a bad one spoils only itself. */
export const listPage = z.looseObject({
  data: z.array(z.unknown()),
  paging: z
    .looseObject({ cursors: z.looseObject({ after: text }).nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
});

/** One of our own messages in the list, as far as it is needed to recognise it. */
export interface ListedSent {
  readonly wamid: string;
  readonly to: Identity;
  /** WhatsApp's word: text, image, audio, … */
  readonly type: string;
  /** Its text or caption, or what else tells it from others; undefined when it can not be read. */
  readonly text: string | undefined;
}

/** Undefined for what is no message of ours. */
export function readSent(raw: unknown): ListedSent | undefined {
  const parsed = messageRow.safeParse(raw);
  if (!parsed.success) return undefined;
  const { id, to, to_user_id: toUserId, type, kapso } = parsed.data;
  if (kapso?.direction === "inbound") return undefined;
  const person = readIdentity([to, toUserId, kapso?.phone_number]);
  return person && { wamid: id, to: person, type, text: markOf(type, parsed.data[type]) };
}
