import { CommanderError } from "commander";
import { ConfigError, describeError, RelayError } from "../src/errors.ts";
import { CommandError, EXIT, exitCodeOf, type ExitCode } from "./exit-code.ts";
import { print, say, type Io } from "./io.ts";
import { createProgram } from "./program.ts";
import { refuseFlagAsValue, refuseNul, refuseOtherDashes } from "./values.ts";

/** Process → program → exit code. */
export async function main(): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(name, () => stop.abort(new CommandError(EXIT.failed, `Interrupted by ${name}`)));
  // Whoever reads the answer may go away (`| head -1`): the exit code still tells what happened.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const io: Io = {
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
    pid: process.pid,
  };
  process.exitCode = await runCli(io, process.argv.slice(2));
}

/** Runs one command line and reports how it ended. */
export async function runCli(io: Io, args: readonly string[]): Promise<ExitCode> {
  try {
    const program = createProgram(io, runCli);
    refuseNul(args);
    refuseFlagAsValue(args);
    refuseOtherDashes(args, program);
    await program.parseAsync(args, { from: "user" });
    return EXIT.done;
  } catch (error) {
    const asJson = args.includes("--json");
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.done;
      const json = { error: error.message.replace(/^error: /, ""), exitCode: EXIT.usage };
      if (asJson) print(io, { json, text: [] }, true);
      return EXIT.usage;
    }
    const exitCode = exitCodeOf(error);
    const lines = error instanceof ConfigError ? error.problems : [describeError(error)];
    const hint = error instanceof RelayError ? error.hint : undefined;
    if (asJson) {
      const report = error instanceof CommandError ? error.report : {};
      const json = { ...report, error: lines.join("; "), hint, exitCode };
      print(io, { json, text: [] }, true);
    }
    for (const line of lines) say(io, `wa-cli: ${line}`);
    if (hint !== undefined) say(io, `wa-cli: → ${hint}`);
    return exitCode;
  }
}
