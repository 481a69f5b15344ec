import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { contactId, maskContact, type Identity } from "../message.ts";
import type { Admission, Admitted, Repeated, SendKey } from "../pipeline/admission.ts";
import type { OutgoingMedia } from "../pipeline/media.ts";
import type { NewOutgoing } from "../pipeline/outbox.ts";
import { judge, plan, queue, type SenderRights } from "../pipeline/send-gate.ts";
import type { Circumstances, Recipient, Refusal, SendPolicy } from "../pipeline/send-policy.ts";
import { sendStatus, type OutboxState } from "../pipeline/send-status.ts";
import { WINDOW_CODE } from "../pipeline/window.ts";
import type { WebAnswer } from "../source/listener.ts";
import { failure, json } from "./access.ts";
import type { FileOrder, TextOrder } from "./request.ts";

/** A message in the outbox, as far as its sender is told. */
export interface Row {
  readonly id: number;
  readonly contact: string;
  readonly state: OutboxState;
  readonly wamid: string | null;
  readonly code: string | null;
  readonly error: string | null;
}

export type PreparedFile =
  | {
      readonly kind: "file";
      readonly media: OutgoingMedia;
      readonly caption?: string | undefined;
      /** What is too long for a caption. */
      readonly text?: string | undefined;
    }
  | { readonly kind: "refused"; readonly reason: string };

export interface DispatchParts {
  readonly outbox: {
    admit(admission: Admission, now: number): Promise<Admitted>;
    findKey(key: SendKey): Repeated | undefined;
    get(id: number): Row | undefined;
  };
  readonly people: { find(to: Identity, now: number): Recipient | undefined };
  readonly policy: SendPolicy;
  readonly circumstances: () => Omit<Circumstances, "now">;
  /** Messages that have not left yet. */
  readonly waiting: () => number;
  /** Called when something was queued for a person. */
  readonly wakeDelivery: (contact: string) => void;
  /** A text as messages that WhatsApp takes, in order. */
  readonly format: (text: string, isMarkdown: boolean) => Promise<readonly string[]>;
  readonly prepare: (order: FileOrder, signal: AbortSignal) => Promise<PreparedFile>;
  readonly clock: Clock;
  readonly log: Log;
}

/** An agent waits for the id of its message; what takes longer goes on without it. */
const WAIT_MS = 20_000;
const STEP_MS = 50;
/** More is not queued: somebody has to look why nothing leaves. */
const MAX_WAITING = 10_000;

/** A repetition of what a cap was against is worth trying about so soon. */
const CAP_RETRY_SECONDS = 60;

/**
 * What an agent sends by itself can not be told from its answers, so whoever wrote in the last 24 hours may be answered,
 * as with any other agent. Of whom we know nothing WhatsApp knows more: they may have written before we were there.
 */
const RIGHTS: SenderRights = { mayAnswer: true, unknownWindow: "open" };

/** The messages of a request, or why there are none. */
type Make = () => Promise<readonly NewOutgoing[] | string>;

/** Puts what agents send into the outbox, and tells them what became of it. */
export class Dispatcher {
  readonly #parts: DispatchParts;
  /** Person → the order that is made ready now: what comes later for them stays behind it. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(parts: DispatchParts) {
    this.#parts = parts;
  }

  async sendText(
    { to, text, isMarkdown, quotes }: TextOrder,
    key: SendKey | undefined,
    signal: AbortSignal,
  ): Promise<WebAnswer> {
    return this.#send({ to, key }, signal, async () => {
      const texts = await this.#parts.format(text, isMarkdown);
      return texts.map((each, index) => ({ to, text: each, ...(index === 0 && quotes && { quotes }) }));
    });
  }

  async sendFile(order: FileOrder, key: SendKey | undefined, signal: AbortSignal): Promise<WebAnswer> {
    const { to, caption, isMarkdown, quotes } = order;
    return this.#send({ to, key }, signal, async () => {
      const { format, prepare } = this.#parts;
      const texts = caption === "" ? [] : await format(caption, isMarkdown);
      const prepared = await prepare({ ...order, caption: texts.join("\n\n") }, signal);
      if (prepared.kind === "refused") return `The file was not sent: ${prepared.reason}`;
      const { media, caption: shown = "" } = prepared;
      const rest = prepared.text === undefined ? [] : texts.map((text) => ({ to, text }));
      return [{ to, text: shown, media, ...(quotes && { quotes }) }, ...rest];
    });
  }

  async #send(
    { to, key }: { readonly to: Identity; readonly key: SendKey | undefined },
    signal: AbortSignal,
    make: Make,
  ): Promise<WebAnswer> {
    const { outbox, waiting, clock, log, wakeDelivery } = this.#parts;
    if (waiting() >= MAX_WAITING) {
      const full = failure(503, `${MAX_WAITING} messages wait to be sent: see wa-cli outbox`);
      return { ...full, headers: { "Retry-After": "60" } };
    }
    const admitted = await this.#inTurn(contactId(to), () => this.#admit(to, key, make));
    if ("status" in admitted) return admitted;
    const rows = () => admitted.ids.flatMap((id) => outbox.get(id) ?? []);
    const [first] = rows();
    if (!first) return failure(400, "There is nothing to send: the text is empty");
    const isRepeated = admitted.kind === "repeated";
    log.debug(
      { outboxId: first.id, to: maskContact(first.contact), parts: admitted.ids.length },
      "message queued",
    );
    wakeDelivery(first.contact);
    const deadline = clock.now() + WAIT_MS;
    while (!isOver(rows()) && clock.now() < deadline && !signal.aborted)
      await clock.sleep(STEP_MS, signal).catch(() => {});
    return answerFor(first.id, rows(), isRepeated);
  }

  /** Nothing is fetched or queued for a person who may not be written to, or a second time under one key. */
  async #admit(
    to: Identity,
    key: SendKey | undefined,
    make: Make,
  ): Promise<Exclude<Admitted, { kind: "refused" }> | WebAnswer> {
    const { outbox, people, policy, circumstances, clock } = this.#parts;
    const before = key && outbox.findKey(key);
    if (before) return checkRepeated(before);
    const now = clock.now();
    const decision = judge(people.find(to, now) ?? { to }, policy, { ...circumstances(), ...RIGHTS, now });
    if (decision.kind === "refused") return refused(decision.refusal);
    if (decision.kind === "closed") {
      const { window } = decision;
      const since = window.kind === "closed" ? ` since ${new Date(window.since).toISOString()}` : "";
      const error = `The 24-hour window of this person is closed${since}: only templates are taken until they write (wa-cli send --template)`;
      return json(422, { success: false, status: "failed", code: WINDOW_CODE, error });
    }
    const made = await make();
    if (typeof made === "string") return failure(422, made);
    const queuedAt = clock.now();
    return checkRepeated(await queue(outbox, { ...plan(made, decision, policy, queuedAt), key }, queuedAt));
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}

function checkRepeated(admitted: Admitted): Exclude<Admitted, { kind: "refused" }> | WebAnswer {
  if (admitted.kind === "refused") return refused(admitted.refusal);
  if (admitted.kind === "queued" || admitted.isSame) return admitted;
  return failure(
    422,
    "This idempotency key was given before, for another request: give each message its own",
  );
}

function refused({ rule, message, hint }: Refusal): WebAnswer {
  const answer = { success: false, status: "refused", code: rule, error: `${message}: ${hint}` };
  if (rule !== "send.per_recipient" && rule !== "send.per_day") return json(422, answer);
  return { ...json(429, answer), headers: { "Retry-After": String(CAP_RETRY_SECONDS) } };
}

/** Waiting longer would tell nothing more: all is settled, in doubt, or blocked. */
function isOver(rows: readonly Row[]): boolean {
  const open = rows.find(({ state }) => state === "queued" || state === "sending" || state === "doubt");
  if (open?.state !== "queued") return open?.state !== "sending";
  return open.code === "credentials" || open.code === "account";
}

/**
 * Only what was refused is an error: an agent repeats a request that failed, and what is queued or of unknown outcome must
 * not be sent twice.
 */
function answerFor(id: number, rows: readonly Row[], isRepeated: boolean): WebAnswer {
  const messageIds = rows.flatMap(({ wamid }) => wamid ?? []);
  const report = { id, messageId: messageIds[0] ?? null, messageIds, ...(isRepeated && { repeated: true }) };
  const open = rows.find(({ state }) => state !== "accepted");
  if (!open) return json(200, { success: true, ...report, status: "accepted" });
  const { code, error } = open;
  const status = sendStatus(open);
  if (status === "failed")
    return json(422, { success: false, ...report, status, code, error: error ?? "WhatsApp refused it" });
  return json(202, { success: true, ...report, status, ...(error !== null && { reason: error }) });
}
