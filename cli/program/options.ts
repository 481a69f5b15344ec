import type { Command } from "commander";

/** What every command takes. */
export function withCommon(command: Command): Command {
  return command
    .option("--config <file>", "configuration file")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false);
}

/** What commands that show people take. */
export function withReveal(command: Command): Command {
  return command.option("--reveal", "numbers and ids whole instead of masked");
}
