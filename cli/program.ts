import { Command } from "commander";
import { VERSION } from "../src/version.ts";
import { visibleLines } from "../src/visible.ts";
import type { Io, Run } from "./io.ts";
import { addMcp } from "./program/mcp.ts";
import { addSeeing } from "./program/seeing.ts";
import { addSending } from "./program/sending.ts";
import { addSettingUp } from "./program/setting-up.ts";

const EXAMPLES = `
Examples:
  wa-cli init
  wa-cli send --to +15551234567 --text "Your table is ready"
  echo "Long report" | wa-cli send --to +15551234567
  wa-cli status --json
  wa-cli preflight

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration, 4 credentials refused,
5 not deliverable, 6 outcome unknown (do not repeat), 7 temporary (try again)`;

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
  addSending(program, io);
  addSeeing(program, io);
  addSettingUp(program, io);
  addMcp(program, io, run);
  return program;
}
