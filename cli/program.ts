import { Command, Option } from "commander";
import { VERSION } from "../src/version.ts";
import { visibleLines } from "../src/visible.ts";
import type { Io, Run } from "./io.ts";
import { addMcp } from "./mcp/command.ts";
import { withCommon } from "./options.ts";
import { addSeeing } from "./seeing.ts";
import { MEDIA_KINDS, WAITS } from "./send/options.ts";
import { addSettingUp } from "./setting-up.ts";
import { once, parseTimeout, collect, parseCount } from "./values.ts";

const EXAMPLES = `
Examples:
  wa-cli init
  wa-cli send --to +15551234567 --text "Your table is ready"
  echo "Long report" | wa-cli send --to +15551234567
  wa-cli status --json
  wa-cli preflight

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration, 4 credentials refused,
5 not deliverable, 6 outcome unknown (do not repeat), 7 temporary (try again)`;

const SEND_EXAMPLES = `
Examples:
  wa-cli send --to +15551234567 --text "On my way"
  wa-cli send +15551234567 On my way
  wa-cli send --to +15551234567 < report.md
  wa-cli send --to +15551234567 --media photo.jpg --caption "The garden"
  wa-cli send --to +15551234567 --media note.ogg --as voice
  wa-cli send --to +15551234567 --location 48.2082,16.3738,Vienna
  wa-cli send --to +15551234567 --contact ana.vcf
  wa-cli send --to +15551234567 --react wamid.HBgL… 👍
  wa-cli send --to +15551234567 --reply-to wamid.HBgL… --text "Yes"
  wa-cli send --to +15551234567 --text "Shall I book it?" --buttons "Yes|No"
  wa-cli send --to +15551234567 --text "Which day?" --list days.toml
  wa-cli send --to +15551234567 --text "Your ticket" --link "Open=https://example.com/t/1"
  wa-cli send --to +15551234567 --template order_ready --lang en_US --param name=Ana
  wa-cli send --to +15551234567 --text "Done" --wait delivered --timeout 30s
  wa-cli send --to +15551234567 --text "Paid" --idempotency-key invoice-4711

Exit codes: 2 also when send.allow_to or a cap is against it, 5 when the 24-hour window is closed,
6 when it is unknown what became of it (do not repeat), 7 when nothing left (try again)`;

/** The command line; `run` runs another one, for commands that answer with others. Each command's code is loaded only when it runs: start-up is part of the product. */
export function createProgram(io: Io, run: Run): Command {
  const program = new Command("wa-cli")
    .description("Sends WhatsApp messages, and shows and checks what wa-poller does")
    .version(VERSION)
    .addHelpText("after", EXAMPLES)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // What was typed may be of others, and is repeated here.
      writeErr: (text) => io.stderr.write(visibleLines(text)),
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
  addSeeing(program, io);
  addSettingUp(program, io);
  addMcp(program, io, run);
  return program;
}

function addSend(program: Command, io: Io): void {
  withCommon(program.command("send [words...]"))
    .description("send a message; prints the id that WhatsApp gave it")
    .option(
      "--to <who>",
      "a number in any international spelling, a BSUID, or contact:+… for somebody known",
      once,
    )
    .option("--text <text>", "what to say; else the words, else standard input", once)
    .option("--media <file|url>", "a file of this machine, or an address of the web", once)
    .addOption(new Option("--as <kind>", "send the file as this, or not at all").choices([...MEDIA_KINDS]))
    .option("--caption <text>", "what stands below the file", once)
    .option("--filename <name>", "what a document is called", once)
    .option("--location <lat,lon[,name]>", "a place", once)
    .option("--contact <file.vcf>", "contact cards", once)
    .option("--react <wamid>", 'react to a message: --react wamid.… 👍; "" takes it back', once)
    .option("--reply-to <wamid>", "quote a message", once)
    .option("--buttons <titles>", 'up to three buttons below the text: "Yes|No"', once)
    .option("--list <file>", "a list to choose from (TOML or JSON) below the text", once)
    .option("--link <title=url>", "a button below the text that opens an address", once)
    .option("--template <name>", "a template that Meta approved", once)
    .option("--lang <code>", "its language (default: en_US)", once)
    .option("--param <name=value>", "what fills it in; give it again for more", collect)
    .option("--no-markdown", "send the text as it is")
    .option("--dry-run", "show exactly what would leave, and send nothing")
    .addOption(new Option("--wait <status>", "how far it has to get").choices([...WAITS]).default("accepted"))
    .option("--timeout <time>", "give up after this long: 20, 30s, 2m", parseTimeout, 20)
    .option("--idempotency-key <key>", "the same key never sends twice, for 8 days", once)
    .addHelpText("after", SEND_EXAMPLES)
    .action(async (words: string[], options) => {
      const { send } = await import("./commands/send.ts");
      await send(io, { ...options, words });
    });
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
  const outbox = program
    .command("outbox")
    .description("messages that wait, are in doubt or were given up")
    .addHelpText(
      "afterAll",
      `
Examples:
  wa-cli outbox
  wa-cli outbox list --all --json
  wa-cli outbox retry 12
  wa-cli outbox drop 12`,
    );
  withCommon(outbox.command("list", { isDefault: true }))
    .description("list them, oldest first")
    .option("--all", "accepted ones too")
    .option("--reveal", "numbers and ids whole instead of masked")
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
    .option("--force", "also one that may have left already")
    .action(async (id: number, options) => {
      const { drop } = await import("./commands/outbox.ts");
      await drop(io, { ...options, id });
    });
}

function addWebhook(program: Command, io: Io): void {
  const webhook = program
    .command("webhook")
    .description("the webhook that Kapso delivers to (Meta's is set in its app dashboard)")
    .addHelpText(
      "afterAll",
      `
Examples:
  wa-cli webhook
  wa-cli webhook list --json
  wa-cli webhook register --url https://bot.example.com/webhook
  wa-cli webhook remove`,
    );
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
