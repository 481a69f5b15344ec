import { addAbortSignal } from "node:stream";
import { systemClock } from "../../src/clock.ts";
import { requireAccount } from "../../src/config/account.ts";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { createFetch } from "../../src/http.ts";
import { silentLog } from "../../src/log.ts";
import type { Identity } from "../../src/message.ts";
import { isBsuid, parsePhone } from "../../src/phone.ts";
import { Deliverer } from "../../src/pipeline/deliver.ts";
import { Lanes } from "../../src/pipeline/lanes.ts";
import { BURST } from "../../src/pipeline/pair-rate.ts";
import { Store } from "../../src/store/store.ts";
import type { OutboxRow } from "../../src/store/outbox.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import { toMessages } from "../../src/whatsapp/messages.ts";
import { CommandError, EXIT, exitCodeOfRow, type ExitCode } from "../exit-code.ts";
import { print, type Io } from "../io.ts";

export interface SendOptions {
  readonly words: readonly string[];
  readonly to?: string;
  readonly text?: string;
  readonly timeout: number;
  readonly config?: string;
  readonly json?: boolean;
}

const MAX_STDIN_BYTES = 1_048_576;
const STEP_MS = 100;

/** Queues the text and sends it at once, in the same outbox as the daemon: rows of one person go out in order, one at a time. */
export async function send(io: Io, options: SendOptions): Promise<void> {
  const { to, text } = await readRequest(io, options);
  const config = loadConfig({ env: io.env, file: options.config });
  requireAccount(config);
  const parts = await toMessages(text);
  if (parts.length === 0) throw new CommandError(EXIT.usage, "There is nothing to send: the text is empty");
  if (parts.length > BURST)
    throw new CommandError(
      EXIT.usage,
      `The text makes ${parts.length} messages, and WhatsApp takes ${BURST} at once`,
      {
        hint: "send it in pieces, some minutes apart",
      },
    );
  using store = Store.open(config.state.dir);
  const ids = await store.outbox.enqueue(
    parts.map((part) => ({ to, text: part })),
    Date.now(),
  );
  const contact = store.outbox.get(ids[0] ?? 0)?.contact ?? "";
  const rows = await deliver(io, config, store, contact, ids, options.timeout * 1000);
  const wamids = rows.flatMap((row) => row.wamid ?? []);
  const report = { status: "accepted", to: formatIdentity(to), wamids, outbox: ids };
  const failed = rows.find((row) => row.state !== "accepted");
  if (failed) {
    // The caller knows that nothing left, and will send it anew: a row to retry would only send it twice.
    if (rows.every(isTakenBack)) for (const { id } of rows) await store.outbox.drop(id);
    throw failure(failed, rows, { ...report, status: failed.state });
  }
  print(
    io,
    { json: report, text: `Accepted by WhatsApp (not yet delivered): ${wamids.join(" ")}` },
    options.json,
  );
}

/** Works on the person's rows until ours are settled or time is up; then takes back what has certainly not left. */
async function deliver(
  io: Io,
  config: Config,
  store: Store,
  contact: string,
  ids: readonly number[],
  timeoutMs: number,
): Promise<readonly OutboxRow[]> {
  await using fetch = createFetch();
  const api = new CloudApi(new ApiConnection(requireAccount(config), { fetch, clock: systemClock }));
  const deadline = Date.now() + timeoutMs;
  const deliverer = new Deliverer(
    { outbox: store.outbox, sender: api, lanes: new Lanes(1), clock: systemClock, log: silentLog },
    { by: `cli:${io.pid}`, settleMs: config.send.settleMs },
    io.signal,
  );
  const rows = () => ids.flatMap((id) => store.outbox.get(id) ?? []);
  while (!io.signal.aborted) {
    await deliverer.drain(contact);
    if (isOver(rows(), deadline)) break;
    await systemClock.sleep(STEP_MS, io.signal).catch(() => {});
  }
  for (const row of rows())
    if (row.state === "queued")
      await store.outbox.withdraw(
        row.id,
        row.error ?? "An earlier message to this person is still on its way",
        Date.now(),
      );
  return rows();
}

function isTakenBack({ state, code }: OutboxRow): boolean {
  return state === "dead" && (code === "withdrawn" || code === "credentials" || code === "account");
}

/** True when waiting longer changes nothing for the caller. */
function isOver(rows: readonly OutboxRow[], deadline: number): boolean {
  if (rows.some((row) => row.state === "doubt")) return true;
  // The others wait behind the oldest.
  const oldest = rows.find((row) => row.state === "queued" || row.state === "sending");
  if (!oldest) return true;
  if (oldest.code === "credentials" || oldest.code === "account") return true;
  return oldest.state === "queued" && Math.max(oldest.due_at, Date.now()) >= deadline;
}

/** What of the text left and what did not; the caller is told so, and nothing of it may leave later. */
function failure(
  failed: OutboxRow,
  rows: readonly OutboxRow[],
  report: Readonly<Record<string, unknown>>,
): CommandError {
  const why = failed.error ?? "no reason given";
  const left = rows.filter((row) => row.state === "accepted").length;
  const some = left === 0 ? "" : `${left} of ${rows.length} parts left, then: `;
  if (failed.state === "doubt" || failed.state === "sending") {
    const rest = rows.find((row) => row.state === "dead");
    const more = rest === undefined ? "" : `; then send the rest with: wa-cli outbox retry ${rest.id}`;
    return new CommandError(EXIT.unknown, `${some}It is unknown whether the message left: ${why}`, {
      hint: `do not send it again: wa-poller, when it runs, looks it up and settles it (see wa-cli outbox)${more}`,
      report,
    });
  }
  const exitCode = exitCodeOfRow(failed.code);
  if (left > 0)
    // "Try again" would send the first parts twice.
    return new CommandError(exitCode === EXIT.temporary ? EXIT.failed : exitCode, `${some}Not sent: ${why}`, {
      hint: `do not send the whole again; send the rest with: wa-cli outbox retry ${failed.id}`,
      report,
    });
  return new CommandError(exitCode, `Not sent: ${why}`, { report, hint: HINTS.get(exitCode) });
}

const HINTS = new Map<ExitCode, string>([
  [EXIT.temporary, "try again later"],
  [EXIT.credentials, "set a valid KAPSO_API_KEY; check it with: wa-cli preflight"],
]);

async function readRequest(
  io: Io,
  { words, to, text }: SendOptions,
): Promise<{ to: Identity; text: string }> {
  const [first, ...others] = words;
  const recipient = to ?? first;
  const spoken = to === undefined ? others : words;
  if (recipient === undefined)
    throw new CommandError(EXIT.usage, "To whom? Give --to +15551234567, or the number before the words");
  if (text !== undefined && spoken.length > 0)
    throw new CommandError(EXIT.usage, `There are two texts: --text, and the words "${spoken.join(" ")}"`);
  const identity = parseRecipient(recipient);
  if (text !== undefined) return { to: identity, text };
  if (spoken.length > 0) return { to: identity, text: spoken.join(" ") };
  if (io.stdin.isTTY === true)
    throw new CommandError(
      EXIT.usage,
      "What to send? Give --text, words after the number, or standard input",
    );
  return { to: identity, text: await readAll(io) };
}

function parseRecipient(text: string): Identity {
  if (isBsuid(text)) return { bsuid: text };
  const phone = parsePhone(text);
  if (phone === undefined)
    throw new CommandError(
      EXIT.usage,
      `"${text}" is no international number such as +15551234567, and no BSUID`,
    );
  return { phone };
}

async function readAll({ stdin, signal }: Io): Promise<string> {
  // Ctrl-C must end the wait for an input that never ends.
  addAbortSignal(signal, stdin);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_STDIN_BYTES) throw new CommandError(EXIT.usage, "Standard input is longer than 1 MiB");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function formatIdentity({ phone, bsuid }: Identity): string | undefined {
  return phone === undefined ? bsuid : `+${phone}`;
}
