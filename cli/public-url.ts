import { z } from "zod";
import type { Config } from "../src/config/config.ts";
import type { Store } from "../src/store/store.ts";

const funnel = z.looseObject({ kind: z.literal("up"), url: z.string() });

/** Where the internet reaches our webhook, as far as it is known: configured, or told by the daemon's Funnel. */
export function publicUrl(
  { delivery, webhook }: Config,
  { facts }: Pick<Store, "facts">,
): string | undefined {
  return delivery.mode === "tailscale" ? facts.read("funnel", funnel)?.url : webhook.url;
}
