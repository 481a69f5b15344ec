import { parseAddress } from "./address.ts";
import type { Values } from "./settings.ts";

export interface BridgeConfig {
  /** Where agents that speak HTTP send to; undefined when there is none of them. */
  readonly listen: { readonly host: string | undefined; readonly port: number } | undefined;
  /** Without one only programs of this machine get in. */
  readonly token: string | undefined;
  /** Where the agent reaches us, for links to files; without a slash at the end. */
  readonly url: string | undefined;
  /** Requests a minute. */
  readonly rateLimit: number;
}

const DEFAULT_ADDRESS = "127.0.0.1:18791";

export function readBridge({ bridge, gateway }: Values, problems: string[]): BridgeConfig {
  const isWanted = gateway.type === "http" || bridge.addr !== undefined;
  const listen = isWanted ? parseAddress(bridge.addr ?? DEFAULT_ADDRESS) : undefined;
  if (isWanted && !listen)
    problems.push(
      `bridge.addr (WA_BRIDGE_ADDR): must be a host and a port such as "${DEFAULT_ADDRESS}" (it is "${bridge.addr}")`,
    );
  if (listen && bridge.token === undefined && !isLocal(listen.host))
    problems.push(
      `bridge.token (WA_BRIDGE_TOKEN) is missing: at "${bridge.addr}" (bridge.addr) others could send messages in your name; set one, or listen on "${DEFAULT_ADDRESS}"`,
    );
  return {
    listen,
    token: bridge.token,
    url: bridge.url?.replace(/\/+$/, ""),
    rateLimit: bridge.rate_limit,
  };
}

/** Nobody else's machine can reach it. */
function isLocal(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host);
}
