import { z } from "zod";
import type { Content, IdentityChange } from "../content.ts";
import { isBsuid, isSamePhone, parsePhone } from "../phone.ts";
import { cut, fieldOf, words } from "./fields.ts";

const system = z
  .object({
    type: words,
    body: words,
    /** The new number; `new_wa_id` in older versions. */
    wa_id: words,
    new_wa_id: words,
    /** The old number, in older versions. */
    customer: words,
    user_id: words,
    previous_user_id: words,
  })
  .catch({});
type System = z.output<typeof system>;

const NEW_NUMBER = new Set(["user_changed_number", "customer_changed_number"]);
const MAX_EVENT_CHARS = 100;
const NEW_USER_ID = "user_changed_user_id";

/** WhatsApp's word on a person's account: another number, another user id, another phone with the same ones. */
export function readSystem(message: unknown): Content {
  const news = system.parse(fieldOf(message, "system"));
  const event = cut(news.type ?? "unknown", MAX_EVENT_CHARS);
  const change = readChange(event, news, words.parse(fieldOf(message, "from")));
  return { type: "system", event, ...(news.body && { text: news.body }), ...(change && { change }) };
}

/** The text says it too, but a name in it is its owner's choice. Undefined when nobody is known by anything new. */
function readChange(event: string, news: System, from: string | undefined): IdentityChange | undefined {
  const newPhone = NEW_NUMBER.has(event) ? parsePhone(news.wa_id ?? news.new_wa_id ?? "") : undefined;
  const oldPhone = [news.customer, from]
    .map((number) => parsePhone(number ?? ""))
    .find((number) => number !== undefined && newPhone !== undefined && !isSamePhone(number, newPhone));
  const oldBsuid = asBsuid(news.previous_user_id);
  const newBsuid = asBsuid(news.user_id);
  const isNewId =
    newBsuid !== undefined && newBsuid !== oldBsuid && (oldBsuid !== undefined || event === NEW_USER_ID);
  if (newPhone === undefined && !isNewId) return undefined;
  return {
    ...(oldPhone && { oldPhone }),
    ...(newPhone && { newPhone }),
    ...(oldBsuid && { oldBsuid }),
    ...(newBsuid && { newBsuid }),
  };
}

function asBsuid(text: string | undefined): string | undefined {
  return text !== undefined && isBsuid(text) ? text : undefined;
}
