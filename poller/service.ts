import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isSea } from "node:sea";
import { systemClock } from "../src/clock.ts";
import { loadConfig } from "../src/config/config.ts";
import { configFile } from "../src/config/explain.ts";
import type { Environment } from "../src/config/read.ts";
import { Launchd } from "../src/service/launchd.ts";
import { lingers, LINGER_HINT } from "../src/service/linger.ts";
import * as service from "../src/service/manager.ts";
import { createRun, type Run } from "../src/service/run.ts";
import { Systemd } from "../src/service/systemd.ts";
import { unitPath } from "../src/service/unit.ts";
import { orderOf, places } from "./order.ts";

export interface InstallOptions {
  readonly config?: string;
  readonly dryRun?: true;
  readonly force?: boolean;
  readonly linger?: true;
}

/** `wa-poller service install` @throws ConfigError, ServiceError */
export async function install(
  { config: named, dryRun, force = false, linger }: InstallOptions,
  process: NodeJS.Process,
): Promise<void> {
  const { manager, home, uid, run } = find(process);
  const { env, execPath, argv } = process;
  const name = named ?? (env["WA_CONFIG"] || env["KAPSO_CONFIG"]);
  const file = name === undefined ? undefined : configFile({ env, file: name });
  // Where a service starts: what the file names relatively is looked for there.
  process.chdir(home);
  const script = isSea() ? undefined : argv[1];
  const { order, config, unseen } = orderOf(file, { env, home, execPath, script });
  const say = (line: string) => process.stdout.write(`${line}\n`);
  if (dryRun) return void process.stdout.write(await manager.text(order));
  if (unseen.length > 0) {
    const where = config.file ?? "a configuration file";
    say(`! The service does not see ${unseen.join(", ")}, which are set here: put them into ${where}`);
  }
  await service.install(manager, order, force);
  const { pid } = await manager.state();
  say(`✓ ${manager.file}`);
  say(`✓ It runs (process ${pid ?? "unknown"}), and starts again by itself`);
  say(`  Log: ${manager.log}`);
  if (manager.name !== "systemd") return;
  if (linger) {
    const { ok, complaint } = await run("loginctl", "enable-linger");
    if (!ok) throw new service.ServiceError(`loginctl enable-linger failed: ${complaint}`);
  }
  if ((await lingers(run, uid)) === false) say(`→ ${LINGER_HINT}`);
}

/** `wa-poller service uninstall` @throws ServiceError */
export async function uninstall({ force = false }: { readonly force?: boolean }, process: NodeJS.Process) {
  const { manager, home } = find(process);
  const removed = await service.uninstall(manager, force);
  const said =
    removed === undefined
      ? ["No service is installed"]
      : [`✓ Stopped, and ${manager.file} removed`, ...left(removed, { HOME: home, ...places(process.env) })];
  process.stdout.write(`${said.join("\n  ")}\n`);
}

/** `wa-poller service status`; true when the service runs. @throws ServiceError */
export async function status({ json }: { readonly json?: true }, process: NodeJS.Process): Promise<boolean> {
  const { manager, uid, run } = find(process);
  const installed = existsSync(manager.file);
  const state = await manager.state();
  const lingering = manager.name === "systemd" ? await lingers(run, uid) : undefined;
  const hint = nextStep({ ...state, installed, lingering }, manager);
  const { name, file } = manager;
  if (json) {
    const document = { manager: name, file, installed, ...state, lingers: lingering ?? null, hint };
    process.stdout.write(`${JSON.stringify(document)}\n`);
    return state.state === "running";
  }
  const since = state.since === undefined ? "" : ` since ${state.since}`;
  const lines = [
    `${state.state}${since}${state.pid === undefined ? "" : ` (process ${state.pid})`}`,
    ...(installed ? [file, state.enabled ? "starts by itself" : "does not start by itself"] : []),
    `restarts: ${state.restarts}`,
    ...(lingering === undefined ? [] : [`goes on after logout: ${lingering ? "yes" : "no"}`]),
    ...(hint === undefined ? [] : [`→ ${hint}`]),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return state.state === "running";
}

function nextStep(
  {
    state,
    installed,
    enabled,
    lingering,
    lastExitCode,
  }: service.ServiceState & { readonly installed: boolean; readonly lingering: boolean | undefined },
  { name, complaints }: service.Manager,
): string | undefined {
  if (!installed) return "wa-poller service install";
  if (lastExitCode === 78 || (name === "launchd" && state === "stopped" && lastExitCode === 0))
    return "the configuration may be the reason: wa-poller service install checks it and starts again";
  if (state === "starting" || state === "restarting") return `${complaints} tells why`;
  if (state !== "running" || !enabled) return "wa-poller service install starts it again";
  return lingering === false ? LINGER_HINT : undefined;
}

interface Found {
  readonly manager: service.Manager;
  readonly home: string;
  readonly uid: number;
  readonly run: Run;
}

function find({ platform, env, getuid }: NodeJS.Process): Found {
  const home = env["HOME"] || homedir();
  const uid = getuid?.() ?? 0;
  const run = createRun(env, uid);
  const parts = { home, uid, run, clock: systemClock };
  if (platform === "darwin") return { manager: new Launchd(parts), home, uid, run };
  if (platform === "linux") return { manager: new Systemd(unitPath(env, home), parts), home, uid, run };
  throw new service.ServiceError(`There is no service for ${platform} here`, {
    hint: "let whatever starts programs there run wa-poller, with WA_SERVICE unset",
  });
}

/** What an uninstall leaves; where a service of its own file had its state, only that file knows. */
function left(removed: string, env: Environment): readonly string[] {
  try {
    if (removed.includes("--config")) return ["State and configuration stay"];
    const { file, state } = loadConfig({ env });
    return [`State stays in ${state.dir}`, ...(file === undefined ? [] : [`Configuration stays in ${file}`])];
  } catch {
    return ["State and configuration stay"];
  }
}
