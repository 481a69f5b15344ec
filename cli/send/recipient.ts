import type { Identity } from "../../src/message.ts";
import { isBsuid, parsePhone } from "../../src/phone.ts";
import { usage } from "./options.ts";

/** Whom `--to` names. */
export interface Named {
  readonly to: Identity;
  /** Written as `contact:…`: somebody whom the bridge knows already. */
  readonly mustBeKnown: boolean;
}

export function parseRecipient(text: string): Named {
  const mustBeKnown = text.startsWith("contact:");
  const name = mustBeKnown ? text.slice("contact:".length) : text;
  if (isBsuid(name)) return { to: { bsuid: name }, mustBeKnown };
  const phone = parsePhone(name);
  if (phone === undefined)
    throw usage(`"${text}" is no international number such as +15551234567, and no BSUID`);
  return { to: { phone }, mustBeKnown };
}

export function showRecipient({ phone, bsuid }: Identity): string | undefined {
  return phone === undefined ? bsuid : `+${phone}`;
}
