import type { Identity } from "../../src/message.ts";
import { isBsuid, parsePhone } from "../../src/phone.ts";
import type { Recipient } from "../../src/pipeline/send-policy.ts";
import type { Store } from "../../src/store/store.ts";
import { usage } from "./options.ts";

/** Whom `--to` names. */
export interface NamedRecipient {
  readonly to: Identity;
  /** Written as `contact:…`: somebody whom the bridge knows already. */
  readonly mustBeKnown: boolean;
}

export function parseRecipient(text: string): NamedRecipient {
  const mustBeKnown = text.startsWith("contact:");
  const name = mustBeKnown ? text.slice("contact:".length) : text;
  if (isBsuid(name)) return { to: { bsuid: name }, mustBeKnown };
  const phone = parsePhone(name);
  if (phone === undefined)
    throw usage(`"${text}" is no international number such as +15551234567, and no BSUID`);
  return { to: { phone }, mustBeKnown };
}

/** What is stored of the person. @throws CommandError */
export function findRecipient(store: Store | undefined, { to, mustBeKnown }: NamedRecipient): Recipient {
  const person = store?.people.find(to, Date.now());
  if (mustBeKnown && !person)
    throw usage(
      "This contact is not known: nobody wrote from there",
      "without contact: anybody can be named",
    );
  return person ?? { to };
}

export function showRecipient({ phone, bsuid }: Identity): string | undefined {
  return phone === undefined ? bsuid : `+${phone}`;
}
