import { Argument, Option, type Command } from "commander";
import type { Io } from "../io.ts";
import { collectWords, once, word } from "../values.ts";
import { withCommon } from "./options.ts";

/** Commands that prepare the configuration, the webhook, the shell and the agent, or check what is prepared. */
export function addSettingUp(program: Command, io: Io): void {
  addInit(program, io);
  addPreflight(program, io);
  addWebhook(program, io);
  addCompletions(program, io);
  addSkill(program, io);
}

function addInit(program: Command, io: Io): void {
  withCommon(program.command("init"))
    .description("ask for what is missing, check each answer, and write the configuration")
    .option("--yes", "ask nothing: take what is given and found, and change an existing file")
    .addOption(new Option("--provider <name>", "who carries the messages").choices(["kapso", "meta"]))
    .option(
      "--key-file <file>",
      "Kapso's API key, or Meta's access token; copied beside the configuration",
      word,
    )
    .option("--phone-number-id <id>", "our number; the only one that the key can see is found", word)
    .option("--allow <people>", "who may write: numbers, everybody or nobody; can be repeated", collectWords)
    .addOption(
      new Option("--mode <mode>", "how messages come in").choices(["polling", "tailscale", "domain"]),
    )
    .option("--url <url>", "public address, with --mode domain", word)
    .option("--app-secret-file <file>", "Meta: what signs its webhooks", word)
    .option("--verify-token-file <file>", "Meta: the word that its dashboard gets too (default: made)", word)
    .option("--gateway-url <url>", "OpenClaw gateway (default: the one on this machine)", word)
    .option("--gateway-token-file <file>", "its token", word)
    .addHelpText(
      "after",
      `
Examples:
  wa-cli init
  wa-cli init --yes --key-file key.txt --allow +15551234567
  wa-cli init --yes --provider meta --key-file token.txt --app-secret-file secret.txt \\
    --phone-number-id 123456789012345 --allow +15551234567 --mode domain --url https://bot.example.com/webhook
  printf '%s\\n' "$KEY" "" +15551234567 "" "" | wa-cli init --provider kapso

What the environment and an existing file say is not asked. Without a terminal each answer is one line of
standard input. Secrets go into files of their own beside the configuration, all closed to others.`,
    )
    .action(async (options) => {
      const { init } = await import("../commands/init.ts");
      await init(io, options);
    });
}

function addSkill(program: Command, io: Io): void {
  const skill = program
    .command("skill")
    .description("the skill that tells an agent how to use this program")
    .addHelpText(
      "afterAll",
      `
Examples:
  wa-cli skill install
  wa-cli skill install --dir ~/.openclaw/workspace/skills
  wa-cli skill path
  wa-cli skill show --json`,
    );
  skill
    .command("install")
    .description("put it where OpenClaw looks for skills, or bring it up to date there")
    .option("--dir <folder>", "another folder of skills (default: that of OpenClaw's state folder)", once)
    .option("--force", "replace another skill of the same name")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false)
    .action(async (options) => {
      const { skillInstall } = await import("../commands/skill.ts");
      skillInstall(io, options);
    });
  skill
    .command("path")
    .description("where the file is that came with this program")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false)
    .action(async (options) => {
      const { skillPath } = await import("../commands/skill.ts");
      skillPath(io, options);
    });
  skill
    .command("show")
    .description("print it")
    .option("--json", "one JSON document on standard output")
    .allowExcessArguments(false)
    .action(async (options) => {
      const { skillShow } = await import("../commands/skill.ts");
      skillShow(io, options);
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
      const { preflight } = await import("../commands/preflight.ts");
      await preflight(io, options);
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
      const { list } = await import("../commands/webhook.ts");
      await list(io, options);
    });
  withCommon(webhook.command("register"))
    .description("register ours, move it to the present address, or switch it on again")
    .option("--url <url>", "public address (default: webhook.url, or that of the running Funnel)", once)
    .action(async (options) => {
      const { register } = await import("../commands/webhook.ts");
      await register(io, options);
    });
  withCommon(webhook.command("remove"))
    .description("take ours away; other people's are not touched")
    .action(async (options) => {
      const { remove } = await import("../commands/webhook.ts");
      await remove(io, options);
    });
}

function addCompletions(program: Command, io: Io): void {
  program
    .command("completions")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish"]))
    .description("print the completions of a shell")
    .allowExcessArguments(false)
    .addHelpText(
      "after",
      `
Examples:
  echo 'eval "$(wa-cli completions bash)"' >> ~/.bashrc
  echo 'eval "$(wa-cli completions zsh)"' >> ~/.zshrc     (below compinit)
  wa-cli completions fish > ~/.config/fish/completions/wa-cli.fish`,
    )
    .action(async (shell: "bash" | "zsh" | "fish") => {
      const { completions } = await import("../commands/completions.ts");
      completions(io, program, shell);
    });
}
