import { once } from "node:events";
import { connect } from "node:net";
import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { describeError, GatewayError } from "../errors.ts";
import { neverLeft, readText, type Fetch } from "../http.ts";
import type { Log } from "../log.ts";
import { maskWamid } from "../message.ts";
import type { PartState } from "../part.ts";
import type { Answer, Gateway, OnWork } from "../pipeline/answer.ts";
import type { MediaFile } from "../pipeline/media.ts";
import type { Turn } from "../pipeline/turn.ts";
import { parseRetryAfter } from "../retry-after.ts";
import { showUrl } from "../url.ts";
import { VERSION } from "../version.ts";
import { agentMessage } from "./http-message.ts";

export interface HttpGatewayOptions {
  readonly url: string;
  /** Shown to the agent, which knows by it that a message is ours. */
  readonly token: string | undefined;
  /** The agent may do all of its work before it answers. */
  readonly turnTimeoutMs: number;
}

export interface HttpGatewayParts {
  readonly fetch: Fetch;
  readonly linkTo: (file: MediaFile) => string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onState: (state: PartState) => void;
}

type Outcome =
  | { readonly kind: "taken" }
  /** Nobody is there. */
  | { readonly kind: "away"; readonly error: string }
  | {
      readonly kind: "refused";
      readonly status?: number;
      readonly error: string;
      readonly afterMs?: number | undefined;
    };

const RETRY: Backoff = { firstMs: 1000, maxMs: 60_000 };
const LOOK: Backoff = { firstMs: 500, maxMs: 10_000 };
const PROBE_MS = 15_000;
const CONNECT_MS = 5000;
/** These are about the message itself: the next try brings the same. */
const UNFIT: ReadonlySet<number> = new Set([400, 413, 415, 422]);
const MAX_UNFIT_TRIES = 5;
/** Of the answer's body, which is not looked at; read, so that the connection can be used again. */
const MAX_ANSWER_BYTES = 65_536;

/**
 * An agent that takes messages by HTTP and sends by HTTP too (`src/bridge`). A message is its own once it answered with
 * 2xx; until then it gets the message again, under the same id.
 */
export class HttpGateway implements Gateway {
  readonly #options: HttpGatewayOptions;
  readonly #parts: HttpGatewayParts;
  #isUp = false;
  #up = Promise.withResolvers<void>();
  #lastState = "";

  constructor(options: HttpGatewayOptions, parts: HttpGatewayParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get isConnected(): boolean {
    return this.#isUp;
  }

  /** Looks whether the agent is there until the signal aborts: soon while it is away, now and then while it is not. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      const problem = await probeAgent(this.#options.url, signal);
      if (signal.aborted) return;
      if (problem === undefined) {
        failures = 0;
        if (!this.#isUp) this.#noteUp();
      } else {
        failures++;
        this.#noteAway(problem);
      }
      const pauseMs = problem === undefined ? PROBE_MS : backoffMs(failures, LOOK);
      await this.#parts.clock.sleep(pauseMs, signal).catch(() => {});
    }
  }

  async ask(turn: Turn, onWork: OnWork, signal: AbortSignal): Promise<Answer> {
    const body = JSON.stringify(agentMessage(turn, this.#parts.linkTo));
    let isShown = false;
    const show = () => {
      if (!isShown) onWork();
      isShown = true;
    };
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      if (this.#isUp) show();
      const outcome = await this.#post(body, signal);
      switch (outcome.kind) {
        case "taken":
          this.#noteUp();
          show();
          return { text: "", media: [], isPassedOn: true };
        case "away":
          this.#noteAway(outcome.error);
          await Promise.race([this.#up.promise, this.#parts.clock.sleep(backoffMs(tries, LOOK), signal)]);
          break;
        case "refused":
          await this.#pauseOrThrow(turn, outcome, tries, signal);
      }
    }
  }

  async #post(body: string, signal: AbortSignal): Promise<Outcome> {
    const { url, token, turnTimeoutMs } = this.#options;
    const headers = {
      "Content-Type": "application/json",
      "User-Agent": `wa-relay/${VERSION}`,
      ...(token !== undefined && { "X-Webhook-Secret": token }),
    };
    try {
      return await withDeadline(turnTimeoutMs, signal, async (limit) => {
        const response = await this.#parts.fetch(url, {
          method: "POST",
          headers,
          body,
          silenceMs: turnTimeoutMs,
          redirect: "manual",
          signal: limit,
        });
        const { status } = response;
        // Whatever becomes of the rest, the agent has said what counts.
        await readText(response, MAX_ANSWER_BYTES).catch(() => {});
        if (status >= 200 && status < 300) return { kind: "taken" };
        const afterMs = parseRetryAfter(response.headers.get("retry-after"));
        return { kind: "refused", status, error: `The agent answered HTTP ${status}`, afterMs };
      });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DeadlineError)
        return { kind: "refused", error: "The agent did not answer in time" };
      return { kind: neverLeft(error) ? "away" : "refused", error: describeError(error) };
    }
  }

  async #pauseOrThrow(
    { message }: Turn,
    { status, error, afterMs = 0 }: Outcome & { kind: "refused" },
    tries: number,
    signal: AbortSignal,
  ): Promise<void> {
    const isUnfit = status !== undefined && UNFIT.has(status);
    const fields = { wamid: maskWamid(message.wamid), attempt: tries, reason: error };
    if (isUnfit && tries >= MAX_UNFIT_TRIES) throw new GatewayError(`${error} to each of ${tries} tries`);
    this.#parts.log.warn(fields, "agent did not take the message, will try again");
    if (!isUnfit) this.#report({ kind: "refused", message: error, hint: hintFor(status) });
    await this.#parts.clock.sleep(Math.max(afterMs, backoffMs(tries, RETRY)), signal);
  }

  #noteUp(): void {
    this.#isUp = true;
    this.#up.resolve();
    this.#report({ kind: "connected", message: `An agent takes messages at ${showUrl(this.#options.url)}` });
  }

  #noteAway(reason: string): void {
    if (this.#isUp) this.#up = Promise.withResolvers<void>();
    this.#isUp = false;
    const { url } = this.#options;
    this.#report({
      kind: "unreachable",
      message: `No agent answers at ${showUrl(url)}: ${reason}`,
      hint: "start the agent, or set gateway.url (GATEWAY_URL) to where it takes messages",
    });
  }

  /** Says a change once, not at every try. */
  #report(state: PartState): void {
    const { log, onState } = this.#parts;
    const text = `${state.kind} ${state.message}`;
    if (this.#lastState === text) return;
    this.#lastState = text;
    onState(state);
    const fields = { detail: state.message, hint: state.hint };
    if (state.kind === "connected") log.info(fields, "agent connected");
    else log.warn({ ...fields, state: state.kind }, "agent not connected, messages are kept");
  }
}

/** Why nobody can be reached at this address; undefined when somebody listens there. */
export async function probeAgent(url: string, signal: AbortSignal): Promise<string | undefined> {
  const { hostname, port, protocol } = new URL(url);
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || (protocol === "https:" ? 443 : 80),
  });
  try {
    await withDeadline(CONNECT_MS, signal, async (limit) => once(socket, "connect", { signal: limit }));
    return undefined;
  } catch (error) {
    return describeError(error instanceof Error && error.name === "AbortError" ? error.cause : error);
  } finally {
    socket.on("error", () => {});
    socket.destroy();
  }
}

function hintFor(status: number | undefined): string | undefined {
  if (status === 401 || status === 403)
    return "set gateway.token (GATEWAY_TOKEN) to the secret that the agent expects as X-Webhook-Secret";
  if (status === 404 || status === 405 || (status !== undefined && status >= 300 && status < 400))
    return "set gateway.url (GATEWAY_URL) to the very address at which the agent takes messages";
  return "see the agent's log";
}
