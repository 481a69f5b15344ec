import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";
import { parseJson } from "../json.ts";
import type { Log } from "../log.ts";
import type { Accept, Arrival, Source } from "../pipeline/receive.ts";
import { readWebhookBody } from "../whatsapp/webhook-body.ts";
import { isSigned } from "../whatsapp/signature.ts";
import type { Listener, WebRequest, WebAnswer } from "./listener.ts";

export interface WebhookOptions {
  readonly phoneNumberId: string;
  /** Any of them may have signed; without one, nothing that a body says is believed. */
  readonly secrets: readonly string[];
  /** For Meta's verification by GET. */
  readonly verifyTokens: readonly string[];
}

export interface WebhookParts {
  readonly listener: Pick<Listener, "serve">;
  /** Called for a body that nobody signed: polling looks what there is to it. */
  readonly wake: () => void;
  /** A signed test message of `wa-cli preflight` came through; resolves when that is on disk. */
  readonly onProbe: (probe: string) => Promise<void>;
  /** A webhook was answered 500. */
  readonly onNotStored: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** The paths at which webhooks arrive; the second is the one of Kapso's own plugins. */
export const WEBHOOK_PATHS: readonly string[] = ["/webhook", "/kapso/webhook"];
/** The event of `wa-cli preflight`'s message to itself. */
export const PROBE_EVENT = "wa-relay.probe";
const MAX_PROBE_CHARS = 100;
/** Refusals are told of at most this often: a flood of forgeries must not fill the log. */
const REFUSAL_PERIOD_MS = 60_000;
/** https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview */
const TROUBLE: ReadonlyMap<string, string> = new Map([
  ["standby", "another app controls these conversations, so their messages do not reach us"],
  ["account_update", "the account was restricted or changed: see WhatsApp Manager"],
  ["account_alerts", "there is an alert on the account: see WhatsApp Manager"],
  ["security", "a security setting of the number was changed: see WhatsApp Manager"],
]);
const TROUBLE_PERIOD_MS = 3_600_000;
const OK: WebAnswer = { status: 200, body: "OK" };

/**
 * Takes webhooks from Kapso and Meta. Answers 200 once everything in them is on disk, and before anything is done with
 * it: Kapso waits 10 s and counts other answers as failures. https://docs.kapso.ai/docs/platform/webhooks/overview
 */
export class WebhookSource implements Source {
  readonly name = "webhook";
  readonly #parts: WebhookParts;
  readonly #options: WebhookOptions;
  readonly #warnedAt = new Map<string, number>();
  #refused = 0;
  #refusalToldAt = 0;

  constructor(parts: WebhookParts, options: WebhookOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async run(accept: Accept, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (signal.aborted) return;
    using serving = this.#parts.listener.serve(WEBHOOK_PATHS, (request) => this.#route(request, accept));
    void serving;
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  }

  async #route(request: WebRequest, accept: Accept): Promise<WebAnswer> {
    if (request.method === "POST") return this.#take(request, accept);
    return request.method === "GET" ? this.#verify(request) : notAllowed("GET, POST");
  }

  /** https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint */
  #verify({ query }: WebRequest): WebAnswer {
    const token = query.get("hub.verify_token") ?? "";
    const challenge = query.get("hub.challenge") ?? "";
    const isOurs = this.#options.verifyTokens.map((known) => isEqual(known, token)).includes(true);
    if (query.get("hub.mode") === "subscribe" && isOurs) return { status: 200, body: challenge };
    return { status: 403, body: "Wrong verify token" };
  }

  async #take({ body, headers }: WebRequest, accept: Accept): Promise<WebAnswer> {
    const { secrets, phoneNumberId } = this.#options;
    if (secrets.length === 0) {
      this.#parts.wake();
      return OK;
    }
    if (!isSigned(body, headers, secrets)) return this.#refuse(headers);
    const parsed = parseJson(body.toString("utf8"));
    if (parsed === undefined) return { status: 400, body: "No JSON" };
    const event = headers["x-webhook-event"];
    if (event === PROBE_EVENT) return this.#noteProbe(parsed);
    const { ignored, ...arrival } = readWebhookBody(parsed, {
      event: typeof event === "string" ? event : undefined,
      phoneNumberId,
    });
    this.#warnOf(ignored);
    if (ignored.length > 0)
      this.#parts.log.debug(
        { count: ignored.length, events: [...new Set(ignored)].slice(0, 10) },
        "events ignored",
      );
    return this.#store(arrival, accept);
  }

  /** What is none of ours, and tells of trouble: each kind now and then. */
  #warnOf(ignored: readonly string[]): void {
    const { clock, log } = this.#parts;
    for (const field of new Set(ignored)) {
      const reason = TROUBLE.get(field);
      if (reason === undefined || clock.now() - (this.#warnedAt.get(field) ?? 0) < TROUBLE_PERIOD_MS)
        continue;
      this.#warnedAt.set(field, clock.now());
      log.warn({ field, reason }, "Meta tells of trouble");
    }
  }

  async #store(arrival: Arrival, accept: Accept): Promise<WebAnswer> {
    try {
      await accept(arrival);
      return OK;
    } catch (error) {
      this.#parts.onNotStored();
      this.#parts.log.error(
        { reason: describeError(error) },
        "webhook not stored, it will be delivered again",
      );
      return { status: 500, body: "Not stored" };
    }
  }

  async #noteProbe(body: unknown): Promise<WebAnswer> {
    const probe = typeof body === "object" && body !== null && "probe" in body ? body.probe : undefined;
    if (typeof probe !== "string" || probe.length > MAX_PROBE_CHARS) return { status: 400, body: "No probe" };
    await this.#parts.onProbe(probe);
    return OK;
  }

  #refuse(headers: WebRequest["headers"]): WebAnswer {
    const { clock, log } = this.#parts;
    this.#refused++;
    if (clock.now() - this.#refusalToldAt >= REFUSAL_PERIOD_MS) {
      const isUnsigned =
        headers["x-webhook-signature"] === undefined && headers["x-hub-signature-256"] === undefined;
      log.warn(
        {
          count: this.#refused,
          hint: "if it is Kapso that calls, give webhook.secret (KAPSO_WEBHOOK_SECRET) the secret of that webhook; if it is Meta, meta.app_secret (WHATSAPP_APP_SECRET)",
        },
        isUnsigned
          ? "webhook refused: it is not signed"
          : "webhook refused: it is signed with another secret",
      );
      this.#refusalToldAt = clock.now();
      this.#refused = 0;
    }
    return { status: 401, body: "Wrong or missing signature" };
  }
}

function notAllowed(allow: string): WebAnswer {
  return { status: 405, body: "Method not allowed", headers: { Allow: allow } };
}

/** Compares digests, so that the time tells neither content nor length. */
function isEqual(a: string, b: string): boolean {
  const digest = (value: string) => createHash("sha256").update(value).digest();
  return timingSafeEqual(digest(a), digest(b));
}
