import { z } from "zod";
import { duration, setting, type Setting } from "./setting.ts";

/** Keys of the section [send]. */
export const SEND = {
  settle: setting(
    duration("30s", { min: "1s", max: "10m" }),
    "WA_SETTLE",
    "a send of unknown outcome must be missing from Kapso's list this long before it is sent again",
  ),
  allow_to: setting(
    z.array(z.string()).default(["roles", "recent"]),
    "WA_SEND_ALLOW_TO",
    'who may be written to: "roles", "recent" (wrote in the last 24 h), numbers, BSUIDs, "*" for everybody',
  ),
  per_recipient: setting(
    z.int().min(0).default(60),
    "WA_SEND_PER_RECIPIENT",
    "messages to one person in a window, besides answers; 0 is no limit",
  ),
  per_recipient_window: setting(
    duration("1h", { min: "1m", max: "7d" }),
    "WA_SEND_PER_RECIPIENT_WINDOW",
    "length of that window",
  ),
  per_day: setting(
    z.int().min(0).default(1000),
    "WA_SEND_PER_DAY",
    "messages to everybody together in 24 hours, besides answers; 0 is no limit",
  ),
  on_closed: setting(
    z
      .string()
      .regex(
        /^(fail|hold|template:[a-z0-9_]{1,512}(:[a-z]{2,3}(_[A-Za-z]{2,4})?)?)$/,
        'must be "fail", "hold" or "template:NAME", with a language if it is not en_US: "template:NAME:de"',
      )
      .default("fail"),
    "WA_SEND_ON_CLOSED",
    'a message for a person who did not write in the last 24 h: "fail" refuses it, "hold" keeps it until they write, "template:NAME" (or "template:NAME:de") also sends that template',
  ),
  check_window: setting(
    z.boolean().default(true),
    "WA_SEND_CHECK_WINDOW",
    "false leaves the judgement of the 24-hour window to WhatsApp",
  ),
  own_number: setting(
    z.string().min(1).optional(),
    "WA_SEND_OWN_NUMBER",
    "the bridge's own number, which is never written to; learnt from the provider otherwise",
  ),
} as const satisfies Record<string, Setting>;
