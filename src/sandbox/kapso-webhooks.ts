/** A webhook as the platform API keeps it. */
export interface StandInWebhook {
  readonly id: string;
  url: string;
  secret_key: string;
  kind: string;
  events: readonly string[];
  active: boolean;
  payload_version: string;
}

interface Asked {
  readonly method: string;
  /** Of one webhook; without it all are meant. */
  readonly id: string | undefined;
  readonly body: unknown;
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
}

let made = 0;

/** The part of the platform API that is about a number's webhooks. */
export function answerWebhooks(webhooks: StandInWebhook[], { method, id, body }: Asked): Answered {
  const fields = readFields(body);
  if (id === undefined) {
    if (method === "GET") return { status: 200, body: { data: webhooks } };
    if (
      typeof fields["url"] !== "string" ||
      typeof fields["secret_key"] !== "string" ||
      fields["secret_key"] === ""
    )
      return { status: 422, body: { error: "Url and secret key can't be blank" } };
    const webhook: StandInWebhook = {
      id: `wh-${++made}`,
      url: fields["url"],
      secret_key: fields["secret_key"],
      kind: "kapso",
      events: [],
      active: true,
      payload_version: "v1",
    };
    webhooks.push(Object.assign(webhook, fields));
    return { status: 201, body: { data: webhook } };
  }
  const index = webhooks.findIndex((webhook) => webhook.id === id);
  const found = webhooks[index];
  if (!found) return { status: 404, body: { error: "Webhook not found" } };
  if (method === "DELETE") webhooks.splice(index, 1);
  else if (method === "PATCH") Object.assign(found, fields);
  return method === "DELETE" ? { status: 204, body: {} } : { status: 200, body: { data: found } };
}

function readFields(body: unknown): Record<string, unknown> {
  const given =
    typeof body === "object" && body !== null && "whatsapp_webhook" in body ? body.whatsapp_webhook : {};
  return typeof given === "object" && given !== null ? { ...given } : {};
}
