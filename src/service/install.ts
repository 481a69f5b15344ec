import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { MARK, ServiceError, type Launch, type ServiceState, type Supervisor } from "./supervisor.ts";

/**
 * Writes the service down and starts it; what is there of ours is replaced. Nothing is written where the supervisor can not
 * be asked.
 * @throws ServiceError
 */
export async function install(supervisor: Supervisor, launch: Launch, force: boolean): Promise<ServiceState> {
  refuseForeign(supervisor, force);
  await supervisor.state();
  const text = await supervisor.text(launch);
  mkdirSync(dirname(supervisor.file), { recursive: true });
  const draft = `${supervisor.file}.new`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, supervisor.file);
  await supervisor.start();
  return supervisor.state();
}

export interface Uninstalled {
  readonly launch: Launch;
  /** Why it could not be stopped: the supervisor can not be asked. */
  readonly unasked: ServiceError | undefined;
}

/** Stops the service and removes it; undefined when there is none. @throws ServiceError */
export async function uninstall(supervisor: Supervisor, force: boolean): Promise<Uninstalled | undefined> {
  const { file } = supervisor;
  if (!existsSync(file)) return undefined;
  refuseForeign(supervisor, force);
  const launch = supervisor.read(readFileSync(file, "utf8"));
  const unasked = await complaintOf(supervisor);
  if (!unasked) await supervisor.stop();
  rmSync(file);
  if (!unasked) await supervisor.forget();
  return { launch, unasked };
}

async function complaintOf(supervisor: Supervisor): Promise<ServiceError | undefined> {
  try {
    await supervisor.state();
    return undefined;
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

function refuseForeign({ file }: Supervisor, force: boolean): void {
  if (force || !existsSync(file) || readFileSync(file, "utf8").includes(MARK)) return;
  throw new ServiceError(`${file} was not written by this program`, {
    hint: "look at it, then repeat with --force",
  });
}
