import type { z } from "zod";
import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { GatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import { maskWamid } from "../message.ts";
import type { Answer, Gateway, OnWork } from "../pipeline/answer.ts";
import type { Turn } from "../pipeline/turn.ts";
import { visibleText } from "../pipeline/reply.ts";
import { isLoopback, showUrl } from "../url.ts";
import { Connection, ConnectionLostError, RpcError } from "./connection.ts";
import type { Device } from "./device.ts";
import { diagnose, ScopeError, type GatewayState } from "./diagnosis.ts";
import { agentResult, history, type AgentResult } from "./protocol.ts";
import { runKey, traceMessage } from "./recovery.ts";
import { loadAttachments } from "./attachments.ts";
import { turnRequest } from "./turn-request.ts";

export interface OpenClawOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly scopes: readonly string[];
  readonly turnTimeoutMs: number;
}

export interface OpenClawParts {
  /** Called when the gateway wants to know the device; the key is made then. */
  readonly loadDevice: () => Device;
  readonly clock: Clock;
  readonly log: Log;
  readonly onState: (state: GatewayState) => void;
}

const RECONNECT: Backoff = { firstMs: 1000, maxMs: 30_000 };
/** A person is at work on the other side: look again soon. */
const PAIRING: Backoff = { firstMs: 5000, maxMs: 10_000 };
const LOOK: Backoff = { firstMs: 500, maxMs: 5000 };
const RETRY_MAX_MS = 30_000;
const WAIT_STEP_MS = 30_000;
/** Beyond the turn's own limit, which the gateway keeps: queueing there, and a gateway that forgot. */
const GRACE_MS = 120_000;
const HISTORY_ROWS = 200;
const HISTORY_CHARS = 500_000;

/** An OpenClaw gateway: keeps the line open, asks each message once and finds its answer again after any break. */
export class OpenClawGateway implements Gateway {
  readonly #options: OpenClawOptions;
  readonly #parts: OpenClawParts;
  #connection: Connection | undefined;
  #connected = Promise.withResolvers<Connection>();
  #device: Device | undefined;
  #lastState = "";

  constructor(options: OpenClawOptions, parts: OpenClawParts) {
    this.#options = options;
    this.#parts = parts;
    // A gateway on the same machine takes the shared token alone; any other wants to know the device.
    if (!isLoopback(options.url)) this.#device = parts.loadDevice();
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Keeps connected until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      this.#report({ kind: "connecting", message: `Connecting to ${showUrl(this.#options.url)}` });
      try {
        const connection = await this.#connect(signal);
        failures = 0;
        await this.#serve(connection, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        const state = diagnose(error, this.#options.url);
        this.#report(state);
        const pace = state.kind === "pairing" ? PAIRING : RECONNECT;
        await this.#parts.clock.sleep(backoffMs(failures, pace), signal).catch(() => {});
      }
    }
  }

  /**
   * One handshake, with the device when the gateway asks for one.
   * @throws RpcError, ConnectionLostError, ScopeError
   */
  async connectOnce(
    signal: AbortSignal,
  ): Promise<{ readonly version: string; readonly scopes: readonly string[] }> {
    const connection = await this.#connect(signal);
    connection.close();
    const { server, auth } = connection.hello;
    return { version: server.version, scopes: auth.scopes };
  }

  async ask(turn: Turn, onWork: OnWork, signal: AbortSignal): Promise<Answer> {
    const first = runKey(turn.message.wamid, 1);
    let wasAsked = turn.replayed;
    for (let tries = 1; ; tries++) {
      const connection = await this.#whenConnected(signal);
      if (tries === 1) onWork(first);
      try {
        return await withDeadline(this.#options.turnTimeoutMs + GRACE_MS, signal, async (limit) => {
          const found = wasAsked ? await this.#recover(connection, turn, limit) : { key: first };
          if ("answer" in found) return found.answer;
          if (found.key !== first) onWork(found.key);
          wasAsked = true;
          return this.#run(connection, turn, found.key, limit);
        });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DeadlineError)
          throw new GatewayError("The gateway did not finish the turn in time", { cause: error });
        await this.#waitOrThrow(error, tries, signal);
      }
    }
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const { url, token, scopes } = this.#options;
    let connection: Connection | undefined;
    try {
      connection = await Connection.open({ url, token, scopes, device: this.#device }, signal);
      const granted = connection.hello.auth.scopes;
      const missing = scopes.filter((scope) => !granted.includes(scope));
      if (missing.length > 0)
        throw new ScopeError(`The gateway grants no ${missing.join(" and no ")}`, {
          hint: "approve this device with those scopes: openclaw devices list",
        });
      this.#device?.keepToken(connection.hello.auth.deviceToken ?? this.#device.token);
      return connection;
    } catch (error) {
      connection?.close();
      if (!this.#adaptTo(error)) throw error;
      return this.#connect(signal);
    }
  }

  /** True when another try with what the refusal teaches is worth it. */
  #adaptTo(error: unknown): boolean {
    const code = error instanceof RpcError ? error.details?.code : undefined;
    if (this.#device === undefined) {
      // Behind a trusted proxy a loopback address is a remote client, and that is refused or gets no scopes.
      if (!(error instanceof ScopeError) && code !== "DEVICE_IDENTITY_REQUIRED") return false;
      this.#device = this.#parts.loadDevice();
      return true;
    }
    if (this.#device.token === undefined || !/TOKEN_MISMATCH|SCOPE_MISMATCH/.test(code ?? "")) return false;
    this.#device.keepToken(undefined);
    return true;
  }

  async #serve(connection: Connection, signal: AbortSignal): Promise<void> {
    const { server, protocol } = connection.hello;
    this.#report({
      kind: "connected",
      message: `Connected to OpenClaw ${server.version}, protocol ${protocol}`,
    });
    this.#connection = connection;
    this.#connected.resolve(connection);
    const abort = () => connection.close();
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    const reason = await connection.closed;
    signal.removeEventListener("abort", abort);
    this.#connection = undefined;
    this.#connected = Promise.withResolvers<Connection>();
    if (!signal.aborted) throw new ConnectionLostError(`The connection to the gateway ended: ${reason}`);
  }

  async #whenConnected(signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted();
    if (this.#connection) return this.#connection;
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([this.#connected.promise, promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Looks the message up in the gateway's record; waits while a run of it is under way. */
  async #recover(
    connection: Connection,
    { session, message }: Turn,
    signal: AbortSignal,
  ): Promise<{ readonly answer: Answer } | { readonly key: string }> {
    for (let looks = 1; ; looks++) {
      const params = { sessionKey: session, limit: HISTORY_ROWS, maxChars: HISTORY_CHARS };
      const trace = traceMessage(
        message.wamid,
        read(history, await connection.request("chat.history", params, { signal })),
      );
      this.#parts.log.debug(
        { wamid: maskWamid(message.wamid), found: trace.kind },
        "message looked up at the gateway",
      );
      switch (trace.kind) {
        case "ask":
          return { key: trace.key };
        case "answered":
          return { answer: trace.answer };
        case "failed":
          throw new GatewayError("The agent's run failed while the connection was down");
        case "running":
          await this.#parts.clock.sleep(backoffMs(looks, LOOK), signal);
      }
    }
  }

  async #run(connection: Connection, turn: Turn, key: string, signal: AbortSignal): Promise<Answer> {
    const { maxPayload, attachments: limits } = connection.hello.policy;
    const attachments = await loadAttachments(turn.images, { maxPayload, maxBytes: limits.maxImageBytes });
    const params = turnRequest(turn, key, { timeoutMs: this.#options.turnTimeoutMs, attachments });
    for (let looks = 1; ; looks++) {
      const answer = read(
        agentResult,
        await connection.request("agent", params, { signal, skipAccepted: true }),
      );
      if (answer.status !== "in_flight") return readResult(answer);
      // Another connection of ours started it; the same request gives the whole result once the run is over.
      await connection.request("agent.wait", { runId: key, timeoutMs: WAIT_STEP_MS }, { signal });
      await this.#parts.clock.sleep(backoffMs(looks, LOOK), signal);
    }
  }

  /** Returns when asking again makes sense, after the pause that it needs. */
  async #waitOrThrow(error: unknown, tries: number, signal: AbortSignal): Promise<void> {
    if (error instanceof ConnectionLostError) return;
    if (!(error instanceof RpcError)) throw error;
    if (!error.retryable) {
      // The gateway's words may repeat the message; they are for whoever turns on debug.
      this.#parts.log.debug({ reason: error.message }, "gateway refused the turn");
      throw new GatewayError(`The gateway could not run the turn (${error.details?.code ?? error.code})`);
    }
    const delayMs = Math.min(RETRY_MAX_MS, Math.max(error.retryAfterMs ?? 0, backoffMs(tries, RECONNECT)));
    await this.#parts.clock.sleep(delayMs, signal);
  }

  /** Says a change once, not at every try. */
  #report(state: GatewayState): void {
    const { log, onState } = this.#parts;
    const text = `${state.kind} ${state.message}`;
    if (state.kind === "connecting" ? this.#lastState !== "" : this.#lastState === text) return;
    this.#lastState = text;
    onState(state);
    const fields = { detail: state.message, hint: state.hint };
    if (state.kind === "connected") log.info(fields, "gateway connected");
    else if (state.kind === "connecting" || state.kind === "starting") log.info(fields, "gateway awaited");
    else log.warn({ ...fields, state: state.kind }, "gateway not connected, messages are kept");
  }
}

/** @throws GatewayError for what has an unknown shape: asking again would bring the same */
function read<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new GatewayError("The gateway's answer has an unknown shape", { cause: parsed.error });
}

function readResult({ status, summary, stopReason, result }: AgentResult): Answer {
  const payloads = (result?.payloads ?? []).filter(({ isError }) => isError !== true);
  if (status === "ok")
    return {
      text: payloads.flatMap(({ text }) => text || []).join("\n\n"),
      media: payloads.flatMap(({ mediaUrl, mediaUrls, audioAsVoice }) =>
        [...new Set([...(mediaUrls ?? []), ...(mediaUrl ? [mediaUrl] : [])])].map((reference) => ({
          reference,
          asVoice: audioAsVoice === true,
        })),
      ),
    };
  // OpenClaw counts an empty answer and NO_REPLY in a direct session as a failed turn.
  const said = result?.meta?.finalAssistantVisibleText ?? "";
  if (status === "error" && result?.meta?.error?.kind === "incomplete_turn" && visibleText(said) === "")
    return { text: "", media: [] };
  throw new GatewayError(`The agent's turn ended with ${status} (${stopReason ?? summary ?? "no reason"})`);
}
