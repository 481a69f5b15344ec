import type { Config } from "../../src/config/config.ts";
import type { Identity } from "../../src/message.ts";
import { refusePerson, type Refusal } from "../../src/pipeline/conscience.ts";
import { windowOf, type ReplyWindow } from "../../src/pipeline/window.ts";
import { CommandError, EXIT } from "../exit-code.ts";

/** What has to be known before somebody is written to. */
export interface Known {
  readonly to: Identity;
  readonly openedAt: number | undefined;
  readonly ownPhone: string | undefined;
}

/** What is done about the window: send, or wait until the person writes, perhaps with a template to ask them to. */
export type Passage =
  | { readonly kind: "open" }
  | { readonly kind: "hold"; readonly window: ReplyWindow }
  | {
      readonly kind: "template";
      readonly window: ReplyWindow;
      readonly name: string;
      readonly language: string;
    };

/** @throws CommandError with the name of the rule */
export function requireAllowed({ to, openedAt, ownPhone }: Known, { send, security }: Config): void {
  const policy = { ...send, roles: security.roles };
  const refusal = refusePerson({ to, openedAt }, policy, { ownPhone, now: Date.now() });
  if (refusal) throw refused(refusal);
}

export function refused({ rule, message, hint }: Refusal): CommandError {
  return new CommandError(EXIT.usage, `Not sent (${rule}): ${message}`, {
    hint,
    report: { status: "refused", rule },
  });
}

/** @throws CommandError when the window is closed and the configuration says no more of it */
export function passWindow({ openedAt }: Known, { send }: Config): Passage {
  const window = windowOf(openedAt, Date.now());
  if (!send.checkWindow || window.kind === "open") return { kind: "open" };
  const { onClosed } = send;
  if (onClosed.kind !== "fail") return { ...onClosed, window };
  throw new CommandError(EXIT.undeliverable, `Not sent: ${describeWindow(window)}`, {
    hint: "send an approved template (--template NAME), or wait until they write; send.on_closed can hold messages until then",
    report: { status: "refused", rule: "24-hour window", window: showWindow(window) },
  });
}

export function describeWindow(window: ReplyWindow): string {
  switch (window.kind) {
    case "open":
      return `the 24-hour window is open until ${iso(window.until)}`;
    case "closed":
      return `the 24-hour window is closed since ${iso(window.since)}: WhatsApp takes only templates until the person writes again`;
    case "unknown":
      return "no message of this person is known, so the 24-hour window is not open: WhatsApp takes only templates until they write (where no wa-poller runs that sees them write, set send.check_window = false)";
  }
}

export function showWindow(window: ReplyWindow): Readonly<Record<string, string>> {
  switch (window.kind) {
    case "open":
      return { state: "open", until: iso(window.until) };
    case "closed":
      return { state: "closed", since: iso(window.since) };
    case "unknown":
      return { state: "unknown" };
  }
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
