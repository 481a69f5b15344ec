import type { Provider } from "./account.ts";
import { parseAddress } from "./address.ts";
import type { Values } from "./settings.ts";

const DEFAULT_ADDRESS = "127.0.0.1:18790";

export interface WebhookConfig {
  /** We register it: that is wanted, and its public address is known or will be. */
  readonly register: boolean;
  /** Where we listen; undefined while polling alone, unless an address is set. */
  readonly listen: { readonly host: string | undefined; readonly port: number } | undefined;
  /** Public address with its path, when it is known from the start. */
  readonly url: string | undefined;
  /** Signs what we register. */
  readonly secret: string | undefined;
  readonly oldSecrets: readonly string[];
  readonly verifyTokens: readonly string[];
}

export function readWebhook(
  { webhook, meta, delivery }: Values,
  provider: Provider,
  problems: string[],
): WebhookConfig {
  const listen = parseAddress(webhook.addr ?? DEFAULT_ADDRESS);
  if (!listen)
    problems.push(
      `webhook.addr (KAPSO_WEBHOOK_ADDR): must be a host and a port such as "127.0.0.1:18790" (it is "${webhook.addr}")`,
    );
  const { mode } = delivery;
  if (mode === "tailscale" && webhook.url !== undefined)
    problems.push(
      'webhook.url (WA_WEBHOOK_URL): the Funnel has an address of its own; leave it out, or use delivery.mode = "domain"',
    );
  // The Funnel passes on to 127.0.0.1.
  if (mode === "tailscale" && listen && ![undefined, "127.0.0.1", "0.0.0.0", "::"].includes(listen.host))
    problems.push(
      `webhook.addr (KAPSO_WEBHOOK_ADDR): a Funnel needs 127.0.0.1, such as "${DEFAULT_ADDRESS}" (it is "${webhook.addr}")`,
    );
  const isMeta = provider === "meta";
  const others = [isMeta ? webhook.secret : meta.app_secret, ...webhook.old_secrets];
  return {
    // Where Meta delivers is set in the app's dashboard.
    register:
      !isMeta &&
      delivery.register &&
      (mode === "tailscale" || (mode === "domain" && webhook.url !== undefined)),
    listen: mode === "polling" && webhook.addr === undefined ? undefined : listen,
    url: webhook.url && withPath(webhook.url),
    secret: isMeta ? meta.app_secret : webhook.secret,
    oldSecrets: others.filter((secret) => secret !== undefined),
    verifyTokens: [webhook.verify_token, meta.verify_token].filter((token) => token !== undefined),
  };
}

/** A bare domain gets the path at which we listen. */
export function withPath(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return origin + (pathname === "/" ? "/webhook" : pathname) + search;
}
