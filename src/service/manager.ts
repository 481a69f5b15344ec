import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { RelayError } from "../errors.ts";

/** The service can not be installed, started or asked for. */
export class ServiceError extends RelayError {}

/** What is to be run. */
export interface Order {
  /** The program, absolute, and its arguments. */
  readonly command: readonly string[];
  /** What it sees besides what its manager gives to everything; nothing secret, since files of the system show it. */
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
}

export interface ServiceState {
  /** `failed` is for good; `restarting` is between two tries. */
  readonly state: "running" | "starting" | "restarting" | "stopped" | "failed";
  /** It starts by itself when the user's session does. */
  readonly enabled: boolean;
  readonly pid: number | undefined;
  /** ISO 8601; undefined where the manager does not tell. */
  readonly since: string | undefined;
  readonly restarts: number;
  readonly lastExitCode: number | undefined;
}

/** What starts the programs of a user: systemd, launchd. */
export interface Manager {
  readonly name: "systemd" | "launchd";
  /** Where the service is written down. */
  readonly file: string;
  /** The command that shows its log. */
  readonly log: string;
  /** The command that tells why it did not start. */
  readonly complaints: string;
  /** What is written there. */
  text(order: Order): Promise<string>;
  /**
   * Takes in the file, starts the service or starts it again, and resolves when it runs.
   * @throws ServiceError
   */
  start(): Promise<void>;
  /** Stops the service, so that it does not come back. @throws ServiceError */
  stop(): Promise<void>;
  /** Takes in that the file is gone. */
  forget(): Promise<void>;
  /** @throws ServiceError when the manager can not be asked */
  state(): Promise<ServiceState>;
}

/** Stands in each file of ours, so that none of somebody else is taken for it. */
export const MARK = 'Written by "wa-poller service install"';

/**
 * Writes the service down and starts it; what is there of ours is replaced.
 * @throws ServiceError
 */
export async function install(manager: Manager, order: Order, force: boolean): Promise<void> {
  refuseForeign(manager, force);
  const text = await manager.text(order);
  mkdirSync(dirname(manager.file), { recursive: true });
  const draft = `${manager.file}.new`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, manager.file);
  await manager.start();
}

/** Stops the service and removes it; returns what was written, undefined when there is none. @throws ServiceError */
export async function uninstall(manager: Manager, force: boolean): Promise<string | undefined> {
  if (!existsSync(manager.file)) return undefined;
  refuseForeign(manager, force);
  const text = readFileSync(manager.file, "utf8");
  await manager.stop();
  rmSync(manager.file);
  await manager.forget();
  return text;
}

function refuseForeign({ file }: Manager, force: boolean): void {
  if (force || !existsSync(file) || readFileSync(file, "utf8").includes(MARK)) return;
  throw new ServiceError(`${file} was not written by this program`, {
    hint: "look at it, then repeat with --force",
  });
}
