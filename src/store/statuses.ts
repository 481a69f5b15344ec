import { z } from "zod";
import type { DeliveryState, DeliveryStatus, Statuses, StatusNews } from "../pipeline/outbox.ts";
import type { Database } from "./database.ts";
import { endAnswer } from "./outbox.ts";

const statusRow = z.object({
  id: z.int(),
  contact: z.string(),
  state: z.string(),
  code: z.string().nullable(),
  wamid: z.string().nullable(),
  status: z.enum(["sent", "delivered", "read", "played", "failed"]).nullable(),
  doubtful_since: z.int().nullable(),
});

/** What WhatsApp tells of messages that left, tied to their rows in the outbox. */
export class SqliteStatuses implements Statuses {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async note(statuses: readonly DeliveryStatus[], now: number): Promise<readonly StatusNews[]> {
    if (statuses.length === 0) return [];
    return this.#db.write(() => statuses.flatMap((status) => this.#note(status, now) ?? []));
  }

  /**
   * Our message that a status is about, whatever we knew of it: by its wamid, or by the tracking id while we have none.
   * A row that is closed without a wamid left after all.
   */
  #note(found: DeliveryStatus, now: number): StatusNews | undefined {
    const { wamid, status, trackingId = null, failure, at = now } = found;
    const known =
      this.#db.get(
        "SELECT id, contact, state, code, wamid, status, doubtful_since FROM outbox WHERE wamid = :wamid",
        {
          wamid,
        },
      ) ??
      (trackingId &&
        this.#db.get(
          "SELECT id, contact, state, code, wamid, status, doubtful_since FROM outbox WHERE tracking_id = :trackingId",
          { trackingId },
        ));
    if (!known) return undefined;
    const { id, contact, ...before } = statusRow.parse(known);
    const news = { id, contact, wamid };
    const isHeardOf = this.#db.get("SELECT 1 FROM status WHERE outbox = :id AND wamid = :wamid", {
      id,
      wamid,
    });
    this.#db.run(
      "INSERT INTO status (outbox, wamid, status, at) VALUES (:id, :wamid, :status, :at) ON CONFLICT DO NOTHING",
      { id, wamid, status, at },
    );
    if (before.wamid !== null && before.wamid !== wamid)
      return isHeardOf ? undefined : { ...news, kind: "doubled" };
    const isFirst = before.wamid === null;
    if (!isFirst && !isProgress(before.status, status)) return undefined;
    const hasFailed = status === "failed";
    this.#db.run(
      `UPDATE outbox SET wamid = :wamid, status = :status, status_at = :at, state = :state, code = :code, error = :error,
         settled_at = CASE WHEN :settles THEN :now ELSE settled_at END WHERE id = :id`,
      {
        id,
        wamid,
        status,
        at,
        state: hasFailed ? "dead" : "accepted",
        code: failure?.code ?? null,
        error: failure?.error ?? null,
        settles: isFirst || hasFailed ? 1 : 0,
        now,
      },
    );
    if (!hasFailed && before.state === "dead" && before.code === "unknown") this.#goOn(id, now);
    if (hasFailed) {
      const reason = `An earlier part was not delivered: ${failure?.error ?? "no reason given"}`;
      endAnswer(this.#db, id, { code: failure?.code, error: reason }, now);
      return { ...news, kind: "failed", error: failure?.error };
    }
    return isFirst && before.doubtful_since !== null ? { ...news, kind: "settled" } : undefined;
  }

  /** It left after all: the parts behind it, which were given up with it, may follow. */
  #goOn(id: number, now: number): void {
    this.#db.run(
      `UPDATE outbox SET state = 'queued', due_at = :now, code = NULL, error = NULL, settled_at = NULL
       WHERE batch = (SELECT batch FROM outbox WHERE id = :id) AND id > :id
         AND state = 'dead' AND code = 'unknown' AND attempts = 0`,
      { id, now },
    );
  }
}

const RANK: Readonly<Record<DeliveryState, number>> = {
  sent: 1,
  failed: 2,
  delivered: 2,
  read: 3,
  played: 4,
};

/** Statuses come out of order and more than once; what was delivered did not fail, and what failed may still arrive. */
function isProgress(before: DeliveryState | null, after: DeliveryState): boolean {
  if (before === null) return true;
  if (before === "failed") return RANK[after] >= RANK.delivered && after !== "failed";
  return RANK[after] > RANK[before];
}
