import { readFileSync } from "node:fs";
import { createFetch } from "../../src/http.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { settleAccount, takeAccount } from "../init/account.ts";
import { settleDelivery, takeDelivery } from "../init/delivery.ts";
import { Draft } from "../init/draft.ts";
import { settleGateway, takeGateway } from "../init/gateway.ts";
import { settlePeople, takePeople } from "../init/people.ts";
import { NoAnswerError, Prompt } from "../init/prompt.ts";
import { checkText, save } from "../init/save.ts";
import type { InitOptions, Setup } from "../init/setup.ts";
import { editToml } from "../init/toml.ts";
import { print, type Io } from "../io.ts";

const TAKEN = [takeAccount, takePeople, takeDelivery, takeGateway] as const;
const STEPS = [settleAccount, settlePeople, settleDelivery, settleGateway] as const;

/** Asks for what is missing, checks each answer, and writes the configuration. */
export async function init(io: Io, options: InitOptions): Promise<void> {
  const draft = new Draft(io.env, options.config);
  using prompt = new Prompt(io, { isSilent: options.yes === true });
  await using fetch = createFetch();
  const setup = { io, options, draft, prompt, fetch };
  if (draft.source !== undefined) prompt.say(`Found ${draft.source}`);
  for (const take of TAKEN) take(setup);
  await settle(setup);
  const { changes, secrets } = draft.changes();
  for (const variable of draft.overridden())
    prompt.say(`! ${variable} in the environment wins over the file: unset it`);
  const { next, service } = nextCommands(setup);
  const json = { file: draft.path, secrets: secrets.map(({ path }) => path), next };
  const instead = `${service}    # instead of wa-poller, to have it run from now on`;
  const andNow = `\nNow:\n${[...next, instead].map((command) => `  ${command}`).join("\n")}`;
  if (changes.length === 0) {
    const text = `Nothing is missing in ${draft.source ?? draft.path}${andNow}`;
    return print(io, { json: { ...json, changed: false, backups: [] }, text }, options.json);
  }
  if (!(await mayChange(setup)))
    throw new CommandError(EXIT.failed, `${draft.path} is as it was`, {
      hint: "another file: --config FILE",
    });
  const old = draft.source === undefined ? undefined : readFileSync(draft.source, "utf8");
  io.signal.throwIfAborted();
  checkText(draft.path, editToml(old, draft.changes({ isInline: true }).changes), io.env);
  const { backups } = save(draft.path, editToml(old, changes), secrets);
  const lines = [
    `Written: ${[draft.path, ...json.secrets].join("\n         ")}`,
    ...backups.map((backup) => `Before:  ${backup}`),
    ...describeMeta(setup),
  ];
  print(io, { json: { ...json, changed: true, backups }, text: lines.join("\n") + andNow }, options.json);
}

/** Every step; without anybody to ask, all that is missing is named at once. */
async function settle(setup: Setup): Promise<void> {
  const missing: NoAnswerError[] = [];
  for (const step of STEPS)
    try {
      await step(setup);
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error;
      missing.push(error);
      if (setup.prompt.canAsk) break;
    }
  if (missing.length === 0) return;
  const flags = missing.map(({ flag }) => flag);
  const what = setup.prompt.canAsk ? (missing[0]?.message ?? "") : `Missing: ${flags.join(", ")}`;
  throw new CommandError(EXIT.usage, `${what}; nothing was written`, {
    hint: `give ${flags.join(", ")}, or run it at a terminal`,
    report: { missing: flags },
  });
}

async function mayChange({ draft, prompt, options }: Setup): Promise<boolean> {
  if (draft.source !== draft.path || options.yes === true) return true;
  const text = `Change ${draft.path}? What is there now is kept beside it (yes, no)`;
  try {
    const answer = await prompt.ask({ text, flag: "--yes", fallback: "yes" });
    return /^y(es)?$/i.test(answer);
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    throw new CommandError(EXIT.usage, `${draft.path} is there already; nothing was written`, {
      hint: "give --yes to change it, or another file with --config",
    });
  }
}

function nextCommands({ draft, options }: Setup): {
  readonly next: readonly string[];
  readonly service: string;
} {
  const file = options.config === undefined ? "" : ` --config ${quote(draft.path)}`;
  const [preflight, poller] = [`wa-cli preflight${file}`, `wa-poller${file}`];
  // Meta asks the running daemon, and its app has to be subscribed.
  const next = draft.provider === "meta" ? [poller, `${preflight} --fix`] : [preflight, poller];
  return { next, service: `wa-poller service install${file}` };
}

/** What has to be entered in Meta's own dashboard. */
function describeMeta({ draft }: Setup): string[] {
  if (draft.provider !== "meta") return [];
  const url = draft.text("delivery.mode") === "domain" ? draft.text("webhook.url") : undefined;
  return [
    `Meta's app dashboard (WhatsApp, Configuration) wants the callback URL${url === undefined ? " that wa-poller says" : ` ${url}`},`,
    "the verify token, and a subscription to messages",
  ];
}

function quote(path: string): string {
  return /^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
