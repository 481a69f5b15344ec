import { Option, type Command } from "commander";
import type { Io } from "../io.ts";
import { once, parseCount } from "../values.ts";
import { withCommon, withReveal } from "./options.ts";

/** Commands that show what is there and change nothing. */
export function addSeeing(program: Command, io: Io): void {
  addStatus(program, io);
  addTrace(program, io);
  addMessages(program, io);
  addContacts(program, io);
  addConfig(program, io);
  addLogs(program, io);
  addMedia(program, io);
  addAccount(program, io);
}

function addStatus(program: Command, io: Io): void {
  withCommon(program.command("status"))
    .description("what the daemon does: gateway, ways in, queues, what is stuck")
    .option(
      "--watch",
      "go on until Ctrl-C: drawn anew on a terminal, else each change (with --json a line each)",
    )
    .addOption(
      new Option(
        "--check",
        "exit code 1, and what is wrong, unless the daemon runs and all its parts are well",
      ).conflicts("watch"),
    )
    .addHelpText(
      "after",
      `
Examples:
  wa-cli status
  wa-cli status --check        for a container's health check, or cron
  wa-cli status --watch --json`,
    )
    .action(async (options) => {
      const { status } = await import("../commands/status.ts");
      await status(io, options);
    });
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
      const { trace } = await import("../commands/trace.ts");
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
      const { messages } = await import("../commands/messages.ts");
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
      const { contacts } = await import("../commands/contacts.ts");
      await contacts(io, options);
    });
}

function addConfig(program: Command, io: Io): void {
  const config = program
    .command("config")
    .description("the configuration as it is in effect")
    .addHelpText(
      "afterAll",
      `
Examples:
  wa-cli config
  wa-cli config show --all --json
  $EDITOR "$(wa-cli config path)"`,
    );
  withReveal(withCommon(config.command("show", { isDefault: true })))
    .description("what is set, with its origin: variable, line of the file, default; secrets masked")
    .option("--all", "defaults too")
    .action(async (options) => {
      const { show } = await import("../commands/config.ts");
      await show(io, options);
    });
  withCommon(config.command("path"))
    .description("the file that is read")
    .action(async (options) => {
      const { path } = await import("../commands/config.ts");
      await path(io, options);
    });
}

function addLogs(program: Command, io: Io): void {
  withCommon(program.command("logs"))
    .description("what wa-poller logged lately; --json prints one JSON document a line")
    .option("-f, --follow", "go on with what is logged from now on, until Ctrl-C")
    .option("--lines <count>", "newest lines at most", parseCount, 50)
    .addOption(
      new Option("--level <level>", "least important lines that are shown")
        .choices(["trace", "debug", "info", "warn", "error", "fatal"])
        .default("trace"),
    )
    .addHelpText(
      "after",
      `
Examples:
  wa-cli logs -f
  wa-cli logs --level warn --lines 200 --json`,
    )
    .action(async (options) => {
      const { logs } = await import("../commands/logs.ts");
      await logs(io, options);
    });
}

function addMedia(program: Command, io: Io): void {
  const media = program
    .command("media")
    .description("files of messages")
    .addHelpText(
      "afterAll",
      `
Examples:
  wa-cli media get …00F2A1B3C4D5 --out invoice.pdf
  wa-cli media get 1013859600285441 --json`,
    );
  withCommon(media.command("get"))
    .argument("<id>", "id of the message or its end, or of the file at the provider")
    .description("the stored file of a message, else from the provider; prints where it is")
    .option("--out <file>", "put a copy there; nothing is overwritten", once)
    .action(async (id: string, options) => {
      const { get } = await import("../commands/media.ts");
      await get(io, { ...options, id });
    });
}

function addAccount(program: Command, io: Io): void {
  withCommon(program.command("templates"))
    .description("templates of the account: language, status and parameters")
    .addHelpText(
      "after",
      `
Examples:
  wa-cli templates
  wa-cli templates --json`,
    )
    .action(async (options) => {
      const { templates } = await import("../commands/templates.ts");
      await templates(io, options);
    });
  withReveal(withCommon(program.command("numbers")))
    .description("numbers of the account that ours belongs to; * marks ours")
    .addHelpText(
      "after",
      `
Examples:
  wa-cli numbers --reveal
  wa-cli numbers --json`,
    )
    .action(async (options) => {
      const { numbers } = await import("../commands/numbers.ts");
      await numbers(io, options);
    });
}
