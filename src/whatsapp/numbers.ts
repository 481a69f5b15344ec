import { z } from "zod";
import { ApiError, type ApiConnection } from "./connection.ts";
import { id } from "./fields.ts";
import { text } from "./inbound.ts";

/** A number that a key may use. */
export interface ListedNumber {
  readonly id: string;
  /** As people write it. */
  readonly phone: string | undefined;
  readonly name: string | undefined;
}

const MOST = 100;
const page = z.looseObject({ data: z.array(z.unknown()) });
const row = z.looseObject({
  id,
  phone_number_id: id,
  display_phone_number: text,
  verified_name: text,
  name: text,
});

/** The newest numbers of a Kapso project. https://docs.kapso.ai/api/platform/v1/phone-numbers/list-phone-numbers @throws ApiError */
export async function listKapsoNumbers(
  connection: ApiConnection,
  signal: AbortSignal,
): Promise<readonly ListedNumber[]> {
  const path = `/platform/v1/whatsapp/phone_numbers?per_page=${MOST}`;
  return readPage(await connection.call({ path }, signal), "check kapso.base_url (KAPSO_BASE_URL)");
}

/**
 * The numbers of a WhatsApp Business Account at Meta.
 * https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/phone_numbers
 * @throws ApiError
 */
export async function listMetaNumbers(
  connection: ApiConnection,
  account: string,
  signal: AbortSignal,
): Promise<readonly ListedNumber[]> {
  const node = `${encodeURIComponent(account)}/phone_numbers?fields=id,display_phone_number,verified_name&limit=${MOST}`;
  const path = connection.graphPath(node);
  return readPage(await connection.call({ path }, signal), "check meta.base_url (META_BASE_URL)");
}

function readPage(answer: unknown, hint: string): ListedNumber[] {
  const found = page.safeParse(answer);
  if (!found.success)
    throw new ApiError({ kind: "unknown", error: "The list of numbers has an unknown shape" }, { hint });
  return found.data.data.flatMap((one): ListedNumber[] => {
    const { data } = row.safeParse(one);
    // Kapso has an id of its own too, which its API takes nowhere.
    const known = data?.phone_number_id ?? data?.id;
    if (!data || !known || !/^\d+$/.test(known)) return [];
    return [
      {
        id: known,
        phone: data.display_phone_number ?? undefined,
        name: data.verified_name ?? data.name ?? undefined,
      },
    ];
  });
}
