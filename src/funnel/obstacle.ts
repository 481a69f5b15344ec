import { readComplaint } from "./complaint.ts";
import type { NotRunning } from "./node-state.ts";
import { firstLine } from "./output.ts";
import type { Serve } from "./serves.ts";

export const MISSING: NotRunning = {
  kind: "stuck",
  message: "There is no tailscale command",
  hint: "install Tailscale (https://tailscale.com/download), or name the command in tailscale.bin (TAILSCALE_BIN)",
};

export const NOT_ENABLED: NotRunning = {
  kind: "stuck",
  message: "The tailnet does not let this machine use Funnel",
  hint: "allow it: https://tailscale.com/s/no-funnel",
};

export const GONE: NotRunning = {
  kind: "starting",
  message: "Funnel runs but publishes nothing, it is started again",
};

export function ended(complaint: string): NotRunning {
  const message = "Funnel ended, it is started again";
  if (firstLine(complaint) === "") return { kind: "starting", message };
  const reason = readComplaint(complaint);
  return { kind: "starting", message: `${message}. ${reason.message}`, hint: reason.hint };
}

export function nothingPublished(withinMs: number): NotRunning {
  return {
    kind: "stuck",
    message: `Tailscale published nothing within ${withinMs / 1000} s`,
    hint: "try it by hand: tailscale funnel status --json",
  };
}

export function notAllowed(port: number, allowed: readonly number[]): NotRunning {
  // The command always asks for 443, whatever port it is to use.
  const hint = allowed.includes(443)
    ? `set tailscale.port (WA_FUNNEL_PORT) to ${allowed.join(" or ")}`
    : "allow Funnel in the tailnet's policy: https://tailscale.com/kb/1223/funnel";
  return { kind: "stuck", message: `The tailnet does not allow Funnel on port ${port}`, hint };
}

export function taken({ port, kind, proxies }: Serve): NotRunning {
  const what = Object.entries(proxies).map(([path, target]) => `${path} → ${target}`);
  return {
    kind: "stuck",
    message: `Port ${port} of Tailscale is taken (${kind}): ${what.join(", ") || "something other than HTTP"}`,
    hint: "set tailscale.port (WA_FUNNEL_PORT) to another of 443, 8443, 10000",
  };
}

export function publishedByAnother({ port }: Serve): NotRunning {
  return {
    kind: "stuck",
    message: `Another "tailscale funnel" already publishes this webhook on port ${port}`,
    hint: "end it: pkill -f 'tailscale funnel'",
  };
}

export function needsConsent(url: string): NotRunning {
  return {
    kind: "stuck",
    message: "Somebody has to agree to Funnel for this machine",
    hint: `visit ${url}`,
  };
}
