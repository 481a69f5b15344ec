import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { maskContact, maskWamid } from "../message.ts";
import type { Lanes } from "./lanes.ts";
import type { Claim, Outbox, Sender, SendOutcome } from "./outbox.ts";
import { PairRate } from "./pair-rate.ts";

export interface DeliverParts {
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly log: Log;
}

export interface DeliverOptions {
  /** Who claims rows: after a crash only one's own are in doubt at once. */
  readonly by: string;
  /** A send of unknown outcome must be absent from the provider's list this long before it is repeated. */
  readonly settleMs: number;
  /** How long it is tried to store that WhatsApp took a message; shorter than a claim counts (90 s). */
  readonly recordMs?: number;
}

const RETRY: Backoff = { firstMs: 1000, maxMs: 300_000 };
/** Meta asks for 4^n seconds after a pair-rate error (131056). */
const PAIR: Backoff = { firstMs: 1000, maxMs: 300_000, factor: 4 };
const BLOCKED: Backoff = { firstMs: 30_000, maxMs: 600_000 };
const LOOK: Backoff = { firstMs: 2000, maxMs: 60_000 };
/** A parameter is wrong, or the message that it names is not there. */
const UNQUOTABLE: ReadonlySet<string> = new Set(["100", "131009"]);
/** Much shorter than the time after which a claim counts as abandoned. */
const RENEW_MS = 30_000;
const MIN_PAUSE_MS = 500;
const RECORD_MS = 60_000;
const RECORD_STEP_MS = 500;
/** Tries of unknown outcome before a person has to decide. */
const MAX_DOUBTS = 5;
/** A status of a message that left comes within seconds; its webhook may be repeated once or twice. */
const STATUS_MS = 120_000;
/** WhatsApp closes the reply window after 24 h; what is still queued then can not be sent as it is. */
const GIVE_UP_MS = 86_400_000;
/** Rows that another process queued, and rows whose time has come, are noticed this soon. */
const SCAN_MS = 1000;

/** Drains the outbox: each person's messages in order, one in flight. */
export class Deliverer {
  readonly #parts: DeliverParts;
  readonly #options: DeliverOptions;
  readonly #signal: AbortSignal;
  readonly #pairRate: PairRate;
  readonly #startedAt: number;
  readonly #queued = new Set<string>();
  #closedUntil = 0;
  #blocks = 0;

  constructor(parts: DeliverParts, options: DeliverOptions, signal: AbortSignal) {
    this.#parts = parts;
    this.#options = options;
    this.#signal = signal;
    this.#pairRate = new PairRate();
    this.#startedAt = parts.clock.now();
  }

  /** Scans for due rows until the signal aborts. `wake` makes it prompt. */
  async run(): Promise<void> {
    const { outbox, clock, log } = this.#parts;
    while (!this.#signal.aborted) {
      try {
        if (clock.now() >= this.#closedUntil)
          for (const contact of await outbox.dueContacts(clock.now())) this.wake(contact);
      } catch (error) {
        log.error({ err: error }, "outbox not read, will try again");
      }
      await clock.sleep(SCAN_MS, this.#signal).catch(() => {});
    }
  }

  /** Starts on a person's rows, unless that is about to happen anyway. */
  wake(contact: string): void {
    if (this.#queued.has(contact)) return;
    this.#queued.add(contact);
    this.#parts.lanes.push(contact, async () => {
      this.#queued.delete(contact);
      await this.drain(contact);
    });
  }

  /** Works on a person's rows until none is due. */
  async drain(contact: string): Promise<void> {
    const { outbox, clock, log } = this.#parts;
    try {
      while (!this.#signal.aborted && clock.now() >= this.#closedUntil) {
        if (this.#pairRate.waitMs(contact, clock.now()) > 0) return;
        const claim = await outbox.claim(contact, this.#options.by, clock.now());
        if (!claim) return;
        if (claim.doubtfulSince === undefined) await this.#send(contact, claim);
        else await this.#reconcile(contact, claim, claim.doubtfulSince);
      }
    } catch (error) {
      log.error({ to: maskContact(contact), err: error }, "outbox not updated, will try again");
    }
  }

  async #send(contact: string, claim: Claim): Promise<void> {
    const { sender, clock } = this.#parts;
    const startedAt = clock.now();
    this.#pairRate.note(contact, startedAt);
    const sent = new AbortController();
    void this.#keepClaim(claim, sent.signal);
    const outcome = await sender.send(claim, this.#signal).finally(() => sent.abort("sent"));
    await this.#record(claim, outcome);
    const { kind } = outcome;
    const fields = {
      outboxId: claim.id,
      to: maskContact(contact),
      attempt: claim.attempts,
      durationMs: clock.now() - startedAt,
    };
    if (kind === "accepted")
      this.#parts.log.debug({ ...fields, wamid: maskWamid(outcome.wamid) }, "message accepted by WhatsApp");
    else if (kind === "refused" && claim.quotes !== undefined && UNQUOTABLE.has(outcome.code ?? ""))
      this.#parts.log.warn({ ...fields, reason: outcome.error }, "quote refused, sent without it");
    else if (kind === "refused")
      this.#parts.log.error({ ...fields, reason: outcome.error }, "message refused, given up");
    else if (kind === "later")
      this.#parts.log.warn({ ...fields, reason: outcome.error }, "message not sent yet, will try again");
    else if (kind === "unknown")
      this.#parts.log.warn(
        { ...fields, reason: outcome.error },
        "unknown whether the message left, looking it up",
      );
  }

  /** A large file takes longer than a claim counts. */
  async #keepClaim(claim: Claim, signal: AbortSignal): Promise<void> {
    const { outbox, clock, log } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(RENEW_MS, signal).catch(() => {});
      if (signal.aborted) return;
      await outbox
        .renew(claim, clock.now())
        .catch((err: unknown) => log.warn({ outboxId: claim.id, err }, "claim not renewed"));
    }
  }

  async #record(claim: Claim, outcome: SendOutcome): Promise<void> {
    const { outbox, clock } = this.#parts;
    const now = clock.now();
    // Anything else that WhatsApp said shows that the key works.
    if (outcome.kind !== "blocked" && outcome.kind !== "unknown") this.#blocks = 0;
    switch (outcome.kind) {
      case "accepted":
        return this.#insist(() => outbox.accepted(claim, outcome, now));
      case "refused":
        // The quoted message may be too old or deleted: the answer is worth more than the quote.
        if (claim.quotes !== undefined && UNQUOTABLE.has(outcome.code ?? ""))
          return outbox.unquote(claim, now);
        return outbox.dead(claim, outcome, now);
      case "later":
        return this.#postpone(claim, outcome);
      case "blocked":
        return this.#block(claim, outcome);
      case "unknown":
        return outbox.doubtUntil(claim, now + this.#nextLookMs(0), outcome.error);
    }
  }

  /** A disk may be full and a file locked for a moment; forgotten, a message that left would have to be looked up. */
  async #insist(write: () => Promise<void>): Promise<void> {
    const { clock } = this.#parts;
    const end = clock.now() + (this.#options.recordMs ?? RECORD_MS);
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (clock.now() >= end || this.#signal.aborted) throw error;
      }
      await clock.sleep(RECORD_STEP_MS, this.#signal).catch(() => {});
    }
  }

  async #postpone(claim: Claim, outcome: SendOutcome & { kind: "later" }): Promise<void> {
    const { outbox, clock } = this.#parts;
    const now = clock.now();
    if (now - claim.createdAt > GIVE_UP_MS)
      return outbox.dead(claim, { error: `Given up after 24 hours: ${outcome.error}` }, now);
    if (claim.attempts >= (outcome.maxTries ?? Number.POSITIVE_INFINITY))
      return outbox.dead(claim, { error: `Given up after ${claim.attempts} tries: ${outcome.error}` }, now);
    const pace = outcome.scope === "all" ? RETRY : PAIR;
    const delayMs =
      outcome.afterMs === undefined
        ? backoffMs(claim.attempts, pace)
        : Math.max(outcome.afterMs, MIN_PAUSE_MS);
    if (outcome.scope === "all") this.#close(now + delayMs);
    return outbox.retryAt(claim, now + delayMs, { error: outcome.error });
  }

  #close(until: number): void {
    this.#closedUntil = Math.max(this.#closedUntil, until);
  }

  /** Keeps the queue and knocks again now and then; says so once, not every time. */
  async #block(claim: Claim, { code, error, hint }: SendOutcome & { kind: "blocked" }): Promise<void> {
    const { outbox, clock, log } = this.#parts;
    const delayMs = backoffMs(++this.#blocks, BLOCKED);
    this.#close(clock.now() + delayMs);
    if (this.#blocks === 1) log.error({ reason: error, hint }, "sending stopped, messages are kept");
    return outbox.retryAt(claim, clock.now() + delayMs, { code, error: `${error}; ${hint}` });
  }

  /** Decides on a send of unknown outcome by looking it up: it is repeated only when it is known not to have left. */
  async #reconcile(contact: string, claim: Claim, sinceMs: number): Promise<void> {
    const { outbox, sender, clock, log } = this.#parts;
    const sighting = await sender.findSent(claim, sinceMs, (wamid) => outbox.isKnown(wamid), this.#signal);
    const now = clock.now();
    const fields = { outboxId: claim.id, to: maskContact(contact), ageMs: now - sinceMs };
    // It does not hold up what comes behind it; a status that comes after all still counts.
    const giveUp = (reason: string) => {
      log.error({ ...fields, reason }, "outcome still unknown, given up");
      return outbox.dead(claim, { code: "unknown", error: `It may have left: ${reason}` }, now);
    };
    if (sighting.kind === "found") {
      log.info({ ...fields, wamid: maskWamid(sighting.wamid) }, "send of unknown outcome was accepted");
      return outbox.accepted(claim, sighting, now);
    }
    if (sighting.kind === "unlisted") {
      // Nobody could hear of it while we were away.
      const awaitedUntil = Math.max(sinceMs, this.#startedAt) + STATUS_MS;
      if (now < awaitedUntil)
        return outbox.doubtUntil(claim, awaitedUntil, "Outcome unknown, a status is awaited");
      return giveUp("no status of it came within 2 minutes");
    }
    if (sighting.kind === "unclear") {
      if (now - sinceMs < GIVE_UP_MS) return outbox.doubtUntil(claim, now + LOOK.maxMs / 4, sighting.error);
      return giveUp(`unknown after 24 hours: ${sighting.error}`);
    }
    if (now - sinceMs < this.#options.settleMs)
      return outbox.doubtUntil(
        claim,
        now + this.#nextLookMs(now - sinceMs),
        "Outcome unknown, being looked up",
      );
    if (claim.doubts >= MAX_DOUBTS) return giveUp(`its outcome was unknown ${MAX_DOUBTS} times`);
    log.info(fields, "send of unknown outcome did not leave, sending again");
    return outbox.retryAt(claim, now, { error: "Did not leave at the last try" });
  }

  /** Looks thin out with age, and one falls right after `settleMs`. */
  #nextLookMs(ageMs: number): number {
    const { settleMs } = this.#options;
    const step = Math.min(Math.max(ageMs, Math.min(LOOK.firstMs, settleMs / 4)), LOOK.maxMs);
    return ageMs < settleMs ? Math.min(step, settleMs - ageMs) : step;
  }
}
