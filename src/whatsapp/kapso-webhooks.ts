import { z } from "zod";
import { ApiError, type ApiConnection } from "./connection.ts";
import { text } from "./inbound.ts";

/** What we want to hear of. */
export const WEBHOOK_EVENTS: readonly string[] = ["received", "sent", "delivered", "read", "failed"].map(
  (event) => `whatsapp.message.${event}`,
);

const webhook = z.looseObject({
  id: z.union([z.string(), z.number()]).transform(String),
  url: text,
  kind: text,
  events: z.array(z.string()).nullish().catch(undefined),
  active: z.boolean().nullish().catch(undefined),
  payload_version: text,
  secret_key: text,
});
export type KapsoWebhook = z.output<typeof webhook>;

const one = z.looseObject({ data: webhook });
const many = z.looseObject({ data: z.array(z.unknown()) });

/** The fields that we set. */
export interface WebhookFields {
  readonly url: string;
  readonly secret: string;
}

/**
 * The webhooks of our number in Kapso's platform API.
 * https://docs.kapso.ai/api/platform/v1/whatsapp-webhooks
 */
export class KapsoWebhooks {
  readonly #connection: ApiConnection;

  constructor(connection: ApiConnection) {
    this.#connection = connection;
  }

  /** Everybody's, not only ours. @throws ApiError */
  async list(signal: AbortSignal): Promise<readonly KapsoWebhook[]> {
    const found = many.safeParse(await this.#connection.call({ path: this.#path() }, signal));
    if (!found.success) throw unknownShape();
    // One that is odd must not hide the others.
    return found.data.data.flatMap((row) => webhook.safeParse(row).data ?? []);
  }

  /** @throws ApiError */
  async create(fields: WebhookFields, signal: AbortSignal): Promise<KapsoWebhook> {
    const body = { whatsapp_webhook: { kind: "kapso", ...written(fields) } };
    const made = one.safeParse(await this.#connection.call({ path: this.#path(), body }, signal));
    if (!made.success) throw unknownShape();
    return made.data.data;
  }

  /** Points it to the address, with all that we need of it and the events that it had, and switches it on. @throws ApiError */
  async update({ id, events }: KapsoWebhook, fields: WebhookFields, signal: AbortSignal): Promise<void> {
    const body = { whatsapp_webhook: written(fields, events ?? []) };
    await this.#connection.call({ path: this.#path(id), method: "PATCH", body }, signal);
  }

  /** @throws ApiError */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    await this.#connection.call({ path: this.#path(id), method: "DELETE" }, signal);
  }

  #path(id?: string): string {
    const base = `/platform/v1/whatsapp/phone_numbers/${this.#connection.phoneNumberId}/webhooks`;
    return id === undefined ? base : `${base}/${encodeURIComponent(id)}`;
  }
}

function written({ url, secret }: WebhookFields, more: readonly string[] = []) {
  const events = [...new Set([...WEBHOOK_EVENTS, ...more])];
  return { url, secret_key: secret, events, active: true, payload_version: "v2" };
}

function unknownShape(): ApiError {
  return new ApiError({ kind: "unknown", error: "Kapso's list of webhooks has an unknown shape" });
}
