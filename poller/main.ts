import { Command } from "commander";
import { systemClock } from "../src/clock.ts";
import { requireAccount, requireInbound } from "../src/config/account.ts";
import { loadConfig, type Config } from "../src/config/config.ts";
import { NOBODY_HINT } from "../src/config/security.ts";
import { ConfigError, describeError, RelayError } from "../src/errors.ts";
import { secretsOf } from "../src/config/secrets.ts";
import { LogFile } from "../src/log-file.ts";
import type { Log } from "../src/log.ts";
import { ServiceError } from "../src/service/supervisor.ts";
import { showUrl } from "../src/url.ts";
import { VERSION } from "../src/version.ts";
import { visible, visibleLines } from "../src/visible.ts";
import { check } from "./check.ts";
import { startBridge } from "./compose.ts";
import { exitCodeOf, exitCodeOfUsage } from "./exit-code.ts";
import { createLog } from "./log.ts";
import { addService } from "./service-commands.ts";

interface Options {
  readonly config?: string;
  readonly sandbox?: true;
  readonly check?: true;
}

const EXAMPLES = `
Examples:
  KAPSO_API_KEY=… KAPSO_PHONE_NUMBER_ID=… KAPSO_ALLOWED_NUMBERS=+15551234567 wa-poller
  wa-poller --sandbox          try it here, without an account
  wa-poller --config relay.toml --check
  wa-poller service install    have it run from now on, also after a restart of this machine`;

/** Process → options → bridge → exit code. */
export async function main(): Promise<void> {
  const program = new Command("wa-poller")
    .description("Relays WhatsApp messages to an agent gateway, and the agent's answers back")
    .version(VERSION)
    .option("--config <file>", "configuration file (default: ~/.config/wa-relay/config.toml if it is there)")
    .option("--sandbox", "run against a stand-in for WhatsApp: you type as the person who writes")
    .option("--check", "check the configuration, the state folder and the ports, then exit")
    .addHelpText("after", EXAMPLES)
    .configureOutput({
      outputError: (text, write) => write(visibleLines(text.replace(/^error: /, "wa-poller: "))),
    })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : exitCodeOfUsage(process.env)))
    .allowExcessArguments(false)
    .action(run);
  addService(program, process);
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = exitCodeOf(error, process.env);
    for (const line of describeFailure(error)) process.stderr.write(`wa-poller: ${visible(line)}\n`);
  }
}

async function run({ config: file, sandbox, check: isCheck }: Options): Promise<void> {
  const config = loadConfig({ env: process.env, file });
  if (isCheck) return check(config, process.stdout);
  const log = await createLog({
    level: sandbox && config.log.level === "info" ? "warn" : config.log.level,
    format: config.log.format ?? (process.stderr.isTTY ? "pretty" : "json"),
    ...(config.log.file &&
      !sandbox && { file: new LogFile(config.state.dir, { secrets: secretsOf(config) }) }),
    isUnbounded: process.env["WA_SERVICE"] === "launchd",
  });
  const signal = stopSignal(log);
  if (sandbox) {
    // Whoever reads its output may go away: `npm start | head`.
    process.stdout.once("error", () => process.kill(process.pid, "SIGTERM"));
    const { runSandbox } = await import("./sandbox.ts");
    return runSandbox(config, { clock: systemClock, log, process }, process, signal);
  }
  requireAccount(config);
  requireInbound(config);
  greet(config, log);
  await startBridge(config, { clock: systemClock, log, process }, signal).catch((error: unknown) => {
    // Stopped before everything ran: that is no failure.
    if (error !== signal.reason) throw error;
  });
}

function greet(config: Config, log: Log): void {
  const { security, delivery, gateway } = config;
  const fields = {
    config: config.file ?? "environment",
    state: config.state.dir,
    gateway: showUrl(gateway.url),
  };
  const { mode, pollIntervalMs } = delivery;
  log.info({ ...fields, mode, pollIntervalMs }, `wa-poller ${VERSION} starts`);
  if (security.open) log.warn("security.mode is open: everybody who finds the number can talk to the agent");
  else if (security.roles.size === 0) log.warn({ hint: NOBODY_HINT }, "nobody may write yet");
}

/** Aborts on the first SIGTERM or SIGINT; a second one ends the process at once (nothing is lost: all is on disk). */
function stopSignal(log: Log): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(1);
      log.info({ signal: name }, "stop asked for");
      stop.abort(new Error(`Stopped by ${name}`));
    });
  return stop.signal;
}

function describeFailure(error: unknown): readonly string[] {
  const lines = error instanceof ConfigError ? error.problems : [describeError(error)];
  const said = error instanceof ServiceError ? error.said : [];
  const hint = error instanceof RelayError && error.hint !== undefined ? [`→ ${error.hint}`] : [];
  return [...lines, ...said, ...hint];
}
