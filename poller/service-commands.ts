import type { Command } from "commander";
import type { InstallOptions } from "./service.ts";

const EXAMPLES = `
Examples:
  wa-poller service install --dry-run
  wa-poller service install --config ~/relay.toml
  wa-poller service status --json
  wa-poller service uninstall`;

/** Their code is loaded only when one of them runs. */
export function addService(program: Command, process: NodeJS.Process): void {
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
    .action(async (_: InstallOptions, command: Command) =>
      (await import("./service.ts")).install(command.optsWithGlobals<InstallOptions>(), process),
    );
  service
    .command("uninstall")
    .description("stop and remove the service; state and configuration stay")
    .option("--force", "remove a file that this program did not write")
    .action(async (options: { readonly force?: true }) =>
      (await import("./service.ts")).uninstall(options, process),
    );
  service
    .command("status")
    .description(
      "is it installed, does it run, how often was it restarted (exit code 1 when it does not run)",
    )
    .option("--json", "one JSON document")
    .action(async (options: { readonly json?: true }) => {
      if (!(await (await import("./service.ts")).status(options, process))) process.exitCode = 1;
    });
}
