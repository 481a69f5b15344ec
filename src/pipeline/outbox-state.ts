/**
 * Where a message of ours is on its way:
 *
 *     (new)        → queued      an answer, or a send that the rules let through; `held` while the window is closed
 *     held         → queued      the person writes
 *     held         → dead        nobody wrote within 7 days ("not-opened")
 *     queued       → sending     somebody claims it; a person's messages go one by one, in order
 *     queued, held → dead        its sender takes it back ("withdrawn"), an earlier part did not leave, or nobody can be reached
 *     sending      → accepted    WhatsApp took it
 *     sending      → queued      it certainly did not leave, and may later: too fast, or blocked ("credentials", "account")
 *     sending      → dead        WhatsApp refused it (its code)
 *     sending      → doubt       no answer came, or whoever sent it died
 *     doubt        → sending     it is looked up; then accepted, queued (it did not leave), doubt again, or dead ("unknown")
 *     (any)        → accepted    a status says that it left; the parts behind it, which were given up with it, are queued again
 *     (any)        → dead        a status says that it was not delivered (its code)
 *     dead         → queued      somebody wants it sent again (`wa-cli outbox retry`)
 */
export const OUTBOX_STATES = ["held", "queued", "sending", "doubt", "accepted", "dead"] as const;
export type OutboxState = (typeof OUTBOX_STATES)[number];

/** What somebody has to mend before anything can be sent. */
export type Blocker = "credentials" | "account";

/** Why it waits or was given up, in our own words; otherwise the provider's code says it. */
export type OutboxCode = Blocker | "unknown" | "withdrawn" | "not-opened";

interface Row {
  readonly state: OutboxState;
  readonly code: string | null;
}

/** It waits for somebody to mend the account or the key. */
export function isBlocked({ state, code }: Row): boolean {
  return state === "queued" && isBlocker(code);
}

/** Its sender was told that it did not leave, and to send it anew: it counts as never sent. */
export function isWithdrawn({ state, code }: Row): boolean {
  return state === "dead" && (code === "withdrawn" || isBlocker(code));
}

/** It was given up, and may have left all the same. */
export function mayHaveLeft({ state, code }: Row): boolean {
  return state === "dead" && code === "unknown";
}

function isBlocker(code: string | null): boolean {
  return code === "credentials" || code === "account";
}
