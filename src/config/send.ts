import { maskPerson } from "../mask.ts";
import { parsePhone } from "../phone.ts";
import type { OnClosed, SendPolicy } from "../pipeline/send-policy.ts";
import { readPerson } from "./person.ts";
import type { Values } from "./settings.ts";

export interface SendConfig extends SendPolicy {
  readonly settleMs: number;
  /** Digits of the bridge's own number, if it is configured. */
  readonly ownPhone: string | undefined;
}

const DAY_MS = 86_400_000;
const SETTING = "send.allow_to (WA_SEND_ALLOW_TO)";
const OTHERS = ', "roles", "recent" or "*"';
const WORDS: ReadonlySet<string> = new Set(["*", "roles", "recent"]);

export function readSend({ send }: Values, problems: string[]): SendConfig {
  const words = new Set(send.allow_to);
  const people = send.allow_to.filter((entry) => !WORDS.has(entry));
  const ownPhone = send.own_number === undefined ? undefined : parsePhone(send.own_number);
  if (send.own_number !== undefined && ownPhone === undefined)
    problems.push(
      `send.own_number: "${maskPerson(send.own_number)}" is no international number such as "+15551234567"`,
    );
  return {
    settleMs: send.settle,
    allowTo: {
      everybody: words.has("*"),
      roles: words.has("roles"),
      recent: words.has("recent"),
      people: new Set(people.map((person) => readPerson(person, SETTING, problems, OTHERS))),
    },
    perRecipient: { max: send.per_recipient, windowMs: send.per_recipient_window },
    perDay: { max: send.per_day, windowMs: DAY_MS },
    onClosed: readOnClosed(send.on_closed),
    checkWindow: send.check_window,
    ownPhone,
  };
}

function readOnClosed(text: string): OnClosed {
  if (text === "fail" || text === "hold") return { kind: text };
  const [, name = "", language = "en_US"] = text.split(":");
  return { kind: "template", name, language };
}
