import type { Config } from "../src/config/config.ts";
import { RelayError } from "../src/errors.ts";
import { judge, knownRegistration } from "../src/source/registration.ts";
import type { Store } from "../src/store/store.ts";
import { readWebhookSecrets } from "../src/store/webhook-secret.ts";
import { showUrl } from "../src/url.ts";
import { CloudApi, type KapsoNumber } from "../src/whatsapp/client.ts";
import type { ApiConnection } from "../src/whatsapp/connection.ts";
import { KapsoWebhooks } from "../src/whatsapp/kapso-webhooks.ts";
import { attempt, type Check } from "./check.ts";

/** What Kapso says of the key and of the number. */
export async function* checkKapso(connection: ApiConnection, signal: AbortSignal): AsyncGenerator<Check> {
  const api = new CloudApi(connection);
  yield await attempt("number", async () => describeNumber(await api.number(signal)));
  yield await attempt("listing", async () => {
    await api.list({ direction: "inbound", since: Date.now() - 60_000 }, signal);
    return "the key may read messages";
  });
}

export interface RegistrationParts {
  readonly config: Config;
  readonly connection: ApiConnection;
  readonly store: Pick<Store, "facts">;
}

/** Whether Kapso delivers to our public address. */
export async function checkRegistration(
  { config, connection, store }: RegistrationParts,
  url: string,
  signal: AbortSignal,
): Promise<Check> {
  const { ours: secret = "" } = readWebhookSecrets(config.state.dir, config.webhook);
  return attempt("register", async () => {
    const all = await new KapsoWebhooks(connection).list(signal);
    return describeRegistration(judge(all, knownRegistration(store.facts), { url, secret }));
  });
}

function describeNumber(number: KapsoNumber): string {
  if (number.inbound_processing_enabled === false)
    throw new RelayError("Kapso does not process inbound messages of this number", {
      hint: "turn it on in the Kapso dashboard",
    });
  if (number.status && number.status !== "CONNECTED")
    throw new RelayError(`The number is ${number.status}`, { hint: "connect it in the Kapso dashboard" });
  return number.display_phone_number ?? "known to Kapso";
}

function describeRegistration({ found, needs }: ReturnType<typeof judge>): string {
  const id = found?.id ?? "?";
  if (needs === "unchanged") return `webhook ${id} is active at Kapso`;
  const messages = {
    created: "No webhook of ours is registered with Kapso",
    moved: `Webhook ${id} delivers to another address: ${found?.url ? showUrl(found.url) : "?"}`,
    enabled: `Kapso has paused webhook ${id}`,
    updated: `Webhook ${id} has other events, another payload version or another secret than it needs`,
  };
  throw new RelayError(messages[needs], { hint: "wa-cli webhook register, or start wa-poller" });
}
