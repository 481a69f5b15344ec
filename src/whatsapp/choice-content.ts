import { z } from "zod";
import { MAX_TEXT_CHARS, type Content, type OrderItem } from "../content.ts";
import { amount, fieldOf, id, listOf, words } from "./fields.ts";

const MAX_ITEMS = 100;

const pressed = z.object({ id, title: words, description: words }).optional().catch(undefined);
const interactive = z
  .object({
    type: words,
    button_reply: pressed,
    list_reply: pressed,
    nfm_reply: z.object({ name: words, response_json: z.unknown().optional() }).optional().catch(undefined),
  })
  .catch({});
const kapsoAside = z
  .object({ flow_name: words, flow_response: z.unknown().optional(), order_text: words })
  .catch({});

/** The answer to buttons, a list or a form of ours; WhatsApp's word for it where it is another, or does not say. */
export function readInteractive(message: unknown): Content | string {
  const reply = interactive.parse(fieldOf(message, "interactive"));
  const kind = reply.type ?? "interactive";
  const choice = asChoice(reply.button_reply ?? reply.list_reply);
  if (choice) return choice;
  if (reply.nfm_reply || kind === "nfm_reply") return asForm(reply.nfm_reply, message);
  // A consent, and no question; nothing of ours asks for it.
  if (kind === "call_permission_reply") return { type: "unsupported", what: kind };
  return kind;
}

/** The button of a template; undefined when it does not say which. */
export function readTemplateButton(message: unknown): Content | undefined {
  const button = fieldOf(message, "button");
  return asChoice({
    id: id.parse(fieldOf(button, "payload")),
    title: words.parse(fieldOf(button, "text")),
  });
}

interface Pressed {
  readonly id?: string | undefined;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
}

function asChoice({ id: chosen, title = chosen, description }: Pressed = {}): Content | undefined {
  if (title === undefined) return undefined;
  return { type: "choice", ...(chosen && { id: chosen }), title, ...(description && { description }) };
}

function asForm(form: z.output<typeof interactive>["nfm_reply"], message: unknown): Content {
  const kapso = kapsoAside.parse(fieldOf(message, "kapso"));
  // Meta's name says only that it is a form.
  const name = kapso.flow_name ?? form?.name;
  const answers = asAnswers(form?.response_json) ?? asAnswers(kapso.flow_response);
  return { type: "form", ...(name && { name }), ...(answers && { answers }) };
}

/** JSON within JSON, if it is any; some write it without the second layer. */
function asAnswers(value: unknown): string | undefined {
  try {
    const answers: unknown = typeof value === "string" ? JSON.parse(value) : value;
    if (typeof answers !== "object" || answers === null || Object.keys(answers).length === 0)
      return undefined;
    const json = JSON.stringify(answers);
    return json.length <= MAX_TEXT_CHARS ? json : undefined;
  } catch {
    // No JSON, or nested too deep to be written.
    return undefined;
  }
}

const order = z.object({ catalog_id: id, text: words, product_items: listOf(MAX_ITEMS) });
const item = z
  .object({ product_retailer_id: id, quantity: amount, item_price: amount, currency: words })
  // What is in an order was put there at least once.
  .transform(
    ({ product_retailer_id: product = "", quantity = 1, item_price: price, currency }): OrderItem => {
      return { product, quantity, ...(price !== undefined && { price }), ...(currency && { currency }) };
    },
  );

export function readOrder(message: unknown): Content {
  const sent = order.safeParse(fieldOf(message, "order")).data;
  const text = sent?.text ?? kapsoAside.parse(fieldOf(message, "kapso")).order_text;
  return {
    type: "order",
    ...(sent?.catalog_id && { catalogId: sent.catalog_id }),
    ...(text && { text }),
    items: (sent?.product_items ?? []).flatMap((entry) => item.safeParse(entry).data ?? []),
  };
}
