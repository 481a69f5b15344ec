import { createHash } from "node:crypto";
import { z } from "zod";
import { WEBHOOK_EVENTS, type KapsoWebhook, type KapsoWebhooks } from "../whatsapp/kapso-webhooks.ts";

/** Where our registration is remembered. */
export interface Facts {
  read<T>(name: string, shape: z.ZodType<T>): T | undefined;
  set(name: string, value: string, now: number): Promise<void>;
  forget(names: readonly string[]): Promise<void>;
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
  return facts.read(FACT, ours);
}

export async function forgetRegistration(facts: Facts): Promise<void> {
  await facts.forget([FACT]);
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
  const all = await webhooks.list(signal);
  const { found, needs, twins } = judge(all, known, { url, secret });
  const remember = async (id: string) =>
    facts.set(FACT, JSON.stringify({ id, secretHash: hash(secret) }), now);
  if (!found) {
    const made = await webhooks.create({ url, secret }, signal);
    await remember(made.id);
    return { id: made.id, done: needs, twins };
  }
  if (needs !== "unchanged") await webhooks.update(found, { url, secret }, signal);
  if (needs !== "unchanged" || known?.id !== found.id) await remember(found.id);
  return { id: found.id, done: needs, twins };
}

/** Which of all webhooks is ours, and what has to be done so that it delivers to `url`. */
export function judge(
  all: readonly KapsoWebhook[],
  known: Ours | undefined,
  { url, secret }: { readonly url: string; readonly secret: string },
): { readonly found: KapsoWebhook | undefined; readonly needs: Registered["done"]; readonly twins: number } {
  // One that sends Meta's own bodies was made for something else, and what it is can not be changed.
  const here = all.filter((webhook) => webhook.url === url && webhook.kind !== "meta");
  const found = all.find(({ id }) => id === known?.id) ?? here[0];
  if (!found) return { found, needs: "created", twins: 0 };
  const isKnownSecret =
    found.secret_key === undefined || found.secret_key === null
      ? known?.id === found.id && known.secretHash === hash(secret)
      : found.secret_key === secret;
  const twins = here.filter(({ id }) => id !== found.id).length;
  return { found, needs: whatIsWrong(found, url, isKnownSecret), twins };
}

function whatIsWrong(found: KapsoWebhook, url: string, isKnownSecret: boolean): Registered["done"] {
  if (found.url !== url) return "moved";
  // Kapso pauses a webhook that fails often, and leaves it so.
  if (found.active === false) return "enabled";
  const hasEvents = WEBHOOK_EVENTS.every((event) => found.events?.includes(event));
  const isV2 = (found.payload_version ?? "v2") === "v2";
  return isKnownSecret && hasEvents && isV2 ? "unchanged" : "updated";
}

function hash(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
