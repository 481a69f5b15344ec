import type { NewOutgoing } from "../../src/pipeline/outbox.ts";
import type { SqliteOutbox } from "../../src/store/outbox.ts";

/** Queues what answers no question, as `wa-cli send` does when no rule is against it; returns the ids. */
export async function enqueue(
  outbox: Pick<SqliteOutbox, "admit">,
  messages: readonly NewOutgoing[],
  now: number,
): Promise<readonly number[]> {
  const since = { toPerson: 0, toAll: 0 };
  const admitted = await outbox.admit({ messages, since, judge: () => undefined }, now);
  return admitted.kind === "refused" ? [] : admitted.ids;
}
