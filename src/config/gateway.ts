import { isLoopback } from "../url.ts";
import { readOpenClawFile } from "./openclaw-file.ts";
import type { Environment } from "./read.ts";
import type { Values } from "./settings.ts";

const DEFAULT_GATEWAY_URL = "ws://127.0.0.1:18789";

export interface GatewayConfig {
  /** OpenClaw's WebSocket, or plain posts to whatever listens at `url`. */
  readonly type: "openclaw" | "http";
  /** False when nothing names a gateway, so that the usual place on this machine is tried. */
  readonly isNamed: boolean;
  readonly url: string;
  readonly token: string | undefined;
  readonly sessionKey: string;
  readonly scopes: readonly string[];
  readonly errorMessage: string;
  readonly turnTimeoutMs: number;
}

export function readGateway(
  values: Values,
  env: Environment,
  home: string,
  problems: string[],
): GatewayConfig {
  const { gateway } = values;
  const isHttp = gateway.type === "http";
  const name = "gateway.url (OPENCLAW_GATEWAY_URL, GATEWAY_URL)";
  if (isHttp && gateway.url === undefined && !problems.some((problem) => problem.includes("gateway.url")))
    problems.push(`${name} is missing: gateway.type = "http" needs the address that messages are posted to`);
  else if (gateway.url !== undefined && isHttp !== gateway.url.startsWith("http"))
    problems.push(
      isHttp
        ? `${name}: must be an http URL such as "http://127.0.0.1:8080/api/whatsapp/webhook" with gateway.type = "http"`
        : `${name}: must be a WebSocket URL such as "${DEFAULT_GATEWAY_URL}"; for an http URL set gateway.type = "http"`,
    );
  return {
    type: isHttp ? "http" : "openclaw",
    ...(isHttp ? namedGateway(values) : findGateway(values, env, home)),
    sessionKey: gateway.session_key,
    scopes: gateway.scopes,
    errorMessage: gateway.error_message,
    turnTimeoutMs: gateway.turn_timeout,
  };
}

function namedGateway({ gateway: { url, token } }: Values) {
  return { isNamed: true, url: url ?? DEFAULT_GATEWAY_URL, token };
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
