import type { Content } from "../content.ts";

/** So long after a person's last message anything may be sent to them; later, only templates that Meta approved. */
export const WINDOW_MS = 86_400_000;

/** Meta's code for a message that came too late; callers are told it before Meta is asked, too. */
export const WINDOW_CODE = "131047";

/** Whether a person may be sent more than templates. */
export type ReplyWindow =
  | { readonly kind: "open"; readonly until: number }
  | { readonly kind: "closed"; readonly since: number }
  /** No message of theirs is known. */
  | { readonly kind: "unknown" };

/** `openedAt` is when the person last wrote, on WhatsApp's clock. */
export function windowOf(openedAt: number | undefined, now: number): ReplyWindow {
  if (openedAt === undefined) return { kind: "unknown" };
  const end = Math.min(openedAt, now) + WINDOW_MS;
  return now < end ? { kind: "open", until: end } : { kind: "closed", since: end };
}

/**
 * True for what a person writes. Whether a reaction opens the window is documented nowhere, so it does not count: a send
 * that is refused here costs less than one that Meta refuses. Edits, deletions and news of an account are no messages.
 */
export function opensWindow({ type }: Content): boolean {
  return type !== "reaction" && type !== "edit" && type !== "revoke" && type !== "system";
}
