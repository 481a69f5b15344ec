import { isLoopback } from "../url.ts";
import { readOpenClawFile } from "./openclaw-file.ts";
import type { Environment } from "./read.ts";
import type { Values } from "./settings.ts";

const DEFAULT_GATEWAY_URL = "ws://127.0.0.1:18789";

export interface GatewayConfig {
  /** False when nothing names a gateway, so that the usual place on this machine is tried. */
  readonly isNamed: boolean;
  readonly url: string;
  readonly token: string | undefined;
  readonly sessionKey: string;
  readonly scopes: readonly string[];
  readonly errorMessage: string;
  readonly turnTimeoutMs: number;
}

export function readGateway(values: Values, env: Environment, home: string): GatewayConfig {
  const { gateway } = values;
  return {
    ...findGateway(values, env, home),
    sessionKey: gateway.session_key,
    scopes: gateway.scopes,
    errorMessage: gateway.error_message,
    turnTimeoutMs: gateway.turn_timeout,
  };
}

function findGateway({ gateway }: Values, env: Environment, home: string) {
  const isNamed = gateway.url !== undefined || gateway.token !== undefined;
  const local =
    gateway.url === undefined || isLoopback(gateway.url) ? readOpenClawFile(env, home) : undefined;
  return {
    isNamed,
    url: gateway.url ?? local?.url ?? DEFAULT_GATEWAY_URL,
    token: gateway.token ?? local?.token,
  };
}
