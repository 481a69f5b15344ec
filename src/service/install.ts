import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
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
  /** Undefined when its file was gone already. */
  readonly launch: Launch | undefined;
  /** Why it could not be stopped: the supervisor can not be asked. */
  readonly unasked: ServiceError | undefined;
}

/** Stops the service and removes it; undefined when there is none. @throws ServiceError */
export async function uninstall(supervisor: Supervisor, force: boolean): Promise<Uninstalled | undefined> {
  const { file } = supervisor;
  refuseForeign(supervisor, force);
  const launch = existsSync(file) ? supervisor.read(readFileSync(file, "utf8")) : undefined;
  const found = await ask(supervisor);
  const unasked = found instanceof ServiceError ? found : undefined;
  // It goes on when its file is removed by hand.
  const isKnown = !(found instanceof ServiceError) && (found.state !== "stopped" || found.enabled);
  if (!launch && !isKnown) return undefined;
  if (!unasked) await supervisor.stop();
  rmSync(file, { force: true });
  if (!unasked) await supervisor.forget();
  return { launch, unasked };
}

async function ask(supervisor: Supervisor): Promise<ServiceState | ServiceError> {
  try {
    return await supervisor.state();
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

function refuseForeign({ file }: Supervisor, force: boolean): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory())
    throw new ServiceError(`${file} is a folder`, { hint: "look at it, and move it away" });
  if (force || !found || readFileSync(file, "utf8").includes(MARK)) return;
  throw new ServiceError(`${file} was not written by this program`, {
    hint: "look at it, then repeat with --force",
  });
}
