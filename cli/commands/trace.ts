import { kindOf } from "../../src/outgoing.ts";
import type { InboxRow } from "../../src/store/inbox-row.ts";
import type { OutboxRow } from "../../src/store/outbox-row.ts";
import type { Store } from "../../src/store/store.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { hopsOfReceived, hopsOfWritten, whatItWaitsFor, type Hop } from "../hops.ts";
import { paint, print, type Io } from "../io.ts";
import { endOf, iso, openStore, shown, standOf, unknownMessage, type LookOptions } from "../records.ts";

type Paint = ReturnType<typeof paint>;

interface Traced {
  readonly received: InboxRow | undefined;
  readonly written: readonly OutboxRow[];
}

/** Every hop of one message, whichever side wrote it: its question, its answer, and what became of that. */
export async function trace(io: Io, options: LookOptions & { readonly id: string }): Promise<void> {
  using opened = openStore(io, options);
  const { store, config } = opened;
  const { received, written } = find(store, options.id);
  const waits = received?.state === "pending" ? whatItWaitsFor(store, config.state.dir, received) : [];
  const question = received && describeReceived(received, waits, options);
  const parts = written.map((row) => describeWritten(row, store, options));
  const color = paint(io);
  const text = [
    ...(question ? [headOfReceived(question, color), ...question.hops.map((hop) => line(hop, color))] : []),
    ...parts.flatMap((part, index) => [
      headOfWritten(
        part,
        { place: `${index + 1} of ${parts.length}`, isReply: question !== undefined },
        color,
      ),
      ...part.hops.map((hop) => line(hop, color)),
    ]),
  ];
  print(io, { json: { message: question, parts }, text }, options.json);
}

function describeReceived(row: InboxRow, waits: readonly Hop[], options: LookOptions) {
  const show = shown(options);
  return {
    id: show.wamid(row.wamid),
    from: show.contact(row.contact),
    name: show.name(row.name),
    kind: row.kind,
    state: row.state,
    quotes: row.quotes === null ? undefined : show.wamid(row.quotes),
    hops: [...hopsOfReceived(row, show.wamid), ...waits].map(withTime),
  };
}

function describeWritten(row: OutboxRow, store: Store, options: LookOptions) {
  const show = shown(options);
  return {
    id: row.id,
    wamid: row.wamid === null ? undefined : show.wamid(row.wamid),
    to: show.contact(row.contact),
    kind: kindOf(row),
    state: row.state,
    status: row.status ?? undefined,
    quotes: row.quotes === null ? undefined : show.wamid(row.quotes),
    hops: hopsOfWritten(row, store).map(withTime),
  };
}

function headOfReceived(
  { id, from, name, kind, state, quotes }: ReturnType<typeof describeReceived>,
  color: Paint,
): string {
  const facts = [kind, color(state, toneOf(state)), quotes && `quotes ${quotes}`].filter(Boolean);
  return `${id} from ${from}${name === undefined ? "" : ` (${name})`}: ${facts.join(", ")}`;
}

function headOfWritten(
  { id, to, kind, state, status, wamid, quotes }: ReturnType<typeof describeWritten>,
  { place, isReply }: { readonly place: string; readonly isReply: boolean },
  color: Paint,
): string {
  const end = standOf({ state, status });
  const facts = [`part ${place}`, kind, color(end, toneOf(end)), wamid, quotes && `quotes ${quotes}`];
  return `${isReply ? "reply" : "message"} #${id} to ${to}: ${facts.filter(Boolean).join(", ")}`;
}

function find({ records }: Store, id: string): Traced {
  const row = /^#?(\d{1,9})$/.exec(id.trim())?.[1];
  if (row !== undefined) {
    const written = records.writtenWith(Number(row));
    if (written.length > 0) return withQuestion(records, written);
    if (id.includes("#")) throw unknownMessage(id);
  }
  const end = endOf(id);
  const [received, written] = [records.receivedBy(end), records.writtenBy(end)];
  const exact = [...received, ...written].filter(({ wamid }) => wamid === end);
  const all = exact.length > 0 ? exact : [...received, ...written];
  const [first] = all;
  if (first === undefined) throw unknownMessage(id);
  if (all.length > 1)
    throw new CommandError(EXIT.usage, `${all.length} messages have an id that ends in "${end}"`, {
      hint: "give more of its end",
    });
  if ("seq" in first) return { received: first, written: records.repliesTo(first.seq) };
  return withQuestion(records, records.writtenWith(first.id));
}

function withQuestion(records: Store["records"], written: readonly OutboxRow[]): Traced {
  const seq = written[0]?.inbox_seq ?? undefined;
  const received = seq === undefined ? undefined : records.question(seq);
  return { received, written: received ? records.repliesTo(received.seq) : written };
}

function withTime({ at, hop, detail }: Hop) {
  return { at: iso(at), hop, detail };
}

function line({ at, hop, detail = "" }: ReturnType<typeof withTime>, color: Paint): string {
  return `  ${color((at ?? "not yet").padEnd(24), "dim")}  ${hop.padEnd(9)} ${detail}`.trimEnd();
}

function toneOf(state: string): "green" | "yellow" | "red" {
  if (/^(answered|silent|accepted|sent|delivered|read|played|told|context)$/.test(state)) return "green";
  return /^(failed|dead|denied)$/.test(state) ? "red" : "yellow";
}
