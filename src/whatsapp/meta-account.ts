import { z } from "zod";
import { ApiError, type ApiConnection } from "./connection.ts";
import { id } from "./fields.ts";
import { text } from "./inbound.ts";

/** More is no date. */
const MAX_SECONDS = 8_640_000_000_000;

/** Seconds since 1970; 0 is never. */
const seconds = z.int().min(0).max(MAX_SECONDS).nullish().catch(undefined);
const ids = z
  .array(z.union([z.string(), z.number()]).transform(String))
  .nullish()
  .catch(undefined);
const list = <T extends z.ZodType>(row: T) => z.array(row).nullish().catch(undefined);

const token = z.looseObject({
  is_valid: z.boolean().nullish().catch(undefined),
  app_id: id,
  application: text,
  type: text,
  expires_at: seconds,
  data_access_expires_at: seconds,
  scopes: list(z.string()),
  granular_scopes: list(z.looseObject({ scope: text, target_ids: ids })),
  error: z.looseObject({ message: text }).nullish().catch(undefined),
});
/** https://developers.facebook.com/docs/graph-api/reference/debug_token */
export type MetaToken = z.output<typeof token>;

const number = z.looseObject({
  id,
  display_phone_number: text,
  verified_name: text,
  quality_rating: text,
  code_verification_status: text,
  name_status: text,
  platform_type: text,
  is_on_biz_app: z.boolean().nullish().catch(undefined),
});
/** https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/phone-numbers */
export type MetaNumber = z.output<typeof number>;

const fault = z.looseObject({ error_code: id, error_description: text, possible_solution: text });
const entity = z.looseObject({
  entity_type: text,
  id,
  can_send_message: text,
  errors: list(fault),
  additional_info: list(z.string()),
});
const health = z.looseObject({ can_send_message: text, entities: list(entity) });
/** https://developers.facebook.com/documentation/business-messaging/whatsapp/support/health-status */
export type MetaHealth = z.output<typeof health>;

const callbacks = z.looseObject({ phone_number: text, whatsapp_business_account: text, application: text });
/** Where webhooks go: the most particular address that is set. */
export type MetaCallbacks = z.output<typeof callbacks>;

const app = z.looseObject({ whatsapp_business_api_data: z.looseObject({ id, name: text }) });

const NUMBER_FIELDS = Object.keys(number.shape).filter((field) => field !== "id");

/** What Meta knows of our token, our number and the account that it belongs to. */
export class MetaAccount {
  readonly #connection: ApiConnection;

  constructor(connection: ApiConnection) {
    this.#connection = connection;
  }

  /** The token that is asked about may be the one that asks. Meta takes it in the query only. @throws ApiError */
  async token(accessToken: string, signal: AbortSignal): Promise<MetaToken> {
    const search = new URLSearchParams({ input_token: accessToken });
    const found = await this.#read(
      `debug_token?${search.toString()}`,
      z.looseObject({ data: token }),
      signal,
    );
    return found.data;
  }

  /** @throws ApiError */
  async number(signal: AbortSignal): Promise<MetaNumber> {
    try {
      return await this.#read(this.#fields(NUMBER_FIELDS), number, signal);
    } catch (error) {
      // Which fields there are changes from version to version; those without asking are always given.
      if (!(error instanceof ApiError) || error.failure.kind !== "refused") throw error;
      return this.#read(this.#connection.phoneNumberId, number, signal);
    }
  }

  /** Whether the number and all that it depends on may send. @throws ApiError */
  async health(signal: AbortSignal): Promise<MetaHealth> {
    const shape = z.looseObject({ health_status: health.nullish() });
    return (await this.#read(this.#fields(["health_status"]), shape, signal)).health_status ?? {};
  }

  /** @throws ApiError */
  async callbacks(signal: AbortSignal): Promise<MetaCallbacks> {
    const shape = z.looseObject({ webhook_configuration: callbacks.nullish().catch(undefined) });
    return (
      (await this.#read(this.#fields(["webhook_configuration"]), shape, signal)).webhook_configuration ?? {}
    );
  }

  /** Ids of the apps that get the account's webhooks. @throws ApiError */
  async apps(account: string, signal: AbortSignal): Promise<readonly string[]> {
    const shape = z.looseObject({ data: z.array(z.unknown()) });
    const { data } = await this.#read(`${encodeURIComponent(account)}/subscribed_apps`, shape, signal);
    return data.flatMap((row) => app.safeParse(row).data?.whatsapp_business_api_data.id ?? []);
  }

  /** Our app gets the account's webhooks from now on. @throws ApiError */
  async subscribe(account: string, signal: AbortSignal): Promise<void> {
    const path = this.#connection.graphPath(`${encodeURIComponent(account)}/subscribed_apps`);
    await this.#connection.call({ path, method: "POST" }, signal);
  }

  #fields(names: readonly string[]): string {
    return `${this.#connection.phoneNumberId}?fields=${names.join(",")}`;
  }

  async #read<T>(node: string, shape: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const found = shape.safeParse(
      await this.#connection.call({ path: this.#connection.graphPath(node) }, signal),
    );
    if (found.success) return found.data;
    throw new ApiError(
      { kind: "unknown", error: "The address does not answer like Meta's Graph API" },
      { hint: "check meta.base_url (META_BASE_URL)" },
    );
  }
}
