import { InvalidArgumentError, type Command } from "commander";
import type { Io } from "./io.ts";

/** Commands that show what is there and change nothing. */
export function addSeeing(program: Command, io: Io): void {
  addTrace(program, io);
  addMessages(program, io);
  addContacts(program, io);
  addConfig(program, io);
}

function addTrace(program: Command, io: Io): void {
  withReveal(withCommon(program.command("trace")))
    .argument("<id>", "id of a message or its end as logs show it, or #12 for a row of wa-cli outbox")
    .description("every hop of one message with its time: received, judged, asked, answered, sent, read")
    .addHelpText(
      "after",
      `
Examples:
  wa-cli trace …00F2A1B3C4D5
  wa-cli trace '#12' --json`,
    )
    .action(async (id: string, options) => {
      const { trace } = await import("./commands/trace.ts");
      await trace(io, { ...options, id });
    });
}

function addMessages(program: Command, io: Io): void {
  withReveal(withCommon(program.command("messages")))
    .description("what is stored of conversations, with texts, both directions, oldest first")
    .option("--with <number>", "one person only: a number in any international spelling, or a BSUID", once)
    .option("--search <text>", "only what has this in its text, in any case", once)
    .option("--since <when>", "not older than a duration (2d, 90m) or a date", once)
    .option("--limit <count>", "the newest that fit, at most", parseCount, 50)
    .addHelpText(
      "after",
      `
Examples:
  wa-cli messages --with +15551234567 --since 2d
  wa-cli messages --search invoice --limit 10 --json`,
    )
    .action(async (options) => {
      const { messages } = await import("./commands/messages.ts");
      await messages(io, options);
    });
}

function addContacts(program: Command, io: Io): void {
  withReveal(withCommon(program.command("contacts")))
    .description("whom we write with: name, role, how long the 24-hour window stays open, last seen")
    .option("--limit <count>", "who wrote last, at most", parseCount, 50)
    .addHelpText(
      "after",
      `
Examples:
  wa-cli contacts
  wa-cli contacts --json --reveal`,
    )
    .action(async (options) => {
      const { contacts } = await import("./commands/contacts.ts");
      await contacts(io, options);
    });
}

function addConfig(program: Command, io: Io): void {
  const config = program.command("config").description("the configuration as it is in effect");
  withReveal(withCommon(config.command("show", { isDefault: true })))
    .description("what is set, with its origin: variable, line of the file, default; secrets masked")
    .option("--all", "defaults too")
    .addHelpText(
      "after",
      `
Examples:
  wa-cli config
  wa-cli config --all --json`,
    )
    .action(async (options) => {
      const { show } = await import("./commands/config.ts");
      await show(io, options);
    });
  withCommon(config.command("path"))
    .description("the file that is read")
    .addHelpText(
      "after",
      `
Examples:
  $EDITOR "$(wa-cli config path)"`,
    )
    .action(async (options) => {
      const { path } = await import("./commands/config.ts");
      await path(io, options);
    });
}

function withCommon(command: Command): Command {
  return command
    .option("--config <file>", "configuration file")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false);
}

function withReveal(command: Command): Command {
  return command.option("--reveal", "numbers and ids whole instead of masked");
}

function once(value: string, previous: string | undefined): string {
  if (previous !== undefined) throw new InvalidArgumentError("It is given twice.");
  return value;
}

function parseCount(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError("It must be a positive whole number.");
  return Number(value);
}
