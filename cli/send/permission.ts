import type { Config } from "../../src/config/config.ts";
import type { Admitted } from "../../src/pipeline/admission.ts";
import {
  judge,
  type Permission,
  type SendDecision,
  type SenderRights,
} from "../../src/pipeline/send-gate.ts";
import type { Recipient, Refusal } from "../../src/pipeline/send-policy.ts";
import { WINDOW_CODE, type ReplyWindow } from "../../src/pipeline/window.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { usage } from "./options.ts";
import type { SendReport } from "./report.ts";

/** Every message counts, and whoever is not known to have written did not. */
const RIGHTS: SenderRights = { mayAnswer: false, unknownWindow: "closed" };

export interface Judgement {
  readonly decision: SendDecision;
  /** How it would go if they wrote just now and nobody here knows; undefined when it goes already, or would not either. */
  readonly ifWritten: Permission | undefined;
}

export function judgeSend(
  person: Recipient,
  { send, security: { roles } }: Config,
  { isTemplate, ownPhone }: { readonly isTemplate: boolean; readonly ownPhone: string | undefined },
): Judgement {
  const now = Date.now();
  const circumstances = { roles, ownPhone, now, isTemplate, ...RIGHTS };
  const decision = judge(person, send, circumstances);
  const ifWritten = judge({ to: person.to, openedAt: now }, send, circumstances);
  const isBetter = decision.kind !== "send" && ifWritten.kind === "send";
  return { decision, ifWritten: isBetter ? ifWritten : undefined };
}

/** @throws CommandError that says why the person may not be written to */
export function requirePermission(decision: SendDecision): Permission {
  if (decision.kind === "refused") throw refused(decision.refusal);
  if (decision.kind === "closed") throw closed(decision.window);
  return decision;
}

/** The rows, new or of the same send before. @throws CommandError */
export function requireAdmitted(admitted: Admitted): Exclude<Admitted, { readonly kind: "refused" }> {
  if (admitted.kind === "refused") throw refused(admitted.refusal);
  if (admitted.kind === "queued" || admitted.isSame) return admitted;
  throw usage(
    "The idempotency key was given before, for another message",
    "give each message a key of its own",
  );
}

export function refused({ rule, message, hint }: Refusal): CommandError {
  const report = { status: "refused", code: rule } satisfies SendReport;
  return new CommandError(EXIT.usage, `Not sent (${rule}): ${message}`, { hint, report });
}

function closed(window: Exclude<ReplyWindow, { readonly kind: "open" }>): CommandError {
  const why =
    window.kind === "closed"
      ? `the 24-hour window is closed since ${new Date(window.since).toISOString()}: WhatsApp takes only templates until the person writes again`
      : "no message of this person is known, so the 24-hour window is not open: WhatsApp takes only templates until they write (where no wa-poller runs that sees them write, set send.check_window = false)";
  const report = { status: "failed", code: WINDOW_CODE } satisfies SendReport;
  return new CommandError(EXIT.undeliverable, `Not sent: ${why}`, {
    hint: "send an approved template (--template NAME), or wait until they write; send.on_closed can hold messages until then",
    report,
  });
}
