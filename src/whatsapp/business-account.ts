import { z } from "zod";
import { CloudApi } from "./client.ts";
import { ApiError, type ApiConnection } from "./connection.ts";
import { text } from "./inbound.ts";
import { MetaAccount } from "./meta-account.ts";

const page = z.looseObject({
  data: z.array(z.unknown()),
  paging: z
    .looseObject({ cursors: z.looseObject({ after: text }).nullish(), next: text })
    .nullish()
    .catch(undefined),
});

const component = z.looseObject({
  type: text,
  format: text,
  text,
  buttons: z
    .array(z.looseObject({ type: text, text, url: text }).catch({}))
    .nullish()
    .catch(undefined),
});
const template = z.looseObject({
  name: z.string(),
  language: text,
  status: text,
  category: text,
  components: z.array(component.catch({})).nullish().catch(undefined),
});
const number = z.looseObject({
  id: z.union([z.string(), z.number()]).transform(String),
  display_phone_number: text,
  verified_name: text,
  quality_rating: text,
  status: text,
  code_verification_status: text,
});
/** https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/phone-numbers */
export type AccountNumber = z.output<typeof number>;

/** A message that may be sent outside the 24-hour window. */
export interface Template {
  readonly name: string;
  readonly language: string | undefined;
  /** Meta's word: APPROVED, PENDING, REJECTED, PAUSED, … */
  readonly status: string | undefined;
  readonly category: string | undefined;
  /** What has to be given, such as `body.1`, `body.name`, `header.image`, `button.0.1`. */
  readonly parameters: readonly string[];
}

const MAX_PAGES = 20;

/** Templates of the account that our number belongs to. Rows that can not be read are left out. @throws ApiError */
export async function listTemplates(
  connection: ApiConnection,
  signal: AbortSignal,
): Promise<readonly Template[]> {
  const rows = await listAll(connection, "message_templates", signal);
  return rows.flatMap((row) => {
    const found = template.safeParse(row).data;
    if (!found) return [];
    const { name, language, status, category, components } = found;
    const parameters = (components ?? []).flatMap(parametersOf);
    return [
      {
        name,
        language: language ?? undefined,
        status: status ?? undefined,
        category: category ?? undefined,
        parameters,
      },
    ];
  });
}

/** Numbers of the same account. @throws ApiError */
export async function listNumbers(
  connection: ApiConnection,
  signal: AbortSignal,
): Promise<readonly AccountNumber[]> {
  const rows = await listAll(connection, "phone_numbers", signal);
  return rows.flatMap((row) => number.safeParse(row).data ?? []);
}

async function listAll(connection: ApiConnection, edge: string, signal: AbortSignal): Promise<unknown[]> {
  const account = encodeURIComponent(await findAccount(connection, signal));
  const rows: unknown[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const search = new URLSearchParams({ limit: "100", ...(after !== undefined && { after }) });
    const path = connection.graphPath(`${account}/${edge}?${search.toString()}`);
    const found = page.safeParse(await connection.call({ path, maxBytes: 16_777_216 }, signal));
    if (!found.success)
      throw new ApiError({ kind: "unknown", error: `The list of ${edge} has an unknown shape` });
    const { data, paging } = found.data;
    rows.push(...data);
    const next = paging?.cursors?.after;
    // Meta gives a cursor on the last page too, but no address of a next one.
    if (!next || !paging?.next || data.length === 0 || next === after) break;
    after = next;
  }
  return rows;
}

/** The WhatsApp Business Account of our number. */
async function findAccount(connection: ApiConnection, signal: AbortSignal): Promise<string> {
  const found =
    connection.provider === "kapso"
      ? (await new CloudApi(connection).number(signal)).business_account_id
      : (await new MetaAccount(connection).health(signal)).entities?.find(
          ({ entity_type: type }) => type === "WABA",
        )?.id;
  if (found) return found;
  throw new ApiError(
    { kind: "refused", error: "The provider does not tell which business account the number belongs to" },
    { hint: "wa-cli preflight checks the number" },
  );
}

function parametersOf({ type, format, text: body, buttons }: z.output<typeof component>): string[] {
  const part = (type ?? "").toLowerCase();
  const isFile = part === "header" && format && format !== "TEXT";
  return [
    ...(isFile ? [`header.${format.toLowerCase()}`] : []),
    ...namesIn(body).map((name) => `${part}.${name}`),
    ...(buttons ?? []).flatMap(({ url }, index) => namesIn(url).map((name) => `button.${index}.${name}`)),
  ];
}

/** `{{1}}`, or `{{first_name}}`. */
function namesIn(pattern: string | null | undefined): string[] {
  return [...new Set([...(pattern ?? "").matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, name = ""]) => name))];
}
