import { LINGER_HINT } from "../src/service/linger.ts";
import type { ServiceState, Supervisor } from "../src/service/supervisor.ts";

/** What is known of the service. */
export interface Found {
  readonly supervisor: Pick<Supervisor, "name" | "file" | "complaints">;
  readonly installed: boolean;
  readonly state: ServiceState;
}

/** The document of `wa-poller service status`, and the same for people. */
export function describe(found: Found): { readonly json: object; readonly text: string } {
  const { supervisor, installed, state } = found;
  const { name, file } = supervisor;
  const hint = nextStep(found);
  const since = state.since === undefined ? "" : ` since ${state.since}`;
  const lines = [
    `${state.state}${since}${state.pid === undefined ? "" : ` (process ${state.pid})`}`,
    ...(installed ? [file, state.enabled ? "starts by itself" : "does not start by itself"] : []),
    `restarts: ${state.restarts}`,
    ...(state.lingers === undefined ? [] : [`goes on after logout: ${state.lingers ? "yes" : "no"}`]),
    ...(hint === undefined ? [] : [`→ ${hint}`]),
  ];
  return {
    json: { manager: name, file, installed, ...state, lingers: state.lingers ?? null, hint },
    text: lines.join("\n"),
  };
}

function nextStep({ supervisor, installed, state: now }: Found): string | undefined {
  const { state, enabled, lastExitCode } = now;
  if (!installed) return "wa-poller service install";
  const endedWell = supervisor.name === "launchd" && state === "stopped" && lastExitCode === 0;
  if (lastExitCode === 78 || endedWell)
    return "the configuration may be the reason: wa-poller service install checks it and starts again";
  if (state === "starting" || state === "restarting") return `${supervisor.complaints} tells why`;
  if (state !== "running" || !enabled) return "wa-poller service install starts it again";
  return now.lingers === false ? LINGER_HINT : undefined;
}
