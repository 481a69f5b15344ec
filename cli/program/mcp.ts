import type { Command } from "commander";
import type { Io, Run } from "../io.ts";

/** `wa-cli mcp`; `run` is the way back into the program, for it answers with other commands. */
export function addMcp(program: Command, io: Io, run: Run): void {
  program
    .command("mcp")
    .description(
      "the same for an agent's host that speaks MCP (Claude Desktop and others), on standard input and output",
    )
    .option("--config <file>", "configuration file")
    .option("--allow-send", "messages may be sent too; numbers and ids are whole then, for it takes them")
    .option("--reveal", "numbers and ids whole instead of masked")
    .allowExcessArguments(false)
    .addHelpText(
      "after",
      `
Examples:
  claude mcp add whatsapp -- wa-cli mcp
  wa-cli mcp --allow-send

The host starts it by itself: docs/mcp.md has what to put into its configuration.`,
    )
    .action(async (options) => {
      const { mcp } = await import("../commands/mcp.ts");
      await mcp(io, options, run);
    });
}
