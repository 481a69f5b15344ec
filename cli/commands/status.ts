import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { maskNumbers } from "../../src/mask.ts";
import { maskContact } from "../../src/message.ts";
import { isWell, PART_NAMES, type PartName } from "../../src/part.ts";
import { GRACE_MS } from "../../src/pipeline/gap-detector.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { paint, print, show, type Io } from "../io.ts";
import { iso } from "../records.ts";
import { installedService } from "../service.ts";

const part = z.object({
  kind: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  url: z.string().optional(),
});
const daemon = z.object({ pid: z.int(), version: z.string(), startedAt: z.number() });

type Part = z.output<typeof part>;

/** A way in, and when it last brought a message. */
type Way = Part & { readonly lastMessageAt: string | undefined };

interface Status {
  readonly state: string;
  readonly daemon: {
    readonly alive: boolean;
    /** It gave a sign of life lately; who was stopped or hangs keeps the lock, but says nothing. */
    readonly responds?: boolean;
    readonly pid?: number;
    readonly version?: string;
    readonly startedAt?: string;
  };
  readonly gateway: Part | undefined;
  readonly poll: (Way & { readonly lastAt: string | undefined }) | undefined;
  readonly webhook: Way | undefined;
  /** What webhooks missed and polling brought since the daemon's start, in the last 24 hours at most. */
  readonly gaps:
    | (Part & { readonly hours: number; readonly total: number; readonly missed: number })
    | undefined;
  readonly funnel: Part | undefined;
  readonly registration: Part | undefined;
  /** Where agents that speak HTTP send to. */
  readonly bridge: Part | undefined;
  readonly inbox: {
    readonly pending: number;
    readonly oldestAt: string | undefined;
    readonly quarantined: number;
    readonly byState: Record<string, number>;
  };
  readonly outbox: {
    readonly queued: number;
    readonly sending: number;
    readonly doubt: number;
    readonly dead: number;
    /** Wait until the person writes. */
    readonly held: number;
  };
  /** What waits, is in doubt or was given up; numbers masked. */
  readonly stuck: readonly {
    readonly id: number;
    readonly to: string;
    readonly state: string;
    readonly code: string | undefined;
    readonly error: string | undefined;
  }[];
}

const WATCH_MS = 1000;
const STUCK_ROWS = 10;
const GAP_HOURS = 24;
/** After so many polls that did not come something is wrong, however short the interval is. */
const SILENT_POLLS = 4;
const MIN_SILENCE_MS = 120_000;
const NOTHING: Omit<Status, "state"> = {
  daemon: { alive: false },
  gateway: undefined,
  poll: undefined,
  webhook: undefined,
  gaps: undefined,
  funnel: undefined,
  registration: undefined,
  bridge: undefined,
  inbox: { pending: 0, oldestAt: undefined, quarantined: 0, byState: {} },
  outbox: { queued: 0, sending: 0, doubt: 0, dead: 0, held: 0 },
  stuck: [],
};

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly check?: boolean;
}

/** Shows what the state folder tells; works while the daemon runs and while it does not. */
export async function status(io: Io, options: Options): Promise<void> {
  const { state, delivery } = loadConfig({ env: io.env, file: options.config });
  if (options.watch === true) return watch(io, state.dir, options.json === true);
  const found = await look(state.dir);
  if (options.check === true) await requireWell(found, longestSilence(delivery), io);
  await tell(io, found, options.json === true);
}

/** What only people read is not found out for a program. */
async function tell(io: Io, found: Status, asJson: boolean): Promise<void> {
  print(io, { json: found, text: asJson ? "" : await textOf(found, io) }, asJson);
}

/** As strict as `/health`, for which nothing may listen while it only polls. */
async function requireWell(found: Status, silenceMs: number, io: Io): Promise<void> {
  if (!found.daemon.alive)
    throw new CommandError(EXIT.failed, "wa-poller is not running", {
      hint: await toStart(io),
      report: { ...found },
    });
  if (found.daemon.responds !== true)
    throw new CommandError(EXIT.failed, "wa-poller runs, but gives no sign of life", {
      hint: "it starts, hangs, or can not write to the disk: wa-cli logs may tell; if it stays so, restart it",
      report: { ...found },
    });
  const unwell = PART_NAMES.flatMap((name) => {
    const state = found[name];
    return state === undefined || isWell(name, state)
      ? []
      : [{ ...state, message: `${name}: ${state.message}` }];
  });
  const lastAt = found.poll?.lastAt;
  if (lastAt !== undefined && Date.parse(lastAt) < Date.now() - silenceMs)
    unwell.push({ kind: "silent", message: `poll: the last one was ${ago(lastAt)}` });
  if (unwell.length === 0) return;
  const hint = unwell.find((state) => state.hint !== undefined)?.hint;
  const message = unwell.map((state) => state.message).join("; ");
  throw new CommandError(EXIT.failed, message, { hint, report: { ...found } });
}

/** For how long there may be no poll, in milliseconds. */
function longestSilence({ mode, pollFallback, pollIntervalMs }: Config["delivery"]): number {
  // Polls that only follow webhooks come when those come.
  if (mode !== "polling" && !pollFallback) return Number.POSITIVE_INFINITY;
  return Math.max(MIN_SILENCE_MS, SILENT_POLLS * pollIntervalMs);
}

async function look(folder: string): Promise<Status> {
  if (!Store.exists(folder)) return { ...NOTHING, state: folder };
  using store = Store.peek(folder) ?? Store.open(folder);
  return await readStatus(store, folder);
}

async function textOf(found: Status, io: Io): Promise<string | readonly string[]> {
  if (!Store.exists(found.state)) return `wa-poller has not run yet: there is no state in ${found.state}`;
  return describe(found, io, found.daemon.alive ? "" : await toStart(io));
}

/** A terminal is drawn anew; elsewhere each change is printed once, with `asJson` as a line. Ends when it is interrupted. */
async function watch(io: Io, folder: string, asJson: boolean): Promise<void> {
  let last: string | undefined;
  while (!io.signal.aborted) {
    const found = await look(folder);
    const news = JSON.stringify(found);
    if (!asJson && io.stdout.isTTY === true) {
      const text = show(io, await textOf(found, io));
      io.stdout.write(`\u001B[H\u001B[2J${text}\n\n${new Date().toISOString()}, Ctrl-C ends\n`);
    } else if (news !== last) await tell(io, found, asJson);
    last = news;
    await sleep(WATCH_MS, undefined, { signal: io.signal }).catch(() => {});
  }
}

async function readStatus(store: Store, folder: string): Promise<Status> {
  const alive = DaemonLock.isHeld(folder);
  const facts = store.facts;
  const running = facts.read("daemon", daemon);
  const responds = Date.now() - (facts.get("health")?.changedAt ?? 0) < MIN_SILENCE_MS;
  // What a daemon that is gone said of itself is no news.
  const read = (name: PartName) => (alive ? facts.read(name, part) : undefined);
  const poll = read("poll");
  const webhook = read("webhook");
  const gaps = read("gaps");
  const counts = store.outbox.counts();
  const byState = store.inbox.counts();
  return {
    state: folder,
    daemon: alive && running ? { alive, responds, ...running, startedAt: iso(running.startedAt) } : { alive },
    gateway: read("gateway"),
    poll: poll && {
      ...poll,
      lastAt: iso(facts.get("cursor.poll")?.changedAt),
      lastMessageAt: iso(store.inbox.lastBroughtAt("poll")),
    },
    webhook: webhook && { ...webhook, lastMessageAt: iso(store.inbox.lastBroughtAt("webhook")) },
    gaps: gaps && { ...gaps, ...(await countGaps(store, running?.startedAt ?? 0)) },
    funnel: read("funnel"),
    registration: read("registration"),
    bridge: read("bridge"),
    inbox: {
      pending: byState["pending"] ?? 0,
      oldestAt: iso(store.inbox.oldestPending()),
      quarantined: store.inbox.quarantined(),
      byState,
    },
    outbox: {
      queued: counts["queued"] ?? 0,
      sending: counts["sending"] ?? 0,
      doubt: counts["doubt"] ?? 0,
      dead: counts["dead"] ?? 0,
      held: counts["held"] ?? 0,
    },
    stuck: store.outbox
      .list({ all: false, limit: 1000 })
      .filter((row) => row.error !== null)
      .slice(-STUCK_ROWS)
      .map((row) => ({
        id: row.id,
        to: maskContact(row.contact),
        state: row.state,
        code: row.code ?? undefined,
        error: row.error === null ? undefined : maskNumbers(row.error),
      })),
  };
}

/** As the daemon counts them: what was sent while it did not listen is no fault of the webhooks. */
async function countGaps(
  store: Store,
  startedAt: number,
): Promise<{ hours: number; total: number; missed: number }> {
  const now = Date.now();
  const found = await store.inbox.coverage(now - GAP_HOURS * 3_600_000, now - GRACE_MS, startedAt);
  return { hours: GAP_HOURS, ...found };
}

function describe(found: Status, io: Io, start: string): readonly string[] {
  const color = paint(io);
  const { daemon: running, inbox, outbox, stuck } = found;
  const lines = [
    running.alive
      ? `daemon   ${running.responds ? color("running", "green") : color("without a sign of life", "red")}, process ${running.pid ?? "?"}, version ${running.version ?? "?"}, since ${running.startedAt ?? "?"}`
      : `daemon   ${color("not running", "red")}${color(`; ${start}`, "dim")}`,
    ...PART_NAMES.flatMap((name) => describePart(name, found, color)),
    `inbox    ${inbox.pending} waiting for an answer${inbox.oldestAt ? `, the oldest since ${inbox.oldestAt}` : ""}; ${inbox.byState["denied"] ?? 0} refused, ${inbox.quarantined} unreadable`,
    `outbox   ${outbox.queued + outbox.sending} to send, ${outbox.doubt} of unknown outcome, ${outbox.dead} given up${outbox.held > 0 ? `, ${outbox.held} until the person writes` : ""}`,
    ...stuck.map((row) => `         #${row.id} to ${row.to} ${color(row.state, "yellow")}: ${row.error}`),
  ];
  if (outbox.dead > 0)
    lines.push(color("         wa-cli outbox retry <id>, or wa-cli outbox drop <id>", "dim"));
  return lines;
}

async function toStart(io: Io): Promise<string> {
  // It fails only when it is interrupted, which is how a watch ends.
  const service = await installedService(io).catch(() => undefined);
  return `start it with: ${service?.startCommand ?? "wa-poller"}`;
}

const LABELS: Partial<Record<PartName, string>> = { registration: "register" };

function describePart(name: PartName, found: Status, color: ReturnType<typeof paint>): string[] {
  const state = found[name];
  const label = (LABELS[name] ?? name).padEnd(9);
  if (!state) return name === "gateway" || name === "poll" ? [`${label}unknown`] : [];
  const told = [state.message, ...figures(name, found)].join("; ");
  const line = `${label}${color(state.kind, isWell(name, state) ? "green" : "yellow")}: ${told}`;
  const hint = state.hint === undefined ? [] : [`         → ${state.hint}`];
  return [line, ...hint];
}

function figures(name: PartName, { poll, webhook, gaps }: Status): string[] {
  if (name === "poll")
    return [`last poll ${since(poll?.lastAt)}`, `last message ${since(poll?.lastMessageAt)}`];
  if (name === "webhook") return [`last message ${since(webhook?.lastMessageAt)}`];
  if (name === "gaps" && gaps) return [`webhooks missed ${gaps.missed} of ${gaps.total} in ${gaps.hours} h`];
  return [];
}

function since(at: string | undefined): string {
  return at === undefined ? "never" : ago(at);
}

function ago(at: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(at)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}
