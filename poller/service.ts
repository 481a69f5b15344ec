import { existsSync } from "node:fs";
import { systemClock } from "../src/clock.ts";
import { loadConfig } from "../src/config/config.ts";
import { findSupervisor } from "../src/service/find.ts";
import * as service from "../src/service/install.ts";
import { LINGER_HINT } from "../src/service/linger.ts";
import { ServiceError, type Launch, type Supervisor } from "../src/service/supervisor.ts";
import { launchOf, type Started } from "./launch.ts";
import { describe } from "./service-report.ts";

/** The machine and the user for whom a service is meant, in whose home folder we are. */
export interface Host extends Started {
  readonly platform: NodeJS.Platform;
  readonly uid: number;
  readonly stdout: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

export interface InstallOptions {
  /** Absolute. */
  readonly config?: string | undefined;
  readonly dryRun?: true;
  readonly force?: boolean;
  readonly linger?: true;
}

/** `wa-poller service install` @throws ConfigError, ServiceError */
export async function install(
  { config: file, dryRun, force = false, linger }: InstallOptions,
  host: Host,
): Promise<void> {
  const supervisor = await find(host);
  const { launch, config, unseen } = launchOf(file, host);
  if (dryRun) return void host.stdout.write(await supervisor.text(launch));
  if (unseen.length > 0) {
    const where = config.file ?? "a configuration file";
    say(host, `! The service does not see ${unseen.join(", ")}, which are set here: put them into ${where}`);
  }
  if (linger) await supervisor.linger();
  const { pid, lingers } = await service.install(supervisor, launch, force);
  say(
    host,
    `✓ ${supervisor.file}`,
    `✓ It runs (process ${pid ?? "unknown"}), and starts again by itself`,
    `  Log: ${supervisor.log}`,
    ...(lingers === false ? [`→ ${LINGER_HINT}`] : []),
  );
}

/** `wa-poller service uninstall` @throws ServiceError */
export async function uninstall({ force = false }: { readonly force?: boolean }, host: Host): Promise<void> {
  const supervisor = await find(host);
  const removed = await service.uninstall(supervisor, force);
  if (removed === undefined) return say(host, "No service is installed");
  const { launch, unasked } = removed;
  say(host, `✓ ${supervisor.file} is removed`, ...left(launch, host.home).map((line) => `  ${line}`));
  if (unasked)
    throw new ServiceError(`Whether it still runs is unknown: ${unasked.message}`, {
      hint: "if it does (wa-cli status), it ends with the session of its user",
    });
}

/** `wa-poller service status`; true when the service runs. @throws ServiceError */
export async function status({ json }: { readonly json?: true }, host: Host): Promise<boolean> {
  const supervisor = await find(host);
  const state = await supervisor.state();
  const told = describe({ supervisor, installed: existsSync(supervisor.file), state });
  say(host, json ? JSON.stringify(told.json) : told.text);
  return state.state === "running";
}

async function find({ platform, uid, env, signal }: Host): Promise<Supervisor> {
  const found = await findSupervisor(platform, uid, { env, clock: systemClock, signal });
  if (found) return found;
  throw new ServiceError(`There is no service for ${platform} here`, {
    hint: "let whatever starts programs there run wa-poller, with WA_SERVICE unset",
  });
}

/** What an uninstall leaves: where the service had it, not where this shell would. */
function left(launch: Launch | undefined, home: string): readonly string[] {
  const unknown = ["State and configuration stay"];
  if (!launch) return unknown;
  const { command, env } = launch;
  const named = command.indexOf("--config");
  const file = named === -1 ? undefined : command[named + 1];
  try {
    const config = loadConfig({ env: { HOME: home, ...env }, file });
    return [
      `State stays in ${config.state.dir}`,
      ...(config.file === undefined ? [] : [`Configuration stays in ${config.file}`]),
    ];
  } catch {
    return unknown;
  }
}

function say({ stdout }: Host, ...lines: readonly string[]): void {
  stdout.write(`${lines.join("\n")}\n`);
}
