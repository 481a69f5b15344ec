import type { Command } from "commander";
import { bashCompletions } from "../completions/bash.ts";
import { fishCompletions } from "../completions/fish.ts";
import { readTree } from "../completions/tree.ts";
import { zshCompletions } from "../completions/zsh.ts";
import type { Io } from "../io.ts";

const SHELLS = { bash: bashCompletions, zsh: zshCompletions, fish: fishCompletions } as const;

/** Prints the script that a shell reads, made from the program as it is now. */
export function completions(io: Io, program: Command, shell: keyof typeof SHELLS): void {
  io.stdout.write(SHELLS[shell](readTree(program)));
}
