import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { systemClock } from "../../src/clock.ts";
import { isCode } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { isAsFarAs } from "../../src/pipeline/delivery-state.ts";
import { Deliverer } from "../../src/pipeline/deliver.ts";
import { Lanes } from "../../src/pipeline/lanes.ts";
import type { Sender } from "../../src/pipeline/outbox.ts";
import { isBlocked, isWithdrawn } from "../../src/pipeline/outbox-state.ts";
import type { OutboxRow } from "../../src/store/outbox-row.ts";
import type { Store } from "../../src/store/store.ts";
import type { Io } from "../io.ts";
import type { Wait } from "./options.ts";

interface Delivery {
  readonly ids: readonly number[];
  readonly contact: string;
  /** Another call queued them: it may still be at work, or gone. */
  readonly isRepeated: boolean;
  readonly deadline: number;
}

const STEP_MS = 100;
const BEHIND = "An earlier message to this person is still on its way";

/** Works on the person's rows until ours are settled or time is up; then takes back what has certainly not left. */
export async function deliver(
  io: Io,
  { store, sender, settleMs }: { readonly store: Store; readonly sender: Sender; readonly settleMs: number },
  delivery: Delivery,
): Promise<readonly OutboxRow[]> {
  const { contact, deadline } = delivery;
  const by = claimant(io.pid);
  const deliverer = new Deliverer(
    { outbox: store.outbox, sender, lanes: new Lanes(1), clock: systemClock, log: silentLog },
    { by, settleMs, recordMs: Math.max(0, deadline - Date.now()) },
    io.signal,
  );
  const rows = () => readRows(store, delivery.ids);
  while (!io.signal.aborted) {
    await takeOverFromDead(store, contact);
    await deliverer.drain(contact);
    if (isOver(rows(), by, delivery)) break;
    await systemClock.sleep(Math.min(STEP_MS, Math.max(1, deadline - Date.now())), io.signal).catch(() => {});
  }
  // What can not be written now is told as it is.
  if (store.outbox.claimants(contact).includes(by))
    await store.outbox.recover(by, Date.now()).catch(() => {});
  await takeBack(store, rows()).catch(() => {});
  return rows();
}

/** Waits for what the daemon hears from WhatsApp; returns the rows as they are when it came, or when time is up. */
export async function awaitStatus(
  io: Io,
  store: Store,
  { ids, deadline }: Pick<Delivery, "ids" | "deadline">,
  wait: Exclude<Wait, "accepted">,
): Promise<readonly OutboxRow[]> {
  for (;;) {
    const rows = readRows(store, ids);
    const isSettled = rows.every((row) => row.state !== "accepted" || hasReached(row, wait));
    if (isSettled || io.signal.aborted || Date.now() >= deadline) return rows;
    await systemClock.sleep(STEP_MS, io.signal).catch(() => {});
  }
}

export function hasReached({ status }: OutboxRow, wait: Wait): boolean {
  return wait === "accepted" || isAsFarAs(status, wait);
}

export function readRows(store: Store, ids: readonly number[]): readonly OutboxRow[] {
  return ids.flatMap((id) => store.outbox.get(id) ?? []);
}

/** Takes a send off the list that was taken back as a whole; false when it was not. */
export async function dropTakenBack(store: Store, rows: readonly OutboxRow[]): Promise<boolean> {
  if (!rows.every(isWithdrawn)) return false;
  for (const { id } of rows) await store.outbox.drop(id);
  return true;
}

/** Nothing may leave later than the caller was told; what waits for the person to write goes when its head did not leave. */
async function takeBack(store: Store, rows: readonly OutboxRow[]): Promise<void> {
  const hasFailed = rows.some(({ state }) => state !== "accepted" && state !== "held");
  // From the end: what is left of it for a moment is its beginning.
  for (const { id, state, error } of rows.toReversed())
    if (state === "queued" || (state === "held" && hasFailed))
      await store.outbox.withdraw(id, error ?? BEHIND, Date.now());
}

/** True when waiting longer changes nothing for the caller. */
function isOver(rows: readonly OutboxRow[], by: string, { deadline, isRepeated }: Delivery): boolean {
  const isLate = Date.now() >= deadline;
  const doubtful = rows.find(({ state }) => state === "doubt");
  // Whoever asks again wants to know what became of it, as far as that can be found out in time.
  if (doubtful) return !isRepeated || isLate || doubtful.due_at >= deadline;
  // The others wait behind the oldest.
  const oldest = rows.find(({ state }) => state === "queued" || state === "sending");
  if (!oldest) return true;
  if (isBlocked(oldest)) return true;
  // One of our own that is still being sent is one whose outcome could not be stored.
  return isLate || (oldest.state === "queued" ? oldest.due_at >= deadline : oldest.claimed_by === by);
}

/** A process that was killed while it sent can not say so: its row is looked up, and not 90 seconds later. */
async function takeOverFromDead(store: Store, contact: string): Promise<void> {
  for (const by of store.outbox.claimants(contact)) {
    const [, host, pid] = /^cli:(.*):(\d+)\/\w+$/.exec(by) ?? [];
    if (host === hostname() && !isAlive(Number(pid))) await store.outbox.recover(by, Date.now());
  }
}

/**
 * Processes of other machines, which may share the folder, are not ours to judge. One process may send several messages at
 * once (`wa-cli mcp`).
 */
function claimant(pid: number): string {
  return `cli:${hostname()}:${pid}/${randomBytes(6).toString("hex")}`;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's.
    return !isCode(error, "ESRCH");
  }
}
