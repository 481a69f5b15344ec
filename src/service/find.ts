import type { Clock } from "../clock.ts";
import { homeFolder } from "../config/home.ts";
import type { Environment } from "../config/read.ts";
import { Launchd } from "./launchd.ts";
import { createRun } from "./run.ts";
import type { Supervisor } from "./supervisor.ts";
import { Systemd } from "./systemd.ts";
import { unitPath } from "./unit.ts";

export interface Finder {
  readonly env: Environment;
  readonly clock: Clock;
  /** Ends whatever is asked of the supervisor. */
  readonly signal: AbortSignal;
}

/** Who runs services on a system (`process.platform`) for a user; undefined where nobody does whom we know. */
export async function findSupervisor(
  platform: NodeJS.Platform,
  uid: number,
  { env, clock, signal }: Finder,
): Promise<Supervisor | undefined> {
  const home = homeFolder(env);
  const parts = { home, uid, run: createRun(env, uid, signal), clock, signal };
  if (platform === "darwin") return new Launchd(parts);
  if (platform === "linux") return new Systemd(await unitPath(parts.run, home), parts);
  return undefined;
}
