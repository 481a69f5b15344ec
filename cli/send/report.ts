import type { DeliveryState } from "../../src/pipeline/delivery-state.ts";
import { sendStatus, type SendStatus } from "../../src/pipeline/send-status.ts";
import type { OutboxRow } from "../../src/store/outbox-row.ts";
import { CommandError, EXIT, exitCodeOfRow, type ExitCode } from "../exit-code.ts";
import type { Answer } from "../io.ts";
import { hasReached } from "./delivery.ts";
import type { Wait } from "./options.ts";

/** What `--json` tells of a send; docs/sending.md says what the words mean. */
export interface SendReport {
  readonly status: SendStatus | Exclude<DeliveryState, "failed"> | "refused" | "dry-run";
  /** Of what is against it: a key of the configuration, Meta's code, or one of ours. */
  readonly code?: string | undefined;
  readonly to?: string | undefined;
  /** Of what left, in order. */
  readonly wamids?: readonly string[];
  /** Numbers in `wa-cli outbox`. */
  readonly outbox?: readonly number[];
  /** Those of them that wait until the person writes. */
  readonly held?: readonly number[];
  readonly repeated?: true;
  /** Of a dry run: the bodies, from which of them on they would wait, and what was not asked. */
  readonly messages?: readonly unknown[];
  readonly heldFrom?: number | undefined;
  readonly note?: string | undefined;
}

interface ReportOptions {
  /** Whom it is for, as it is shown. */
  readonly to: string | undefined;
  readonly wait: Wait;
  /** It is not on the list any more. */
  readonly isGone: boolean;
  readonly isRepeated: boolean;
  /** Why no status can come. */
  readonly noStatus: string | undefined;
}

type Failure = Pick<OutboxRow, "id" | "state" | "code" | "status" | "error">;

/** Somebody else took it off the list while it waited. */
const GONE: Failure = { id: 0, state: "dead", code: "withdrawn", status: null, error: "it was taken back" };
const HINTS = new Map<string | null, string>([
  ["withdrawn", "try again later"],
  [
    "credentials",
    "set a valid kapso.api_key (KAPSO_API_KEY), with Meta meta.access_token (WHATSAPP_ACCESS_TOKEN); wa-cli preflight checks it",
  ],
  ["account", "mend the account or its settings; wa-cli preflight checks them"],
]);
const DONE: Readonly<Record<Wait, string>> = {
  accepted: "Accepted by WhatsApp (not yet delivered)",
  sent: "Sent (not yet delivered)",
  delivered: "Delivered",
  read: "Read",
};

/** What became of the rows. @throws CommandError when it is not what was asked for */
export function report(rows: readonly OutboxRow[], options: ReportOptions): Answer {
  const { to, wait, isGone, isRepeated } = options;
  const wamids = rows.flatMap((row) => row.wamid ?? []);
  const json = {
    status: wait === "accepted" ? wait : (rows.at(-1)?.status ?? "accepted"),
    to,
    wamids,
    outbox: isGone ? [] : rows.map(({ id }) => id),
    ...(isRepeated && { repeated: true }),
  } satisfies SendReport;
  const failure =
    rows.length === 0 ? GONE : rows.find(({ state }) => state !== "accepted" && state !== "held");
  if (failure) throw failed(failure, rows, json);
  if (rows.some((row) => row.state === "held")) return held(rows, json);
  const late = rows.find((row) => !hasReached(row, wait));
  if (late) throw unconfirmed(late, options, json);
  const again = isRepeated ? "Already sent before. " : "";
  return { json, text: `${again}${DONE[wait]}: ${wamids.join(" ")}` };
}

function held(rows: readonly OutboxRow[], json: SendReport): Answer {
  const ids = rows.filter((row) => row.state === "held").map(({ id }) => id);
  const template = rows.some((row) => row.state === "accepted") ? "A template was sent; the " : "The ";
  const text = `${template}message waits until the person writes (outbox #${ids.join(", #")}): the 24-hour window is closed`;
  return { json: { ...json, status: "held", held: ids } satisfies SendReport, text };
}

function unconfirmed(
  { status }: OutboxRow,
  { wait, noStatus }: ReportOptions,
  json: SendReport,
): CommandError {
  const why = noStatus ?? "no such status came in time";
  const report = { ...json, status: status ?? "accepted" } satisfies SendReport;
  return new CommandError(
    EXIT.unknown,
    `WhatsApp has the message (${report.status}), but it is unknown whether it was ${wait}: ${why}`,
    { hint: "do not send it again; wa-cli outbox --all shows what comes of it", report },
  );
}

/** What of it left and what did not; the caller is told so, and nothing of it may leave later. */
function failed(failure: Failure, rows: readonly OutboxRow[], json: SendReport): CommandError {
  const status = sendStatus(failure);
  const code = status === "failed" && failure.code !== null ? { code: failure.code } : {};
  const report = { ...json, status, ...code } satisfies SendReport;
  const error = (exitCode: ExitCode, message: string, hint?: string) =>
    new CommandError(exitCode, message, { hint, report });
  const why = failure.error ?? (failure.state === "sending" ? "no outcome is stored yet" : "no reason given");
  const left = rows.filter((row) => row.wamid !== null && row.state === "accepted").length;
  const some = left === 0 ? "" : `${left} of ${rows.length} parts left, then: `;
  if (status === "unknown") {
    const rest = rows.find((row) => row.state === "dead" && row.id !== failure.id);
    const more = rest === undefined ? "" : `; then send the rest with: wa-cli outbox retry ${rest.id}`;
    const hint = `do not send it again: wa-poller, when it runs, looks it up and settles it (see wa-cli outbox)${more}`;
    return error(EXIT.unknown, `${some}It is unknown whether the message left: ${why}`, hint);
  }
  const exitCode = exitCodeOfRow(failure.code);
  if (failure.status === "failed")
    return error(exitCode, `WhatsApp took the message, and could not deliver it: ${why}`);
  if (left === 0) return error(exitCode, `Not sent: ${why}`, HINTS.get(failure.code));
  // "Try again" would send the first parts twice.
  const hint = `do not send the whole again; send the rest with: wa-cli outbox retry ${failure.id}`;
  return error(exitCode === EXIT.temporary ? EXIT.failed : exitCode, `${some}Not sent: ${why}`, hint);
}
