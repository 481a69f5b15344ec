import { maskNumbers } from "../../src/mask.ts";
import { mayHaveLeft } from "../../src/pipeline/outbox-state.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import type { Store } from "../../src/store/store.ts";
import type { OutboxRow } from "../../src/store/outbox-row.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { print, type Io } from "../io.ts";
import { iso, openStore, shown, standOf, type LookOptions } from "../records.ts";

const NEXT = "→ wa-cli outbox retry <id> sends one that was given up, wa-cli outbox drop <id> forgets one";

export async function list(
  io: Io,
  options: LookOptions & { readonly all?: boolean; readonly limit: number },
): Promise<void> {
  using opened = openStore(io, options);
  const { store } = opened;
  const rows = store.outbox
    .list({ all: options.all === true, limit: options.limit })
    .map((row) => describe(row, options));
  const text = rows.map(
    (row) =>
      `#${row.id} ${standOf(row)} to ${row.to}, ${row.attempts} tries, since ${row.createdAt}${row.error ? `: ${row.error}` : ""}`,
  );
  print(io, { json: rows, text: text.length === 0 ? "Nothing waits" : [...text, NEXT] }, options.json);
}

export async function retry(
  io: Io,
  options: LookOptions & { readonly id: number; readonly force?: boolean },
): Promise<void> {
  using opened = openStore(io, options);
  const { store, config } = opened;
  const row = find(store, options.id);
  if (mayHaveLeft(row) && options.force !== true)
    throw new CommandError(EXIT.unknown, `Message #${options.id} may have left already`, {
      hint: `if the person did not get it: wa-cli outbox retry ${options.id} --force`,
    });
  if (!(await store.outbox.revive(options.id, Date.now())))
    throw new CommandError(EXIT.failed, `Message #${options.id} ${whyNot(row)}`, {
      hint: row.state === "dead" ? `wa-cli outbox drop ${options.id} takes it off the list` : undefined,
    });
  const next = DaemonLock.isHeld(config.state.dir)
    ? "wa-poller sends it now"
    : "it leaves when wa-poller runs";
  const text = `Message #${options.id} is queued; ${next}`;
  print(io, { json: { id: options.id, state: "queued" }, text }, options.json);
}

export async function drop(
  io: Io,
  options: LookOptions & { readonly id: number; readonly force?: boolean },
): Promise<void> {
  using opened = openStore(io, options);
  const { store } = opened;
  const row = find(store, options.id);
  if ((row.state === "doubt" || mayHaveLeft(row)) && options.force !== true)
    throw new CommandError(EXIT.unknown, `Message #${options.id} may have left already`, {
      hint: `wa-cli outbox drop ${options.id} --force forgets it, and its idempotency key with it: the same command would send it again`,
    });
  if (!(await store.outbox.drop(options.id)))
    throw new CommandError(EXIT.failed, `Message #${options.id} can not be dropped: it ${STATES[row.state]}`);
  print(
    io,
    { json: { id: options.id, state: "dropped" }, text: `Message #${options.id} is dropped` },
    options.json,
  );
}

function find(store: Store, id: number): OutboxRow {
  const row = store.outbox.get(id);
  if (!row)
    throw new CommandError(EXIT.failed, `There is no message #${id}`, { hint: "list them: wa-cli outbox" });
  return row;
}

function whyNot(row: OutboxRow): string {
  if (row.state === "dead") return "can not be sent again: its text was deleted after state.keep_text";
  return `${STATES[row.state]}; only one that was given up can be tried again`;
}

const STATES: Readonly<Record<OutboxRow["state"], string>> = {
  held: "waits until the person writes",
  queued: "waits to be sent",
  sending: "is being sent",
  doubt: "is of unknown outcome, wa-poller finds it out",
  accepted: "was accepted",
  dead: "was given up",
};

/** Without the text, and with the number masked: this is copied into bug reports. */
function describe(row: OutboxRow, options: LookOptions) {
  const show = shown(options);
  return {
    id: row.id,
    state: row.state,
    to: show.contact(row.contact),
    attempts: row.attempts,
    createdAt: iso(row.created_at),
    dueAt: iso(row.due_at),
    wamid: row.wamid === null ? undefined : show.wamid(row.wamid),
    /** What WhatsApp told of it: sent, delivered, read, played or failed. */
    status: row.status ?? undefined,
    statusAt: iso(row.status_at),
    code: row.code ?? undefined,
    error: row.error === null ? undefined : maskNumbers(row.error),
  };
}
