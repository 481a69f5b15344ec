import { Command, InvalidArgumentError } from "commander";
import { VERSION } from "../src/version.ts";
import { CommandError, EXIT } from "./exit-code.ts";
import type { Io } from "./io.ts";

const EXAMPLES = `
Examples:
  wa-cli send --to +15551234567 --text "Your table is ready"
  echo "Long report" | wa-cli send --to +15551234567
  wa-cli status --json
  wa-cli preflight

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration, 4 credentials refused,
5 not deliverable, 6 outcome unknown (do not repeat), 7 temporary (try again)`;

/** The command line. Each command's code is loaded only when it runs: start-up is part of the product. */
export function createProgram(io: Io): Command {
  const program = new Command("wa-cli")
    .description("Sends WhatsApp messages, and shows and checks what wa-poller does")
    .version(VERSION)
    .addHelpText("after", EXAMPLES)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "wa-cli: ")),
      getOutHasColors: () => io.stdout.isTTY === true,
      getErrHasColors: () => io.stderr.isTTY === true,
    })
    .exitOverride();
  addSend(program, io);
  addStatus(program, io);
  addPreflight(program, io);
  addOutbox(program, io);
  addWebhook(program, io);
  addSkill(program, io);
  return program;
}

function addSend(program: Command, io: Io): void {
  withCommon(program.command("send [words...]"))
    .description("send a text; prints the id that WhatsApp gave it")
    .option("--to <number>", "recipient: an international number, or a BSUID", once)
    .option("--text <text>", "what to send; else the words, else standard input", once)
    .option("--timeout <seconds>", "give up after this long", parseSeconds, 20)
    .addHelpText(
      "after",
      `
Examples:
  wa-cli send --to +15551234567 --text "On my way"
  wa-cli send +15551234567 On my way
  wa-cli send --to +15551234567 < report.md`,
    )
    .action(async (words: string[], options) => {
      const { send } = await import("./commands/send.ts");
      await send(io, { ...options, words });
    });
}

function addStatus(program: Command, io: Io): void {
  withCommon(program.command("status"))
    .description("what the daemon does: gateway, ways in, queues, what is stuck")
    .action(async (options) => {
      const { status } = await import("./commands/status.ts");
      await status(io, options);
    });
}

function addPreflight(program: Command, io: Io): void {
  withCommon(program.command("preflight"))
    .alias("doctor")
    .description("check configuration, key, number, rights, gateway and webhook, each with its next step")
    .option("--fix", "mend what can be mended from here: subscribe Meta's app to the account of the number")
    .addHelpText(
      "after",
      `
Examples:
  wa-cli preflight
  wa-cli preflight --fix --json`,
    )
    .action(async (options) => {
      const { preflight } = await import("./commands/preflight.ts");
      await preflight(io, options);
    });
}

function addOutbox(program: Command, io: Io): void {
  const outbox = program.command("outbox").description("messages that wait, are in doubt or were given up");
  withCommon(outbox.command("list", { isDefault: true }))
    .description("list them, oldest first")
    .option("--all", "accepted ones too")
    .option("--limit <count>", "newest rows at most", parseCount, 50)
    .action(async (options) => {
      const { list } = await import("./commands/outbox.ts");
      await list(io, options);
    });
  withCommon(outbox.command("retry"))
    .argument("<id>", "number in the list", parseCount)
    .description("queue a message again that was given up, with the parts behind it")
    .option("--force", "also one that may have left already")
    .action(async (id: number, options) => {
      const { retry } = await import("./commands/outbox.ts");
      await retry(io, { ...options, id });
    });
  withCommon(outbox.command("drop"))
    .argument("<id>", "number in the list", parseCount)
    .description("take a message off the list without sending it")
    .action(async (id: number, options) => {
      const { drop } = await import("./commands/outbox.ts");
      await drop(io, { ...options, id });
    });
}

function addWebhook(program: Command, io: Io): void {
  const webhook = program
    .command("webhook")
    .description("the webhook that Kapso delivers to (Meta's is set in its app dashboard)");
  withCommon(webhook.command("list", { isDefault: true }))
    .description("everybody's webhooks of this number; * marks ours")
    .action(async (options) => {
      const { list } = await import("./commands/webhook.ts");
      await list(io, options);
    });
  withCommon(webhook.command("register"))
    .description("register ours, move it to the present address, or switch it on again")
    .option("--url <url>", "public address (default: webhook.url, or that of the running Funnel)", once)
    .action(async (options) => {
      const { register } = await import("./commands/webhook.ts");
      await register(io, options);
    });
  withCommon(webhook.command("remove"))
    .description("take ours away; other people's are not touched")
    .action(async (options) => {
      const { remove } = await import("./commands/webhook.ts");
      await remove(io, options);
    });
}

function addSkill(program: Command, io: Io): void {
  const skill = program.command("skill").description("the skill that tells an agent how to use this program");
  skill
    .command("install")
    .description("put it where OpenClaw looks for skills, or bring it up to date there")
    .option("--dir <folder>", "another folder of skills (default: that of OpenClaw's state folder)", once)
    .option("--force", "replace another skill of the same name")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false)
    .addHelpText(
      "after",
      `
Examples:
  wa-cli skill install
  wa-cli skill install --dir ~/.openclaw/workspace/skills`,
    )
    .action(async (options) => {
      const { skillInstall } = await import("./commands/skill.ts");
      skillInstall(io, options);
    });
  skill
    .command("path")
    .description("where the file is that came with this program")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false)
    .action(async (options) => {
      const { skillPath } = await import("./commands/skill.ts");
      skillPath(io, options);
    });
  skill
    .command("show")
    .description("print it")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false)
    .action(async (options) => {
      const { skillShow } = await import("./commands/skill.ts");
      skillShow(io, options);
    });
}

function withCommon(command: Command): Command {
  return command
    .option("--config <file>", "configuration file")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false);
}

/**
 * `--text --json` has lost its text, and nobody should receive the next flag. A text may still begin with dashes:
 * `--text=--json`.
 */
export function refuseFlagAsValue(args: readonly string[]): void {
  for (const [index, arg] of args.entries()) {
    const value = args[index + 1];
    if (arg === "--") return;
    if (/^--(to|text|config|timeout|limit|url|dir)$/.test(arg) && value !== undefined && /^--\w/.test(value))
      throw new CommandError(EXIT.usage, `The value of ${arg} is missing: "${value}" looks like an option`, {
        hint: `if it is meant as the value, write ${arg}=${value}`,
      });
  }
}

function once(value: string, previous: string | undefined): string {
  if (previous !== undefined) throw new InvalidArgumentError("It is given twice.");
  return value;
}

function parseSeconds(value: string): number {
  const seconds = Number(value);
  if (!(seconds >= 1 && seconds <= 3600)) throw new InvalidArgumentError("It must be 1 to 3600 seconds.");
  return seconds;
}

function parseCount(value: string): number {
  if (!/^#?[1-9]\d{0,9}$/.test(value)) throw new InvalidArgumentError("It must be a positive whole number.");
  return Number(value.replace("#", ""));
}
