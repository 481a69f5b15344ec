import { isProgress } from "../pipeline/delivery-state.ts";
import type { DeliveryStatus, Statuses, StatusNews } from "../pipeline/outbox.ts";
import { mayHaveLeft } from "../pipeline/outbox-state.ts";
import type { Database } from "./database.ts";
import { outboxRow, type OutboxRow } from "./outbox-row.ts";
import { endAnswer } from "./outbox-write.ts";

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
      this.#find("wamid = :id", wamid) ?? (trackingId && this.#find("tracking_id = :id", trackingId));
    if (!known) return undefined;
    const { id, contact, ...before } = known;
    const news = { id, contact, wamid };
    const isDouble = before.wamid !== null && before.wamid !== wamid;
    const isNews = isDouble && !this.#isHeardOf(id, wamid);
    this.#db.run(
      "INSERT INTO status (outbox, wamid, status, at) VALUES (:id, :wamid, :status, :at) ON CONFLICT DO NOTHING",
      { id, wamid, status, at },
    );
    if (isDouble) return isNews ? { ...news, kind: "doubled" } : undefined;
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
    if (!hasFailed && mayHaveLeft(before)) this.#goOn(id, now);
    if (hasFailed) {
      const reason = `An earlier part was not delivered: ${failure?.error ?? "no reason given"}`;
      endAnswer(this.#db, id, { code: failure?.code, error: reason }, now);
      return { ...news, kind: "failed", error: failure?.error };
    }
    return isFirst && before.doubtful_since !== null ? { ...news, kind: "settled" } : undefined;
  }

  #find(where: string, id: string): OutboxRow | undefined {
    const found = this.#db.get(`SELECT * FROM outbox WHERE ${where}`, { id });
    return found && outboxRow.parse(found);
  }

  #isHeardOf(id: number, wamid: string): boolean {
    return (
      this.#db.get("SELECT 1 FROM status WHERE outbox = :id AND wamid = :wamid", { id, wamid }) !== undefined
    );
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
