import { z } from "zod";
import { withDeadline } from "../deadline.ts";
import { parsePhone } from "../phone.ts";
import type { CloudApi } from "./client.ts";
import type { ApiConnection } from "./connection.ts";

/** Nobody waits longer for what is good to know. */
const ASK_MS = 3000;

/** Where it is remembered. */
interface Facts {
  get(key: string): { readonly value: string } | undefined;
  set(key: string, value: string, now: number): Promise<void>;
}

const shownNumber = z.looseObject({ display_phone_number: z.string() });
const numberAnswer = z.union([
  z.looseObject({ data: shownNumber }).transform(({ data }) => data),
  shownNumber,
]);

/** Our own number in digits, asked for once and remembered; undefined when the provider does not tell. */
export async function learnOwnPhone(
  facts: Facts,
  { api, connection }: { readonly api: CloudApi; readonly connection: ApiConnection },
  signal: AbortSignal,
): Promise<string | undefined> {
  const known = knownOwnPhone(facts, connection);
  if (known !== undefined) return known;
  const path = `${connection.graphPath(connection.phoneNumberId)}?fields=display_phone_number`;
  const asked = withDeadline(ASK_MS, signal, async (limit) =>
    connection.provider === "kapso" ? api.number(limit) : connection.call({ path }, limit),
  );
  // WhatsApp refuses such a send as well; here it is only refused sooner.
  const answer = numberAnswer.safeParse(await asked.catch(() => undefined));
  const phone = parsePhone(answer.data?.display_phone_number ?? "");
  if (phone !== undefined) await facts.set(factOf(connection), phone, connection.clock.now());
  return phone;
}

/** Our own number, if it was learnt before. */
export function knownOwnPhone(
  facts: Pick<Facts, "get">,
  account: Pick<ApiConnection, "phoneNumberId">,
): string | undefined {
  return facts.get(factOf(account))?.value;
}

function factOf({ phoneNumberId }: Pick<ApiConnection, "phoneNumberId">): string {
  return `own-number.${phoneNumberId}`;
}
