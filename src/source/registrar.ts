import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { PartState } from "../part.ts";
import { showUrl } from "../url.ts";
import { ApiError } from "../whatsapp/connection.ts";
import type { KapsoWebhooks } from "../whatsapp/kapso-webhooks.ts";
import { register, type Facts, type Registered } from "./registration.ts";

export interface RegistrarParts {
  readonly webhooks: KapsoWebhooks;
  readonly facts: Facts;
  readonly clock: Clock;
  readonly log: Log;
  readonly onState: (state: RegistrationState) => void;
}

export type RegistrationState = PartState<"waiting" | "registered" | "failing">;

const RETRY: Backoff = { firstMs: 2000, maxMs: 300_000 };
/** Kapso may pause a webhook at any time. */
const CHECK_MS = 600_000;
/** Between two looks, however often somebody asks for one. */
const LEAST_MS = 60_000;

const DONE: Readonly<Record<Registered["done"], string>> = {
  created: "webhook registered with Kapso",
  moved: "webhook moved to the new address",
  enabled: "webhook was paused by Kapso, switched on again",
  updated: "webhook brought up to date",
  unchanged: "webhook is registered with Kapso",
};

/** Keeps our webhook registered with Kapso, wherever the public address goes. */
export class Registrar {
  readonly #parts: RegistrarParts;
  readonly #secret: string;
  #url: string | undefined;
  #changed = new AbortController();
  #lookedAt = 0;
  #told = "";

  constructor(parts: RegistrarParts, secret: string) {
    this.#parts = parts;
    this.#secret = secret;
  }

  /** The public address is this from now on. */
  announce(url: string): void {
    if (this.#url === url) return;
    this.#url = url;
    this.#changed.abort();
  }

  /** Something is wrong with what arrives: looks sooner than planned, unless it just did. */
  check(): void {
    if (this.#parts.clock.now() - this.#lookedAt >= LEAST_MS) this.#changed.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#report({ kind: "waiting", message: "Waits for the public address" });
    for (let failures = 0; !signal.aborted;) {
      const url = this.#url;
      let delayMs = CHECK_MS;
      if (url !== undefined) {
        failures = (await this.#register(url, signal)) ? 0 : failures + 1;
        if (failures > 0) delayMs = backoffMs(failures, RETRY);
      }
      await this.#pause(delayMs, url, signal);
    }
  }

  async #register(url: string, signal: AbortSignal): Promise<boolean> {
    const { webhooks, facts, clock, log } = this.#parts;
    const shown = showUrl(url);
    try {
      const fields = { url, secret: this.#secret };
      const { id, done, twins } = await register({ webhooks, facts, now: clock.now() }, fields, signal);
      const isNews = this.#report({ kind: "registered", message: `Webhook ${id} delivers to ${shown}` });
      if (isNews || done !== "unchanged") log.info({ url: shown, webhookId: id }, DONE[done]);
      if (twins > 0 && isNews)
        log.warn({ url: shown, count: twins }, "other webhooks of this number deliver here too");
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const hint = (error instanceof ApiError ? error.hint : undefined) ?? "see: wa-cli webhook list";
      const state = { kind: "failing", message: describeError(error), hint } as const;
      if (this.#report(state))
        log.warn({ url: shown, reason: state.message, hint }, "webhook not registered, will try again");
      return false;
    }
  }

  async #pause(delayMs: number, url: string | undefined, signal: AbortSignal): Promise<void> {
    // Announced while we were at work on the last one.
    if (url !== this.#url) return;
    const changed = new AbortController();
    this.#changed = changed;
    this.#lookedAt = this.#parts.clock.now();
    const pass = () => changed.abort();
    signal.addEventListener("abort", pass, { once: true });
    await this.#parts.clock.sleep(delayMs, changed.signal).catch(() => {});
    signal.removeEventListener("abort", pass);
  }

  /** True when it is another than before. */
  #report(state: RegistrationState): boolean {
    const told = JSON.stringify(state);
    if (this.#told === told) return false;
    this.#told = told;
    this.#parts.onState(state);
    return true;
  }
}
