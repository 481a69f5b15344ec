import { z } from "zod";
import { withDeadline } from "../../src/deadline.ts";
import type { Identity } from "../../src/message.ts";
import { parsePhone } from "../../src/phone.ts";
import { WINDOW_MS } from "../../src/pipeline/window.ts";
import type { Store } from "../../src/store/store.ts";
import type { CloudApi } from "../../src/whatsapp/client.ts";
import type { ApiConnection } from "../../src/whatsapp/connection.ts";
import { findLastInbound } from "../../src/whatsapp/last-inbound.ts";

/** Nobody waits longer for what is good to know. */
const ASK_MS = 3000;

const shownNumber = z.looseObject({ display_phone_number: z.string() });
const numberAnswer = z.union([
  z.looseObject({ data: shownNumber }).transform(({ data }) => data),
  shownNumber,
]);

/** Our own number in digits, asked for once and remembered; undefined when the provider does not tell. */
export async function learnOwnPhone(
  store: Store,
  { api, connection }: { readonly api: CloudApi; readonly connection: ApiConnection },
  signal: AbortSignal,
): Promise<string | undefined> {
  const fact = ownNumberFact(connection.phoneNumberId);
  const known = store.facts.get(fact);
  if (known) return known.value;
  const path = `${connection.graphPath(connection.phoneNumberId)}?fields=display_phone_number`;
  const asked = withDeadline(ASK_MS, signal, async (limit) =>
    connection.provider === "kapso" ? api.number(limit) : connection.call({ path }, limit),
  );
  // WhatsApp refuses such a send as well; here it is only refused sooner.
  const answer = numberAnswer.safeParse(await asked.catch(() => undefined));
  const phone = parsePhone(answer.data?.display_phone_number ?? "");
  if (phone !== undefined) await store.facts.set(fact, phone, Date.now());
  return phone;
}

export function ownNumberFact(phoneNumberId: string): string {
  return `own-number.${phoneNumberId}`;
}

/** When the person last wrote, by Kapso's own list: no daemon may have run here. */
export async function askLastInbound(
  person: Identity,
  { api, connection }: { readonly api: CloudApi; readonly connection: ApiConnection },
  signal: AbortSignal,
): Promise<number | undefined> {
  if (connection.provider !== "kapso") return undefined;
  const { phoneNumberId } = connection;
  const found = withDeadline(ASK_MS, signal, async (limit) =>
    findLastInbound(api, { person, phoneNumberId, since: Date.now() - WINDOW_MS }, limit),
  );
  return found.catch(() => undefined);
}
