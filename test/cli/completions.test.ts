import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { World } from "./world.ts";

type Shell = "bash" | "zsh" | "fish";

const has = (shell: Shell) => spawnSync(shell, ["-c", "true"]).status === 0;

/** Presses tab behind the words in a real shell that has read the script. */
const press: Readonly<Record<Shell, (script: string, words: readonly string[], folder: string) => string>> = {
  bash: (script, words, folder) =>
    run("bash", folder, [
      "--norc",
      "-c",
      // bash itself takes "=" for a word of its own.
      `eval "$(cat ${script})"; complete -p wa-cli >/dev/null || exit 1
       COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wa_cli; printf '%s\\n' "\${COMPREPLY[@]}"`,
      "bash",
      ...words.flatMap((word) => (/^--\w+=/.test(word) ? word.split(/(=)/).filter(Boolean) : [word])),
    ]),
  zsh: (script, words, folder) =>
    run("zsh", folder, [
      "-f",
      "-c",
      // What the completion system would be asked to show: a real tab needs a terminal.
      `compdef() { [[ "$*" == "_wa_cli wa-cli" ]] || exit 1 }
       show() { for one in "$@"; do [[ $one == "\${words[CURRENT]}"* ]] && print -r -- "$one"; done }
       _describe() { show "\${(@)\${(@P)2}%%:*}" }
       compadd() { shift; show "$@" }
       compset() { words[CURRENT]="\${words[CURRENT]#*=}" }
       _files() { show *(N) }
       _message() { : }
       source ${script}; words=("$@"); CURRENT=$#; _wa_cli; true`,
      "zsh",
      ...words,
    ]),
  fish: (script, words, folder) =>
    run("fish", folder, [
      "--no-config",
      "-c",
      `source ${script}; complete -C "${words.join(" ")}"`,
    ]).replaceAll(/\t.*$/gm, ""),
};

function run(shell: Shell, folder: string, args: readonly string[]): string {
  return execFileSync(shell, args, {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder, TERM: "xterm" },
    encoding: "utf8",
    timeout: 20_000,
  });
}

async function complete(shell: Shell, words: readonly string[]): Promise<string[]> {
  await using world = await World.start();
  const folder = mkdtempSync(join(tmpdir(), "wa-completions-"));
  const script = join(folder, "script");
  writeFileSync(join(folder, "an answer.toml"), "");
  writeFileSync(script, (await world.run(["completions", shell])).out);
  const found = press[shell](script, ["wa-cli", ...words], folder);
  rmSync(folder, { recursive: true, force: true });
  return found.split("\n").filter(Boolean);
}

describe.each(
  (["bash", "zsh", "fish"] as const).map((shell) => ({
    shell,
    // A machine with nothing but Node has to pass too, and should say what it did not try.
    tried: has(shell) ? "" : " (NOT TRIED: it is not installed here)",
  })),
)("wa-cli completions $shell$tried", ({ shell, tried }) => {
  test.skipIf(tried !== "").each<readonly [string, readonly string[], readonly string[], readonly string[]]>([
    ["commands", [""], ["send", "status", "doctor", "completions"], ["list", "--to"]],
    ["a beginning", ["st"], ["status"], ["send", "--version"]],
    ["options", ["send", "--t"], ["--to", "--text", "--timeout"], ["--json", "--limit"]],
    ["commands of a command", ["outbox", ""], ["list", "retry", "drop"], ["send"]],
    ["options of the command that is meant", ["outbox", "--"], ["--all", "--limit"], ["--to"]],
    ["options behind a value", ["send", "--to", "status", "--j"], ["--json"], ["--fix"]],
    ["options of an alias", ["doctor", "--f"], ["--fix"], ["--json"]],
    ["the choices of a word", ["completions", ""], ["bash", "zsh", "fish"], ["send"]],
    ["nothing for a value that only the person knows", ["send", "--to", ""], [], ["status", "--text"]],
  ])("offers %s", async (_, words, wanted, unwanted) => {
    const found = await complete(shell, words);

    expect(found).toEqual(expect.arrayContaining([...wanted]));
    for (const word of unwanted) expect(found).not.toContain(word);
  });
});

test.skipIf(!has("bash"))("wa-cli completions bash offers files, with spaces in their names", async () => {
  expect(await complete("bash", ["status", "--config", "an"])).toEqual(["an answer.toml"]);
  expect(await complete("bash", ["status", "--config=an"])).toEqual(["an answer.toml"]);
});

test("wa-cli completions of an unknown shell is wrong usage", async () => {
  await using world = await World.start();

  expect((await world.run(["completions", "powershell"])).code).toBe(2);
  expect((await world.run(["completions"])).code).toBe(2);
});
