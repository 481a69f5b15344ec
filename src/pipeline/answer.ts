import type { Clock } from "../clock.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { describeError, GatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import { maskContact, maskWamid } from "../message.ts";
import type { Guard, Verdict } from "./guard.ts";
import type { Hops } from "./hops.ts";
import type { Lanes } from "./lanes.ts";
import type { MediaFetcher, MediaPreparer, MediaReference, Transcriber } from "./media.ts";
import type { NewOutgoing } from "./outbox.ts";
import { makeReady } from "./ready.ts";
import type { Stored } from "./receive.ts";
import { composeReplies } from "./replies.ts";
import { imagesOf, turnText, type Question, type Ready, type Turn } from "./turn.ts";
import { keepTyping, type TypingOptions } from "./typing.ts";

/** What an agent answered. */
export interface Answer {
  /** Markdown; "" when it chose silence. */
  readonly text: string;
  readonly media: readonly MediaReference[];
  /** The agent has the message, and will send what it has to say by itself. */
  readonly isPassedOn?: true;
}

/** Called when the agent gets to work, with the id under which the gateway knows the run; again when that changes. */
export type OnWork = (run?: string) => void;

export interface Gateway {
  /**
   * Waits while the gateway is away; never runs a turn twice.
   * @throws GatewayError when the turn ended without an answer and asking again would not help
   */
  ask(turn: Turn, onWork: OnWork, signal: AbortSignal): Promise<Answer>;
}

/** How a message ended, and what is to be sent for it. */
export interface Settled {
  readonly state: "answered" | "silent" | "passed" | "failed" | "denied" | "limited" | "stale";
  readonly replies: readonly NewOutgoing[];
  /** The replies tell of a refusal, which the person hears at most once in this time. */
  readonly noticePeriodMs?: number;
  readonly hops?: Hops;
}

export interface Settlement {
  /** Undefined when it is settled already. */
  question(seq: number): Promise<Question | undefined>;
  /** True when the person wrote again since. */
  isOvertaken(seq: number): Promise<boolean>;
  /** Returns the number of replies that were queued: a notice that was given lately is not given again. */
  settle(seq: number, settled: Settled, now: number): Promise<number>;
  /** Remembers how far it got, until it is settled. */
  note(seq: number, hops: Hops): Promise<void>;
}

export interface AnswerOptions {
  readonly maxAgeMs: number;
  /** Messages sent before this belong to whoever served the number before us. */
  readonly answerFrom: number;
  /** Whether an answer quotes its question; `auto` when the person wrote again in between. */
  readonly quote: "auto" | "always" | "never";
  readonly denyMessage: string;
  readonly limitMessage: string;
  readonly errorMessage: string;
}

export interface AnswerParts {
  readonly inbox: Settlement;
  readonly guard: Guard;
  readonly gateway: Gateway;
  readonly lanes: Lanes;
  readonly typing: TypingOptions;
  readonly media: MediaFetcher;
  readonly transcriber: Transcriber | undefined;
  readonly preparer: MediaPreparer;
  /** Turns an answer's Markdown into messages that WhatsApp takes, in order. */
  readonly format: (markdown: string) => Promise<readonly string[]>;
  /** Called when something was queued for a person. */
  readonly wakeDelivery: (contact: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** What was decided about a message when it arrived. */
interface Judged {
  /** Undefined when it was too old to be judged. */
  readonly verdict: Verdict | undefined;
  readonly judgedAt: number;
  /** Its file, on the way since then. */
  readonly ready: Promise<Ready | undefined> | undefined;
  readonly replayed: boolean;
}

const DENIAL_PERIOD_MS = 86_400_000;
/** Pause after a fault of our own, such as a full disk. */
const RETRY_MS = 5000;

/** Takes stored messages through guard, agent and formatting to the outbox, in order for each person. */
export class Answerer {
  readonly #parts: AnswerParts;
  readonly #options: AnswerOptions;
  readonly #signal: AbortSignal;

  constructor(parts: AnswerParts, options: AnswerOptions, signal: AbortSignal) {
    this.#parts = parts;
    this.#options = options;
    this.#signal = signal;
  }

  /**
   * Judges a message and queues it. Its file is fetched at once, not when its turn comes: the address is good for minutes
   * only. With a session shared by all, one lane keeps its turns apart.
   */
  push(stored: Stored, { replayed }: { readonly replayed: boolean }): void {
    const { guard, lanes, clock, log } = this.#parts;
    const { seq, contact, from, wamid } = stored;
    const judgedAt = clock.now();
    const sentAt = Math.min(stored.sentAt, judgedAt);
    const verdict = this.#isStale(stored.sentAt) ? undefined : guard.check({ contact, from, sentAt });
    log.debug({ wamid: maskWamid(wamid), verdict: verdict?.kind ?? "stale" }, "message judged");
    const ready = verdict?.kind === "allow" && stored.hasMedia ? this.#makeReady(seq) : undefined;
    // It rejects when we stop; whoever waits for it hears of that.
    ready?.catch(() => {});
    lanes.push(
      guard.sessionOf(contact),
      () => this.#answer(seq, { verdict, judgedAt, ready, replayed }),
      ready,
    );
  }

  async #makeReady(seq: number): Promise<Ready | undefined> {
    const question = await this.#parts.inbox.question(seq);
    const ready = question && (await makeReady(question, this.#parts, this.#signal));
    return ready && { ...ready, at: this.#parts.clock.now() };
  }

  async #answer(seq: number, { ready, replayed, ...judged }: Judged): Promise<void> {
    const { inbox, clock, log } = this.#parts;
    for (; !this.#signal.aborted; replayed = true) {
      try {
        const question = await inbox.question(seq);
        if (!question) return;
        return await this.#settle(question, { ...judged, ready, replayed });
      } catch (error) {
        // Stopping: the message stays pending, and the next start goes on with it.
        if (this.#signal.aborted) return;
        log.error({ seq, err: error }, "message not settled, will try again");
        await clock.sleep(RETRY_MS, this.#signal).catch(() => {});
        // What was fetched stays; what failed with the store is tried again.
        const isReady = await (ready ?? Promise.resolve()).then(
          () => true,
          () => false,
        );
        if (!isReady) ready = this.#makeReady(seq);
      }
    }
  }

  #isStale(sentAt: number): boolean {
    const { answerFrom, maxAgeMs } = this.#options;
    return sentAt < answerFrom || sentAt < this.#parts.clock.now() - maxAgeMs;
  }

  async #settle(question: Question, judged: Judged): Promise<void> {
    const { inbox, clock } = this.#parts;
    const settled = await this.#decide(question, judged);
    const hops = { judgedAt: judged.judgedAt, ...settled.hops };
    const queued = await inbox.settle(question.seq, { ...settled, hops }, clock.now());
    this.#report(question, settled.state, queued);
    if (queued > 0) this.#parts.wakeDelivery(question.contact);
  }

  async #decide(question: Question, { verdict, judgedAt, ready, replayed }: Judged): Promise<Settled> {
    const { denyMessage, limitMessage } = this.#options;
    // It may have got too old while others were answered.
    if (verdict === undefined || this.#isStale(question.sentAt)) return { state: "stale", replies: [] };
    switch (verdict.kind) {
      case "deny":
        return {
          state: "denied",
          replies: this.#notice(question, denyMessage),
          noticePeriodMs: DENIAL_PERIOD_MS,
        };
      case "limit":
        return { state: "limited", replies: verdict.first ? this.#notice(question, limitMessage) : [] };
      case "allow": {
        const { role, session } = verdict;
        const file = await ready;
        const text = turnText(question, file);
        const images = imagesOf(question.content, file);
        const hops = { judgedAt, role, ...describeReady(file) };
        return this.#ask({ message: question, text, ready: file, images, role, session, replayed }, hops);
      }
    }
  }

  async #ask(turn: Turn, before: Hops): Promise<Settled> {
    const { gateway, typing, clock, log } = this.#parts;
    const { message } = turn;
    const askedAt = clock.now();
    const answered = new AbortController();
    let hops = before;
    const onWork = (run?: string) => {
      const isFirst = hops.askedAt === undefined;
      hops = { ...hops, askedAt: clock.now(), run };
      this.#note(message, hops);
      if (!isFirst) return;
      void keepTyping(message.wamid, typing, { signal: answered.signal, stopping: this.#signal });
    };
    // It may wait for the gateway until the reply window closes, and not longer.
    const leftMs = Math.max(0, Math.min(message.sentAt, askedAt) + this.#options.maxAgeMs - askedAt);
    try {
      const answer = await withDeadline(leftMs, this.#signal, (limit) => gateway.ask(turn, onWork, limit));
      log.debug({ wamid: maskWamid(message.wamid), durationMs: clock.now() - askedAt }, "agent answered");
      hops = { ...hops, answeredAt: clock.now() };
      if (answer.isPassedOn) return { state: "passed", replies: [], hops };
      const replies = await this.#replies(message, answer);
      return { state: replies.length > 0 ? "answered" : "silent", replies, hops };
    } catch (error) {
      if (error instanceof DeadlineError) return { state: "stale", replies: [], hops };
      if (!(error instanceof GatewayError)) throw error;
      const reason = describeError(error);
      log.error({ wamid: maskWamid(message.wamid), reason, hint: error.hint }, "agent failed");
      hops = { ...hops, answeredAt: clock.now(), error: reason };
      return { state: "failed", replies: this.#notice(message, this.#options.errorMessage), hops };
    } finally {
      // A reason of its own spares an error with a stack for each message.
      answered.abort("answered");
    }
  }

  /** Nobody waits for it: it is for people who look. */
  #note({ seq, wamid }: Question, hops: Hops): void {
    const { inbox, log } = this.#parts;
    inbox
      .note(seq, hops)
      .catch((error: unknown) =>
        log.debug({ wamid: maskWamid(wamid), reason: describeError(error) }, "hops not noted"),
      );
  }

  async #replies(question: Question, answer: Answer): Promise<readonly NewOutgoing[]> {
    const log = this.#parts.log.child({ wamid: maskWamid(question.wamid) });
    const replies = await composeReplies(answer, { ...this.#parts, log }, this.#signal);
    const quotes = replies.length > 0 && (await this.#isQuoted(question)) ? question.wamid : undefined;
    return replies.map((reply, index) => ({
      to: question.from,
      ...reply,
      ...(index === 0 && quotes !== undefined && { quotes }),
    }));
  }

  async #isQuoted({ seq }: Question): Promise<boolean> {
    const { quote } = this.#options;
    return quote === "always" || (quote === "auto" && (await this.#parts.inbox.isOvertaken(seq)));
  }

  #notice(message: Question, text: string): readonly NewOutgoing[] {
    return text === "" ? [] : [{ to: message.from, text }];
  }

  #report(question: Question, state: Settled["state"], parts: number): void {
    const { clock, log } = this.#parts;
    log.info(
      {
        wamid: maskWamid(question.wamid),
        from: maskContact(question.contact),
        kind: question.content.type,
        state,
        parts,
        waitedMs: question.receivedAt - question.sentAt,
        durationMs: clock.now() - question.receivedAt,
        ...(state === "denied" && {
          hint: `to let this person write, add ${howListed(question)} to security.roles`,
        }),
      },
      "message settled",
    );
  }
}

/** A user id says nothing about a person to anybody else, and there is no other way to learn it. */
function howListed({ from: { phone, bsuid } }: Question): string {
  return phone === undefined && bsuid !== undefined ? `"${bsuid}"` : "the number";
}

function describeReady(ready: Ready | undefined): Hops {
  if (!ready) return {};
  const { fetched, transcript, at } = ready;
  const file =
    fetched.kind === "file"
      ? `${fetched.file.mimeType}, ${fetched.file.bytes} bytes`
      : `none: ${fetched.reason}`;
  if (!transcript) return { fileAt: at, file };
  const spoken = transcript.kind === "text" ? "written down" : `not written down: ${transcript.reason}`;
  return { fileAt: at, file: `${file}; ${spoken}` };
}
