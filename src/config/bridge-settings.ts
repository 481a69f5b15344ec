import { z } from "zod";
import { secret, setting } from "./setting.ts";

/** `[bridge]`: agents that send by HTTP. */
export const BRIDGE = {
  addr: setting(
    z.string().optional(),
    "WA_BRIDGE_ADDR",
    'where agents that speak HTTP send to; without it 127.0.0.1:18791 with gateway.type = "http", else nowhere; open to other machines only with a token',
  ),
  token: secret("WA_BRIDGE_TOKEN", "what they show, as Bearer or X-Webhook-Secret"),
  url: setting(
    z.url({ protocol: /^https?$/, error: 'must be a URL such as "http://bridge.local:18791"' }).optional(),
    "WA_BRIDGE_URL",
    "where the agent reaches that address, for links to files, when it is on another machine",
  ),
  rate_limit: setting(
    z.int().min(1).max(100_000).default(300),
    "WA_BRIDGE_RATE_LIMIT",
    "sends that it may ask for in a minute",
  ),
} as const;
