/** How far a message got that WhatsApp took. */
export const DELIVERY_STATES = ["sent", "delivered", "read", "played", "failed"] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Either it failed or it was delivered, so both are as far. */
const RANK: Readonly<Record<DeliveryState, number>> = {
  sent: 1,
  failed: 2,
  delivered: 2,
  read: 3,
  played: 4,
};

/** Statuses come out of order and more than once; what was delivered did not fail, and what failed may still arrive. */
export function isProgress(before: DeliveryState | null, after: DeliveryState): boolean {
  if (before === null) return true;
  if (before === "failed") return RANK[after] >= RANK.delivered && after !== "failed";
  return RANK[after] > RANK[before];
}

/** What failed got nowhere. */
export function isAsFarAs(status: DeliveryState | null, goal: Exclude<DeliveryState, "failed">): boolean {
  return status !== null && status !== "failed" && RANK[status] >= RANK[goal];
}
