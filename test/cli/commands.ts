import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { createProgram } from "../../cli/program.ts";

export interface Known {
  /** As it is typed: `outbox list`. */
  readonly path: string;
  readonly command: Command;
  /** The one above it runs it when none is named. */
  readonly isDefault: boolean;
}

/** wa-cli, to be looked at and not to be run. */
export function shownProgram(): Command {
  return createProgram(
    {
      env: {},
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      signal: new AbortController().signal,
      pid: 1,
    },
    async () => 0,
  );
}

/** Every command of wa-cli that does something by itself, as the program has them now. */
export function everyCommand(): readonly Known[] {
  return below(shownProgram(), "");
}

function below(command: Command, path: string): readonly Known[] {
  return command.commands.flatMap((each) => {
    const name = `${path} ${each.name()}`.trim();
    const isDefault = Reflect.get(command, "_defaultCommandName") === each.name();
    return each.commands.length > 0 ? below(each, name) : [{ path: name, command: each, isDefault }];
  });
}
