import { existsSync } from "node:fs";
import { platform } from "node:os";
import { systemClock } from "../src/clock.ts";
import { findSupervisor } from "../src/service/find.ts";
import { LINGER_HINT } from "../src/service/linger.ts";
import { ServiceError, type ServiceState, type Supervisor } from "../src/service/supervisor.ts";
import { passed, type Check } from "./check.ts";
import type { Io } from "./io.ts";

/** The service that runs wa-poller; undefined where none is installed: a daemon may be started in many ways. */
export async function installedService({
  env,
  signal,
}: Pick<Io, "env" | "signal">): Promise<Supervisor | undefined> {
  // Not userInfo(), which fails for a user whom the system does not know.
  const found = await findSupervisor(platform(), process.getuid?.() ?? 0, {
    env,
    clock: systemClock,
    signal,
  });
  return found && existsSync(found.file) ? found : undefined;
}

/** Nothing where no service is installed. */
export async function* checkService(io: Io): AsyncGenerator<Check> {
  const service = await installedService(io);
  if (service) yield judge(service.file, await stateOf(service));
}

async function stateOf(service: Supervisor): Promise<ServiceState | ServiceError> {
  try {
    return await service.state();
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

/** It is no reason to fail: what the daemon does is told by the other checks. */
function judge(file: string, found: ServiceState | ServiceError): Check {
  if (found instanceof ServiceError)
    return passed("service", `unknown whether it runs, ${file}: ${found.message}`, { hint: NEXT });
  const { state, lingers } = found;
  const hint = state !== "running" ? NEXT : lingers === false ? LINGER_HINT : undefined;
  return passed("service", `${state}, ${file}`, { hint });
}

const NEXT = "wa-poller service status";
