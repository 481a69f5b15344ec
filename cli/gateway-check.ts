import { systemClock } from "../src/clock.ts";
import type { GatewayConfig } from "../src/config/gateway.ts";
import { Device } from "../src/gateway/device.ts";
import { diagnose, type GatewayState } from "../src/gateway/diagnosis.ts";
import { probeAgent } from "../src/gateway/http.ts";
import { OpenClawGateway } from "../src/gateway/openclaw.ts";
import { silentLog } from "../src/log.ts";
import { showUrl } from "../src/url.ts";
import { passed, type Check } from "./check.ts";
import { EXIT } from "./exit-code.ts";

const TIMEOUT_MS = 20_000;

/** Connects once, as the daemon does. */
export async function checkGateway(
  gateway: GatewayConfig,
  stateDir: string,
  signal: AbortSignal,
): Promise<Check & { readonly kind: GatewayState["kind"] }> {
  if (gateway.type === "http") return checkAgent(gateway.url, signal);
  try {
    const client = new OpenClawGateway(gateway, {
      loadDevice: () => Device.load(stateDir),
      clock: systemClock,
      log: silentLog,
      onState: () => {},
    });
    const { version, scopes } = await client.connectOnce(
      AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    );
    const detail = `OpenClaw ${version} at ${showUrl(gateway.url)} grants ${scopes.join(", ")}`;
    return { ...passed("gateway", detail), kind: "connected" };
  } catch (error) {
    signal.throwIfAborted();
    const { kind, message, hint } = diagnose(error, gateway.url);
    const exitCode = kind === "refused" || kind === "pairing" ? EXIT.credentials : EXIT.temporary;
    return { name: "gateway", ok: false, detail: message, hint, exitCode, kind };
  }
}

/** That somebody listens is all that can be known without a message. */
async function checkAgent(
  url: string,
  signal: AbortSignal,
): Promise<Check & { readonly kind: GatewayState["kind"] }> {
  const problem = await probeAgent(url, signal);
  if (problem === undefined)
    return { ...passed("gateway", `An agent listens at ${showUrl(url)}`), kind: "connected" };
  const hint = "start the agent, or set gateway.url (GATEWAY_URL) to where it takes messages";
  const exitCode = EXIT.temporary;
  return { name: "gateway", ok: false, detail: problem, hint, exitCode, kind: "unreachable" };
}
