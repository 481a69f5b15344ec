import { isSea } from "node:sea";
import type { Command } from "commander";
import { configFile } from "../src/config/explain.ts";
import { homeFolder } from "../src/config/home.ts";
import type { Environment } from "../src/config/read.ts";
import type { Host, InstallOptions } from "./service.ts";

const EXAMPLES = `
Examples:
  wa-poller service install --dry-run
  wa-poller service install --config ~/relay.toml
  wa-poller service status --json
  wa-poller service uninstall`;

/** Their code is loaded only when one of them runs. */
export function addService(program: Command, own: NodeJS.Process): void {
  const service = program
    .command("service")
    .description("have this system run wa-poller: systemd on Linux, launchd on macOS, both for this user")
    .addHelpText("after", EXAMPLES);
  service
    .command("install")
    .description("write the service, start it and have it start with the system; again: after a change")
    .option("--config <file>", "configuration file of the service (default: the usual one)")
    .option("--dry-run", "print what would be written, and change nothing")
    .option("--force", "replace a file that this program did not write")
    .option(
      "--linger",
      "let the services of this user go on when nobody is logged in (loginctl enable-linger)",
    )
    .action(async (_: InstallOptions, command: Command) => {
      const { install } = await import("./service.ts");
      const { config: named, ...options } = command.optsWithGlobals<InstallOptions>();
      const config = configOf(named, own.env);
      await install({ ...options, config }, hostOf(own));
    });
  service
    .command("uninstall")
    .description("stop and remove the service; state and configuration stay")
    .option("--force", "remove a file that this program did not write")
    .action(async (options: { readonly force?: true }) => {
      const { uninstall } = await import("./service.ts");
      await uninstall(options, hostOf(own));
    });
  service
    .command("status")
    .description(
      "is it installed, does it run, how often was it restarted (exit code 1 when it does not run)",
    )
    .option("--json", "one JSON document")
    .action(async (options: { readonly json?: true }) => {
      const { status } = await import("./service.ts");
      if (!(await status(options, hostOf(own)))) own.exitCode = 1;
    });
}

/** The configuration that a service is to read, absolute; undefined leaves it at the usual one. @throws ConfigError */
function configOf(named: string | undefined, env: Environment): string | undefined {
  const file = named ?? (env["WA_CONFIG"] || env["KAPSO_CONFIG"]);
  return file === undefined ? undefined : configFile({ env, file });
}

/** From here on we are where a service starts: what a configuration names relatively is looked for there. */
function hostOf(own: NodeJS.Process): Host {
  const { env, execPath, argv, platform, stdout } = own;
  const home = homeFolder(env);
  own.chdir(home);
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    own.once(name, () => stop.abort(new Error(`Interrupted by ${name}`)));
  const script = isSea() ? undefined : argv[1];
  return { platform, uid: own.getuid?.() ?? 0, env, home, execPath, script, stdout, signal: stop.signal };
}
