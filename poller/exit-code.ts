import type { Environment } from "../src/config/read.ts";
import { ConfigError } from "../src/errors.ts";

/**
 * What ends the program when a restart can not help, by what restarts it (WA_SERVICE): systemd is told of 78 in its unit,
 * launchd restarts whatever ends other than well.
 */
const HOPELESS: Readonly<Record<string, number>> = { systemd: 78, launchd: 0 };

export function exitCodeOf(error: unknown, env: Environment): number {
  if (!(error instanceof ConfigError)) return 1;
  const code = hopeless(env);
  if (code === undefined) return 3;
  // Secret managers decrypt at the same login that starts us.
  return error.awaitsSecret ? 1 : code;
}

export function exitCodeOfUsage(env: Environment): number {
  return hopeless(env) ?? 2;
}

function hopeless(env: Environment): number | undefined {
  return HOPELESS[env["WA_SERVICE"] ?? ""];
}
