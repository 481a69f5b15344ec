import { createHash } from "node:crypto";
import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Inbound } from "../message.ts";
import type { PartState } from "../part.ts";
import type { Accept, Cursors, Malformed, Source } from "../pipeline/receive.ts";
import type { CloudApi } from "../whatsapp/client.ts";
import { ApiError } from "../whatsapp/connection.ts";
import { readInbound } from "../whatsapp/inbound.ts";
import { RATE_WINDOW_MS } from "../whatsapp/rate-budget.ts";

export interface PollOptions {
  readonly phoneNumberId: string;
  /** The longest wait between two polls; it is shorter while people are writing. */
  readonly intervalMs: number;
  /** Where the very first poll begins; milliseconds since 1970. */
  readonly firstSince: number;
}

export interface PollParts {
  readonly api: CloudApi;
  readonly cursors: Cursors;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when polling begins to work or to fail. */
  readonly onState: (state: PollState) => void;
}

export type PollState = PartState<"polling" | "failing">;

/**
 * `since` counts when Kapso stored a row, which no row tells, and a row may become visible late: so every poll looks
 * back this far behind the last one, and the inbox drops what it has.
 */
const OVERLAP_MS = 600_000;
/**
 * In between, a poll ends at a page of which everything is stored: the overlap would cost a busy number most of its
 * plan's requests. A row that became visible late behind that page is found by the next deep look.
 */
const DEEP_EVERY_MS = 240_000;
/** Rows remembered as stored; beyond it all are forgotten, which costs one look at more pages. */
const MAX_STORED = 50_000;
/** A list that is longer than this leads nowhere. */
const MAX_PAGES = 2000;
/** Rows held in memory at most; a longer backlog is read in shorter spans of time. */
const MAX_ROWS = 5000;
/** A span of time is not halved below this: what is in it is read whole. */
const MIN_SPAN_MS = 2000;
/** A clock of theirs may be ahead of ours by this; more only costs a longer overlap. */
const AHEAD_MS = 300_000;
/** A clock, theirs or ours, that is further ahead is wrong. */
const CLOCK_TRUST_MS = 86_400_000;
/** After a message the next is likely: poll faster for this long. */
const LIVELY_MS = 120_000;
const LIVELY_FACTOR = 10;
const ERRORS: Backoff = { firstMs: 2000, maxMs: 300_000 };

/** Asks the API for new messages and misses none: an overlap, now and then read to its end, and a cursor that moves after the commit. */
export class PollSource implements Source {
  readonly name = "poll";
  readonly #parts: PollParts;
  readonly #options: PollOptions;
  #kind: PollState["kind"] | undefined;
  /** When polling last brought a message that nothing else had brought. */
  #lastNewAt = 0;
  #isWoken = false;
  /** The pause until the next poll, while there is one. */
  #rest: AbortController | undefined;
  /** When a poll last read the whole overlap. */
  #deepAt = 0;
  /** What lately was listed and stored: wamids, or the hash of what is unreadable. */
  readonly #stored = new Set<string>();

  constructor(parts: PollParts, options: PollOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Something may have arrived: the next poll comes at once, or as soon as the plan's rate allows. */
  wake(): void {
    this.#isWoken = true;
    this.#rest?.abort();
  }

  async run(accept: Accept, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#poll(accept, signal);
        if (failures > 0) log.info({ failures }, "polling works again");
        else if (this.#kind === undefined) log.info({ everyMs: this.#options.intervalMs }, "polling works");
        this.#report({ kind: "polling", message: "Polling works" });
        failures = 0;
        await this.#pause(signal);
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        const delayMs = Math.max(retryAfter(error), backoffMs(failures, ERRORS));
        const hint = error instanceof ApiError ? error.hint : undefined;
        const fields = { reason: describeError(error), hint, delayMs };
        log[failures === 1 ? "warn" : "debug"](fields, "polling failed, messages wait at Kapso");
        this.#report({ kind: "failing", message: fields.reason, hint: fields.hint });
        await clock.sleep(delayMs, signal).catch(() => {});
      }
    }
  }

  /** Passes on a change, not every try. */
  #report(state: PollState): void {
    if (this.#kind !== state.kind) this.#parts.onState(state);
    this.#kind = state.kind;
  }

  /** One look at everything since the cursor. */
  async #poll(accept: Accept, signal: AbortSignal): Promise<void> {
    const { cursors, clock } = this.#parts;
    const stored = (await cursors.cursor(this.name)) ?? this.#options.firstSince;
    // A clock that was wrong once must not blind us: nothing is stored in the future.
    const cursor = Math.min(stored, clock.now() + CLOCK_TRUST_MS);
    const isDeep = clock.now() - this.#deepAt >= DEEP_EVERY_MS;
    if (this.#stored.size > MAX_STORED) this.#stored.clear();
    const reached = await this.#read({ since: cursor - OVERLAP_MS, isDeep }, accept, signal);
    if (isDeep) this.#deepAt = clock.now();
    // A clock of theirs that is ahead must not make us skip what comes before it catches up.
    await cursors.moveCursor(this.name, Math.min(reached, clock.now() + AHEAD_MS), clock.now());
  }

  /** Stores one span of time and returns the provider's clock when the look began. */
  async #read(span: Span, accept: Accept, signal: AbortSignal): Promise<number> {
    const { rows, serverTime, isWhole } = await this.#collect(span, signal);
    const until = span.until ?? serverTime;
    if (!isWhole) {
      // Newest come first, so the far end was not reached: take the older half whole, then the younger.
      const middle = Math.floor((span.since + until) / 2);
      const reached = await this.#read({ ...span, until: middle }, accept, signal);
      await this.#parts.cursors.moveCursor(this.name, middle, this.#parts.clock.now());
      await this.#read({ ...span, since: middle }, accept, signal);
      return Math.min(reached, serverTime);
    }
    await this.#store(rows, accept);
    return serverTime;
  }

  /** Follows the pages of a span to its end, unless there is more than fits. */
  async #collect({ isDeep, ...span }: Span, signal: AbortSignal): Promise<Collected> {
    const { api, clock } = this.#parts;
    const rows: Listed[] = [];
    const cursors = new Set<string>();
    let serverTime: number | undefined;
    for (let after: string | undefined; ;) {
      const page = await api.list({ direction: "inbound", ...span, after }, signal);
      serverTime ??= page.serverTime;
      const fresh = page.rows
        .flatMap((raw) => this.#readRow(raw) ?? [])
        .filter(({ key }) => !this.#stored.has(key));
      rows.push(...fresh);
      const next = page.after;
      // A deep look does not trust a short page: nobody promises that a page is as long as was asked for.
      const isEnd = !isDeep && (page.isShort || fresh.length === 0);
      // A cursor that comes again would lead round in a circle.
      if (next === undefined || isEnd || cursors.has(next)) return { rows, serverTime, isWhole: true };
      const canHalve = (span.until ?? serverTime) - span.since > MIN_SPAN_MS;
      if (rows.length >= MAX_ROWS && canHalve) return { rows, serverTime, isWhole: false };
      if (cursors.size >= MAX_PAGES) throw new RangeError(`The list has more than ${MAX_PAGES} pages`);
      cursors.add(next);
      after = next;
      if (api.rate.isLow(clock.now())) await clock.sleep(RATE_WINDOW_MS, signal);
    }
  }

  #readRow(raw: unknown): Listed | undefined {
    const read = readInbound(raw, { phoneNumberId: this.#options.phoneNumberId });
    if (read === undefined) return undefined;
    if ("message" in read) return { key: read.message.wamid, ...read };
    return { key: createHash("sha256").update(read.malformed.raw).digest("hex"), ...read };
  }

  async #store(rows: readonly Listed[], accept: Accept): Promise<void> {
    const messages = rows.flatMap(({ message }) => message ?? []);
    const malformed = rows.flatMap(({ malformed: bad }) => bad ?? []);
    // Listed newest first. Sorting is stable, so equal seconds keep the order in which Kapso stored them.
    messages.reverse().sort((a, b) => a.sentAt - b.sentAt);
    const added = rows.length > 0 ? await accept({ messages, statuses: [], malformed }) : 0;
    if (added > 0) this.#lastNewAt = this.#parts.clock.now();
    for (const { key } of rows) this.#stored.add(key);
  }

  /** Waits for the next poll's time, or for `wake`. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const startedAt = clock.now();
    const rest = new AbortController();
    const pass = () => rest.abort();
    signal.addEventListener("abort", pass, { once: true });
    this.#rest = rest;
    if (this.#isWoken) rest.abort();
    await clock.sleep(this.#nextDelayMs(), rest.signal).catch(() => {});
    signal.removeEventListener("abort", pass);
    signal.throwIfAborted();
    if (rest.signal.aborted)
      await clock.sleep(Math.max(0, startedAt + this.#leastDelayMs() - clock.now()), signal);
    // Whatever arrived until now, the coming poll will see.
    this.#isWoken = false;
  }

  #nextDelayMs(): number {
    const { intervalMs } = this.#options;
    const isLively = this.#parts.clock.now() - this.#lastNewAt < LIVELY_MS;
    return Math.max(isLively ? intervalMs / LIVELY_FACTOR : intervalMs, this.#leastDelayMs());
  }

  #leastDelayMs(): number {
    const { api, clock } = this.#parts;
    const delayMs = Math.max(Math.min(1000, this.#options.intervalMs), api.rate.minPollIntervalMs);
    return api.rate.isLow(clock.now()) ? Math.max(delayMs, RATE_WINDOW_MS / 4) : delayMs;
  }
}

interface Span {
  /** Pages are followed to the end, past those that are known. */
  readonly isDeep: boolean;
  readonly since: number;
  readonly until?: number | undefined;
}

/** A row as it was read: one of the two. */
interface Listed {
  readonly key: string;
  readonly message?: Inbound;
  readonly malformed?: Malformed;
}

interface Collected {
  readonly rows: readonly Listed[];
  readonly serverTime: number;
  /** False when older rows remain. */
  readonly isWhole: boolean;
}

function retryAfter(error: unknown): number {
  return error instanceof ApiError && error.failure.kind === "later" ? (error.failure.afterMs ?? 0) : 0;
}
