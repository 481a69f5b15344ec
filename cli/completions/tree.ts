import type { Argument, Command, Option } from "commander";

/** What can be typed after one command of the program. */
export interface Node {
  /** From the program's name on: `""`, `" outbox"`, `" outbox list"`. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly Flag[];
  /** Values of its arguments, where they are known. */
  readonly choices: readonly string[];
}

export interface Word {
  readonly name: string;
  readonly about: string;
  /** Where it leads: an alias leads to what it stands for. */
  readonly path: string;
}

export interface Flag {
  /** `--to`, and `-h` if there is a short one. */
  readonly names: readonly string[];
  readonly about: string;
  /** What follows it. */
  readonly value: "none" | "file" | "other";
  readonly choices: readonly string[];
}

/** Every command of the program with what it takes, read from the program itself. */
export function readTree(command: Command, path = ""): readonly Node[] {
  const below = visibleCommands(command);
  const node = {
    path,
    commands: below.flatMap((one) => wordsOf(one, path)),
    options: uniqueFlags([command, ...below.filter((one) => one.name() === defaultName(command))]),
    choices: command.registeredArguments.flatMap(({ argChoices }: Argument) => argChoices ?? []),
  };
  return [node, ...below.flatMap((one) => readTree(one, `${path} ${one.name()}`))];
}

/** Every option of the program that takes a value, with the path of its command. */
export function valueFlags(tree: readonly Node[]): readonly { readonly path: string; readonly flag: Flag }[] {
  return tree.flatMap(({ path, options }) =>
    options.filter(({ value }) => value !== "none").map((flag) => ({ path, flag })),
  );
}

/** The help command explains commands, which `--help` does too. */
function visibleCommands(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");
}

function wordsOf(command: Command, path: string): Word[] {
  const [about = ""] = command.description().split("\n");
  const target = `${path} ${command.name()}`;
  return [command.name(), ...command.aliases()].map((name) => ({ name, about, path: target }));
}

/** The command that runs when none is named; commander has no public way to ask. */
function defaultName(command: Command): unknown {
  return Reflect.get(command, "_defaultCommandName");
}

function uniqueFlags(commands: readonly Command[]): readonly Flag[] {
  const flags = commands.flatMap((one) => one.createHelp().visibleOptions(one).map(readFlag));
  return [...new Map(flags.map((flag) => [flag.names[0], flag])).values()];
}

function readFlag({ long, short, description, flags, argChoices, required, optional }: Option): Flag {
  const names = [long, short].filter((name) => name !== undefined && name !== null);
  const takesValue = required || optional;
  const value = !takesValue ? "none" : /[<[](?:[\w-]+-)?file\b/i.test(flags) ? "file" : "other";
  return { names, about: description, value, choices: argChoices ?? [] };
}
