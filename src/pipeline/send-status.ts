/** How far a row of the outbox is. */
export type OutboxState = "held" | "queued" | "sending" | "doubt" | "accepted" | "dead";

/** The same, in the words that whoever sent it gets. */
export type SendStatus = "accepted" | "held" | "queued" | "unknown" | "failed";

/** What is being sent or was given up in doubt may have left: it must not be sent again (promise P7). */
export function sendStatus(row: { readonly state: OutboxState; readonly code: string | null }): SendStatus {
  switch (row.state) {
    case "accepted":
    case "held":
    case "queued":
      return row.state;
    case "sending":
    case "doubt":
      return "unknown";
    case "dead":
      return row.code === "unknown" ? "unknown" : "failed";
  }
}
