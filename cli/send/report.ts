import type { OutboxRow } from "../../src/store/outbox-row.ts";
import { CommandError, EXIT, exitCodeOfRow, type ExitCode } from "../exit-code.ts";
import type { Answer } from "../io.ts";
import { hasReached } from "./delivery.ts";
import type { Wait } from "./options.ts";

export interface Told {
  /** Whom it is for, as it is shown. */
  readonly to: string | undefined;
  readonly ids: readonly number[];
  readonly wait: Wait;
  readonly isRepeated: boolean;
  /** Why no status can come. */
  readonly noStatus: string | undefined;
}

const HINTS = new Map<ExitCode, string>([
  [EXIT.temporary, "try again later"],
  [
    EXIT.credentials,
    "set a valid KAPSO_API_KEY (with Meta: WHATSAPP_ACCESS_TOKEN); wa-cli preflight checks it",
  ],
]);
const DONE: Readonly<Record<Wait, string>> = {
  accepted: "Accepted by WhatsApp (not yet delivered)",
  sent: "Sent (not yet delivered)",
  delivered: "Delivered",
  read: "Read",
};

/** What became of the rows. @throws CommandError when it is not what was asked for */
export function report(rows: readonly OutboxRow[], told: Told): Answer {
  const wamids = rows.flatMap((row) => row.wamid ?? []);
  const json = {
    status: told.wait === "accepted" ? "accepted" : (rows.at(-1)?.status ?? "accepted"),
    to: told.to,
    wamids,
    outbox: told.ids,
    ...(told.isRepeated && { repeated: true }),
  };
  if (rows.length === 0) throw failed(undefined, rows, { ...json, status: "dead" });
  const failure = rows.find((row) => row.state !== "accepted" && row.state !== "held");
  if (failure) throw failed(failure, rows, { ...json, status: failure.state });
  if (rows.some((row) => row.state === "held")) return held(rows, json);
  const late = rows.find((row) => !hasReached(row, told.wait));
  if (late) throw unconfirmed(late, told, { ...json, status: late.status ?? "accepted" });
  const again = told.isRepeated ? "Already sent before. " : "";
  return { json, text: `${again}${DONE[told.wait]}: ${wamids.join(" ")}` };
}

function held(rows: readonly OutboxRow[], json: Readonly<Record<string, unknown>>): Answer {
  const ids = rows.filter((row) => row.state === "held").map(({ id }) => id);
  const template = rows.some((row) => row.state === "accepted") ? "A template was sent; the " : "The ";
  const text = `${template}message waits until the person writes (outbox #${ids.join(", #")}): the 24-hour window is closed`;
  return { json: { ...json, status: "held", held: ids }, text };
}

function unconfirmed(
  { status }: OutboxRow,
  { wait, noStatus }: Told,
  json: Readonly<Record<string, unknown>>,
): CommandError {
  const why = noStatus ?? "no such status came in time";
  return new CommandError(
    EXIT.unknown,
    `WhatsApp has the message (${status ?? "accepted"}), but it is unknown whether it was ${wait}: ${why}`,
    { hint: "do not send it again; wa-cli outbox --all shows what comes of it", report: json },
  );
}

/** What of it left and what did not; the caller is told so, and nothing of it may leave later. */
function failed(
  failure: OutboxRow | undefined,
  rows: readonly OutboxRow[],
  json: Readonly<Record<string, unknown>>,
): CommandError {
  if (!failure)
    return new CommandError(EXIT.temporary, "Not sent: it was taken back", {
      report: json,
      hint: "try again later",
    });
  const why = failure.error ?? "no reason given";
  const left = rows.filter((row) => row.wamid !== null && row.state === "accepted").length;
  const some = left === 0 ? "" : `${left} of ${rows.length} parts left, then: `;
  if (isUnknown(failure)) {
    const rest = rows.find((row) => row.state === "dead" && row.id !== failure.id);
    const more = rest === undefined ? "" : `; then send the rest with: wa-cli outbox retry ${rest.id}`;
    return new CommandError(EXIT.unknown, `${some}It is unknown whether the message left: ${why}`, {
      hint: `do not send it again: wa-poller, when it runs, looks it up and settles it (see wa-cli outbox)${more}`,
      report: json,
    });
  }
  const exitCode = exitCodeOfRow(failure.code);
  if (failure.status === "failed")
    return new CommandError(exitCode, `WhatsApp took the message, and could not deliver it: ${why}`, {
      report: json,
    });
  if (left > 0)
    // "Try again" would send the first parts twice.
    return new CommandError(exitCode === EXIT.temporary ? EXIT.failed : exitCode, `${some}Not sent: ${why}`, {
      hint: `do not send the whole again; send the rest with: wa-cli outbox retry ${failure.id}`,
      report: json,
    });
  return new CommandError(exitCode, `Not sent: ${why}`, { report: json, hint: HINTS.get(exitCode) });
}

/** Of a try whose outcome nobody could find out, too. */
function isUnknown({ state, wamid, doubtful_since: doubtfulSince }: OutboxRow): boolean {
  if (state === "doubt" || state === "sending") return true;
  return state === "dead" && wamid === null && doubtfulSince !== null;
}
