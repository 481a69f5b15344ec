import { Option, type Command } from "commander";
import type { Io } from "../io.ts";
import { MEDIA_KINDS, WAITS } from "../send/options.ts";
import { collect, once, parseCount, parseRow, parseTimeout } from "../values.ts";
import { withCommon } from "./options.ts";

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

/** Commands that send, and what became of it. */
export function addSending(program: Command, io: Io): void {
  addSend(program, io);
  addOutbox(program, io);
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
      const { send } = await import("../commands/send.ts");
      await send(io, { ...options, words });
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
      const { list } = await import("../commands/outbox.ts");
      await list(io, options);
    });
  withCommon(outbox.command("retry"))
    .argument("<id>", "number in the list", parseRow)
    .description("queue a message again that was given up, with the parts behind it")
    .option("--force", "also one that may have left already")
    .action(async (id: number, options) => {
      const { retry } = await import("../commands/outbox.ts");
      await retry(io, { ...options, id });
    });
  withCommon(outbox.command("drop"))
    .argument("<id>", "number in the list", parseRow)
    .description("take a message off the list without sending it")
    .option("--force", "also one that may have left already")
    .action(async (id: number, options) => {
      const { drop } = await import("../commands/outbox.ts");
      await drop(io, { ...options, id });
    });
}
