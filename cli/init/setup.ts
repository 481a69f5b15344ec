import { describeError } from "../../src/errors.ts";
import type { Fetch } from "../../src/http.ts";
import { secretLine } from "../../src/config/setting.ts";
import { readSmallFile } from "../../src/small-file.ts";
import type { Check } from "../check.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import type { Io } from "../io.ts";
import type { Draft } from "./draft.ts";
import type { Prompt } from "./prompt.ts";

/** Answers that came with the command line. */
export interface InitOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly provider?: "kapso" | "meta";
  readonly keyFile?: string;
  readonly phoneNumberId?: string;
  readonly allow?: readonly string[];
  readonly mode?: "polling" | "tailscale" | "domain";
  readonly url?: string;
  readonly appSecretFile?: string;
  readonly verifyTokenFile?: string;
  readonly gatewayUrl?: string;
  readonly gatewayTokenFile?: string;
}

/** What every step works with. */
export interface Setup {
  readonly io: Io;
  readonly options: InitOptions;
  readonly draft: Draft;
  readonly prompt: Prompt;
  readonly fetch: Fetch;
}

/** The text of the file that an option names. */
export function readSecretFile(path: string, flag: string): string {
  let text;
  try {
    text = readSmallFile(path).toString("utf8").trim();
  } catch (error) {
    throw new CommandError(EXIT.usage, `${flag}: ${describeError(error)}`);
  }
  const fault = faultOfSecret(text);
  if (fault !== undefined) throw new CommandError(EXIT.usage, `${flag}: ${path} ${fault}`);
  return text;
}

/** Why a text can not be a secret. */
export function faultOfSecret(text: string): string | undefined {
  if (text === "") return "is empty";
  return secretLine.safeParse(text).error?.issues[0]?.message;
}

/** Tells what a check found, and returns whether all is well. */
export function show({ prompt }: Setup, { name, ok, detail, hint }: Check): boolean {
  prompt.say(`${!ok ? "✗" : hint === undefined ? "✓" : "!"} ${name.padEnd(9)}${detail}`);
  if (hint !== undefined) prompt.say(`  → ${hint}`);
  return ok;
}

/**
 * A check of something that was not asked for failed: from the environment it can not be corrected here, and without
 * anybody to ask nowhere. What is left will be asked.
 * @throws CommandError
 */
export function refuseUnlessAsked(
  { draft, prompt }: Setup,
  name: string,
  { exitCode, detail, hint }: Check,
): void {
  const variable = draft.variable(name);
  if (variable !== undefined && !draft.overridden().includes(variable))
    throw new CommandError(exitCode, `${variable} in the environment is of no use: ${detail}`, {
      hint: exitCode === EXIT.credentials ? `correct ${variable}, or unset it` : hint,
    });
  if (!prompt.canAsk) throw new CommandError(exitCode, detail, { hint });
  draft.forget(name);
}

/**
 * Runs checks and shows them; what may be well in a minute is tried again for as long as the person likes. Returns what
 * failed for good.
 * @throws CommandError when there is nobody who could wait
 */
export async function verify(setup: Setup, run: () => Promise<readonly Check[]>): Promise<Check | undefined> {
  const { prompt } = setup;
  for (;;) {
    const checks = await run();
    for (const check of checks) show(setup, check);
    const failed = checks.find(({ ok }) => !ok);
    if (failed?.exitCode !== EXIT.temporary) return failed;
    if (!prompt.canAsk) throw new CommandError(failed.exitCode, failed.detail, { hint: failed.hint });
    const text = 'Enter tries again, "skip" goes on unchecked';
    if ((await prompt.ask({ text, flag: "an answer", fallback: "" })) === "skip") return undefined;
  }
}
