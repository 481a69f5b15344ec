import { parseIdentity } from "../../src/message.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import type { Setup } from "./setup.ts";

/** What the command line says of it. @throws CommandError */
export function takePeople(setup: Setup): void {
  const { allow } = setup.options;
  if (allow === undefined) return;
  const asked = readPeople(allow.join(","));
  if ("fault" in asked) throw new CommandError(EXIT.usage, `--allow: ${asked.fault}`);
  admit(setup, asked);
}

/** Who may write: people, everybody, or nobody yet. */
export async function settlePeople(setup: Setup): Promise<void> {
  const { draft, prompt, options } = setup;
  if (options.allow !== undefined) return;
  const isKnown = draft.hasRoles || draft.list("security.allowed_numbers").length > 0;
  if (isKnown || draft.text("security.mode") === "open") return;
  for (;;) {
    const text = 'Who may write? Numbers with country code, with commas; "everybody"; "nobody" for now';
    const asked = readPeople(await prompt.ask({ text, flag: "--allow" }));
    if ("people" in asked) return admit(setup, asked);
    prompt.say(`  ${asked.fault}`);
  }
}

type People =
  | {
      readonly people: readonly string[] | "everybody";
      /** Numbers as they were taken that came without `+`: one of this country's own would be somebody else's. */
      readonly bare?: readonly string[];
    }
  | { readonly fault: string };

function readPeople(text: string): People {
  const words = text
    .split(/[,;\n]/)
    .map((word) => word.trim())
    .filter((word) => word !== "");
  const [first = ""] = words;
  if (words.length === 0) return { fault: "Nobody is named" };
  if (words.length === 1 && /^(\*|everybody)$/i.test(first)) return { people: "everybody" };
  if (words.length === 1 && /^nobody$/i.test(first)) return { people: [] };
  const people: string[] = [];
  const bare: string[] = [];
  for (const word of words) {
    const { phone, bsuid } = parseIdentity(word) ?? {};
    const person = phone === undefined ? bsuid : `+${phone}`;
    if (person === undefined)
      return { fault: `"${word}" is neither an international number such as +15551234567 nor a BSUID` };
    people.push(person);
    if (phone !== undefined && !/^(\+|00)/.test(word)) bare.push(person);
  }
  return { people, bare };
}

function admit(
  { draft, prompt }: Setup,
  { people, bare = [] }: Extract<People, { readonly people: unknown }>,
): void {
  if (people === "everybody") {
    draft.set("security.mode", "open");
    return prompt.say("! people   anybody who knows the number can make the agent work: see its tool policy");
  }
  if (people.length === 0) return prompt.say("! people   nobody may write yet: security.allowed_numbers");
  const all = [...new Set([...draft.list("security.allowed_numbers"), ...people])];
  draft.set("security.allowed_numbers", all);
  prompt.say(`${bare.length === 0 ? "✓" : "!"} people   ${all.join(", ")}`);
  for (const number of bare)
    prompt.say(
      `  → is ${number} with its country code? It was given without +, and somebody else may have it`,
    );
}
