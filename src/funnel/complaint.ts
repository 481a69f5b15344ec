import type { NotRunning } from "./node-state.ts";
import { firstLine } from "./output.ts";

const AUTH_URL = /https:\/\/login\.tailscale\.com\/\S+/;

/** What the command says when it gives up → what that means and what to do. */
const COMPLAINTS: readonly (readonly [pattern: RegExp, message: string, hint: string])[] = [
  [
    /failed to connect to local tailscale|doesn't appear to be running/i,
    "The Tailscale daemon does not run",
    "start it: sudo systemctl start tailscaled, or open the Tailscale app",
  ],
  [
    /Access denied|serve config denied/i,
    "This user may not publish with Tailscale",
    "allow it once: sudo tailscale set --operator=$USER",
  ],
  [
    /HTTPS must be enabled/i,
    "HTTPS is not enabled in the tailnet",
    "enable it: https://tailscale.com/s/https",
  ],
  [
    /"funnel" node attribute not set|Funnel is not enabled/i,
    "Funnel is not enabled for this machine",
    "enable it: https://tailscale.com/s/no-funnel",
  ],
  [
    /port \d+ is not allowed for funnel/i,
    "The tailnet does not allow Funnel on port 443, which it asks for whatever port is used",
    "allow it in the tailnet's policy: https://tailscale.com/kb/1223/funnel",
  ],
  [
    /shields-up/i,
    "Shields are up: Tailscale lets nothing in",
    "lower them: tailscale set --shields-up=false",
  ],
  [
    /(listener|foreground|configuration) already exists/i,
    "The Funnel port is taken",
    "see what has it: tailscale funnel status --json; or set tailscale.port to 8443 or 10000",
  ],
  [
    /Another client is changing/i,
    "Something else is changing Tailscale's configuration",
    "it is tried again",
  ],
  [/Logged out/i, "Tailscale is logged out", "log in: tailscale up"],
  [/Tailscale is stopped/i, "Tailscale is stopped", "start it: tailscale up"],
  [
    /not yet approved/i,
    "This machine is not yet approved by the tailnet's admin",
    "approve it at https://login.tailscale.com/admin/machines",
  ],
  [/ENOENT|EACCES/, "The tailscale command can not be started", "check tailscale.bin (TAILSCALE_BIN)"],
];

/** Why the command ended, in words for people: from the first of these that says something. */
export function readComplaint(...outputs: readonly string[]): NotRunning {
  const output = outputs.find((one) => firstLine(one) !== "") ?? "";
  if (/unexpected state: (NoState|Starting)/.test(output))
    return { kind: "starting", message: "Tailscale is starting" };
  const known = COMPLAINTS.find(([pattern]) => pattern.test(output));
  const url = AUTH_URL.exec(output)?.[0];
  if (!known)
    return {
      kind: "stuck",
      message: `Tailscale says: ${firstLine(output) || "nothing"}`,
      hint: url === undefined ? "try it by hand: tailscale funnel status --json" : `visit ${url}`,
    };
  const [, message, hint] = known;
  return { kind: "stuck", message, hint: url === undefined ? hint : `visit ${url}` };
}

/** The page where somebody has to agree to Funnel, if the command printed one and nobody did yet. */
export function readConsentUrl(output: string): string | undefined {
  return /^Success\.$/m.test(output) ? undefined : AUTH_URL.exec(output)?.[0];
}
