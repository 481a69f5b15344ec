import type { Clock } from "../clock.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { describeError, GatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import { contactId, maskContact, maskWamid, type Identity, type Inbound } from "../message.ts";
import type { Guard, Verdict } from "./guard.ts";
import type { Lanes } from "./lanes.ts";
import type { Stored } from "./receive.ts";
import { isSilent, visibleText } from "./reply.ts";
import { keepTyping, type TypingOptions } from "./typing.ts";

/** One message for the agent, with everything that the agent may know and the sender can not forge. */
export interface Turn {
  readonly message: Inbound;
  readonly role: string;
  readonly session: string;
  /** It may have been asked before (by a process that died): the gateway must look before it asks. */
  readonly replayed: boolean;
}

export interface Gateway {
  /**
   * The agent's answer in Markdown, "" when it chose silence. Waits while the gateway is away; never runs a turn twice.
   * `onWork` is called when the agent gets to work on it.
   * @throws GatewayError when the turn ended without an answer and asking again would not help
   */
  ask(turn: Turn, onWork: () => void, signal: AbortSignal): Promise<string>;
}

/** A stored message, loaded to be answered. */
export interface Question extends Inbound {
  readonly seq: number;
  readonly receivedAt: number;
}

export interface NewOutgoing {
  readonly to: Identity;
  readonly text: string;
}

/** How a message ended, and what is to be sent for it. */
export interface Settled {
  readonly state: "answered" | "silent" | "failed" | "denied" | "limited" | "stale";
  readonly replies: readonly NewOutgoing[];
  /** The replies tell of a refusal, which the person hears at most once in this time. */
  readonly noticePeriodMs?: number;
}

export interface Settlement {
  /** Undefined when it is settled already. */
  question(seq: number): Promise<Question | undefined>;
  /** Returns the number of replies that were queued: a notice that was given lately is not given again. */
  settle(seq: number, settled: Settled, now: number): Promise<number>;
}

export interface AnswerOptions {
  readonly maxAgeMs: number;
  /** Messages sent before this belong to whoever served the number before us. */
  readonly answerFrom: number;
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
  /** Turns an answer's Markdown into messages that WhatsApp takes, in order. */
  readonly format: (markdown: string) => Promise<readonly string[]>;
  /** Called when something was queued for a person. */
  readonly wakeDelivery: (contact: string) => void;
  readonly clock: Clock;
  readonly log: Log;
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

  /** Queues a message. With a session shared by all, one lane keeps its turns apart. */
  push({ seq, contact }: Stored, { replayed }: { readonly replayed: boolean }): void {
    const { guard, lanes } = this.#parts;
    lanes.push(guard.sessionOf(contact), () => this.#answer(seq, replayed));
  }

  async #answer(seq: number, replayed: boolean): Promise<void> {
    const { inbox, guard, clock, log } = this.#parts;
    // Judged once, however often storing the answer has to be tried: the guard counts.
    let verdict: Verdict | undefined;
    for (let again = replayed; !this.#signal.aborted; again = true) {
      try {
        const question = await inbox.question(seq);
        if (!question) return;
        if (!this.#isStale(question))
          verdict ??= guard.check(question.from, Math.min(question.sentAt, clock.now()));
        log.debug({ wamid: maskWamid(question.wamid), verdict: verdict?.kind ?? "stale" }, "message judged");
        return await this.#settle(question, verdict, again);
      } catch (error) {
        // Stopping: the message stays pending, and the next start goes on with it.
        if (this.#signal.aborted) return;
        log.error({ seq, err: error }, "message not settled, will try again");
        await clock.sleep(RETRY_MS, this.#signal).catch(() => {});
      }
    }
  }

  #isStale({ sentAt }: Question): boolean {
    const { answerFrom, maxAgeMs } = this.#options;
    return sentAt < answerFrom || sentAt < this.#parts.clock.now() - maxAgeMs;
  }

  async #settle(question: Question, verdict: Verdict | undefined, replayed: boolean): Promise<void> {
    const { inbox, clock } = this.#parts;
    const settled = await this.#decide(question, verdict, replayed);
    const queued = await inbox.settle(question.seq, settled, clock.now());
    this.#report(question, settled.state, queued);
    if (queued > 0) this.#parts.wakeDelivery(contactId(question.from));
  }

  /** Without a verdict the message is too old to be judged. */
  async #decide(question: Question, verdict: Verdict | undefined, replayed: boolean): Promise<Settled> {
    const { denyMessage, limitMessage } = this.#options;
    switch (verdict?.kind) {
      case undefined:
        return { state: "stale", replies: [] };
      case "deny":
        return {
          state: "denied",
          replies: this.#notice(question, denyMessage),
          noticePeriodMs: DENIAL_PERIOD_MS,
        };
      case "limit":
        return { state: "limited", replies: verdict.first ? this.#notice(question, limitMessage) : [] };
      case "allow":
        return this.#ask({ message: question, role: verdict.role, session: verdict.session, replayed });
    }
  }

  async #ask(turn: Turn): Promise<Settled> {
    const { gateway, typing, format, clock, log } = this.#parts;
    const askedAt = clock.now();
    const answered = new AbortController();
    const onWork = () =>
      void keepTyping(turn.message.wamid, typing, { signal: answered.signal, stopping: this.#signal });
    // It may wait for the gateway until the reply window closes, and not longer.
    const leftMs = Math.max(0, Math.min(turn.message.sentAt, askedAt) + this.#options.maxAgeMs - askedAt);
    try {
      const answer = await withDeadline(leftMs, this.#signal, (limit) => gateway.ask(turn, onWork, limit));
      log.debug(
        { wamid: maskWamid(turn.message.wamid), durationMs: clock.now() - askedAt },
        "agent answered",
      );
      const text = visibleText(answer);
      // Judged again as it will be seen: markup can hide a token from the first look.
      const parts = (await format(text)).filter((part) => !isSilent(part));
      const replies = parts.map((part) => ({ to: turn.message.from, text: part }));
      return { state: replies.length > 0 ? "answered" : "silent", replies };
    } catch (error) {
      if (error instanceof DeadlineError) return { state: "stale", replies: [] };
      if (!(error instanceof GatewayError)) throw error;
      log.error(
        { wamid: maskWamid(turn.message.wamid), reason: describeError(error), hint: error.hint },
        "agent failed",
      );
      return { state: "failed", replies: this.#notice(turn.message, this.#options.errorMessage) };
    } finally {
      // A reason of its own spares an error with a stack for each message.
      answered.abort("answered");
    }
  }

  #notice(message: Inbound, text: string): readonly NewOutgoing[] {
    return text === "" ? [] : [{ to: message.from, text }];
  }

  #report(question: Question, state: Settled["state"], parts: number): void {
    const { clock, log } = this.#parts;
    log.info(
      {
        wamid: maskWamid(question.wamid),
        from: maskContact(contactId(question.from)),
        kind: question.kind,
        state,
        parts,
        waitedMs: question.receivedAt - question.sentAt,
        durationMs: clock.now() - question.receivedAt,
        ...(state === "denied" && { hint: "to let this person write, add the number to security.roles" }),
      },
      "message settled",
    );
  }
}
