import { keysOf, parseIdentity } from "../message.ts";
import { maskPerson } from "../mask.ts";

/** The key (`keysOf`) of somebody whom a setting lists; `words` is what else may stand there. */
export function readPerson(text: string, setting: string, problems: string[], words = ""): string {
  const [key] = keysOf(parseIdentity(text) ?? {});
  if (key === undefined)
    problems.push(
      `${setting}: "${maskPerson(text)}" is neither an international number such as "+15551234567" nor a BSUID${words}`,
    );
  return key ?? text;
}
