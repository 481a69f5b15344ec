import { describeError, RelayError } from "../errors.ts";
import { showUrl } from "../url.ts";
import { ConnectionLostError, RpcError } from "./connection.ts";

/** How the gateway stands, in words for people; `hint` is the one next step. */
export interface GatewayState {
  readonly kind: "connecting" | "connected" | "unreachable" | "starting" | "pairing" | "refused";
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A connection without the right to send. */
export class ScopeError extends RelayError {}

/** Why a connection could not be made, and what to do about it. */
export function diagnose(error: unknown, url: string): GatewayState {
  if (error instanceof RpcError) return diagnoseRefusal(error);
  const message = error instanceof ConnectionLostError ? error.message : describeError(error);
  if (error instanceof RelayError && error.hint !== undefined)
    return { kind: "refused", message, hint: error.hint };
  return {
    kind: "unreachable",
    message,
    hint: `start an OpenClaw gateway there, or set gateway.url (it is ${showUrl(url)})`,
  };
}

function diagnoseRefusal(error: RpcError): GatewayState {
  const { details, message } = error;
  if (details?.code === "PAIRING_REQUIRED") {
    const command = `openclaw devices approve ${details.requestId ?? "<requestId from: openclaw devices list>"}`;
    const why = details.reason === undefined || details.reason === "not-paired" ? "" : ` (${details.reason})`;
    return {
      kind: "pairing",
      message: `The gateway does not know this bridge yet${why}`,
      hint: `approve it within 5 minutes, on the gateway's machine: ${command}`,
    };
  }
  if (error.retryable) return { kind: "starting", message: "The gateway is starting or stopping" };
  if (details?.code === "PROTOCOL_MISMATCH")
    return {
      kind: "refused",
      message: `The gateway speaks protocol ${details.expectedProtocol ?? "?"}, this bridge speaks 4`,
      hint: "update whichever of the two is older",
    };
  if (/TOKEN|PASSWORD|AUTH/.test(details?.code ?? ""))
    return {
      kind: "refused",
      message: `The gateway refused the token (${details?.code})`,
      hint: "set OPENCLAW_TOKEN to gateway.auth.token of the gateway's openclaw.json",
    };
  return { kind: "refused", message, hint: "see the gateway's log: openclaw logs --follow" };
}
