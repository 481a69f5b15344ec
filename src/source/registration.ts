import { createHash } from "node:crypto";
import { z } from "zod";
import { WEBHOOK_EVENTS, type KapsoWebhook, type KapsoWebhooks } from "../whatsapp/kapso-webhooks.ts";

/** Where our registration is remembered. */
export interface Facts {
  get(name: string): { readonly value: string } | undefined;
  set(name: string, value: string, now: number): Promise<void>;
}

/** The webhook that is ours at Kapso. */
export interface Ours {
  readonly id: string;
  /** Tells whether the secret that it has is still the one we use. */
  readonly secretHash: string;
}

export interface Registered {
  readonly id: string;
  readonly done: "created" | "moved" | "enabled" | "updated" | "unchanged";
  /** Others of this number that deliver to the same address. */
  readonly twins: number;
}

const FACT = "webhook-registration";
const ours = z.object({ id: z.string(), secretHash: z.string() });

/** Undefined when we registered none. */
export function knownRegistration(facts: Facts): Ours | undefined {
  const fact = facts.get(FACT);
  if (!fact || fact.value === "") return undefined;
  return ours.safeParse(JSON.parse(fact.value)).data;
}

export async function forgetRegistration(facts: Facts, now: number): Promise<void> {
  await facts.set(FACT, "", now);
}

/**
 * Sees to it that Kapso delivers to `url`: the webhook that we registered before is moved and switched on again, one that
 * already points here is taken over, otherwise one is made. Nobody else's webhook is touched.
 * @throws ApiError
 */
export async function register(
  { webhooks, facts, now }: { readonly webhooks: KapsoWebhooks; readonly facts: Facts; readonly now: number },
  { url, secret }: { readonly url: string; readonly secret: string },
  signal: AbortSignal,
): Promise<Registered> {
  const known = knownRegistration(facts);
  const secretHash = createHash("sha256").update(secret).digest("hex");
  const all = await webhooks.list(signal);
  // One that sends Meta's own bodies was made for something else, and what it is can not be changed.
  const here = all.filter((webhook) => webhook.url === url && webhook.kind !== "meta");
  const found = all.find(({ id }) => id === known?.id) ?? here[0];
  const remember = async (id: string) => facts.set(FACT, JSON.stringify({ id, secretHash }), now);
  if (!found) {
    const made = await webhooks.create({ url, secret }, signal);
    await remember(made.id);
    return { id: made.id, done: "created", twins: 0 };
  }
  const isKnownSecret =
    found.secret_key === undefined || found.secret_key === null
      ? known?.id === found.id && known.secretHash === secretHash
      : found.secret_key === secret;
  const done = whatIsWrong(found, url, isKnownSecret);
  if (done !== "unchanged") await webhooks.update(found.id, { url, secret }, signal);
  if (done !== "unchanged" || known?.id !== found.id) await remember(found.id);
  return { id: found.id, done, twins: here.filter(({ id }) => id !== found.id).length };
}

function whatIsWrong(found: KapsoWebhook, url: string, isKnownSecret: boolean): Registered["done"] {
  if (found.url !== url) return "moved";
  // Kapso pauses a webhook that fails often, and leaves it so.
  if (found.active === false) return "enabled";
  const hasEvents = WEBHOOK_EVENTS.every((event) => found.events?.includes(event));
  const isV2 = (found.payload_version ?? "v2") === "v2";
  return isKnownSecret && hasEvents && isV2 ? "unchanged" : "updated";
}
