import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";
import type { Log } from "../log.ts";
import { readComplaint, readConsentUrl } from "./complaint.ts";
import type { NotRunning } from "./node-state.ts";
import { endOrphan, FunnelProcess, processRecord, type ProcessRecord } from "./process.ts";
import type { Serve } from "./serves.ts";
import { funnelArguments, Tailscale } from "./tailscale.ts";

export interface FunnelOptions {
  /** The command, when it is named. */
  readonly bin: string | undefined;
  /** 443, 8443 or 10000. */
  readonly port: number;
  /** Address of our webhook on this machine, with its path: the only one that is published. */
  readonly target: string;
  /** All that the command gets to see; its PATH is searched. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface FunnelParts {
  /** Remembers the process across restarts. */
  readonly facts: {
    get(name: string): { readonly value: string } | undefined;
    set(name: string, value: string, now: number): Promise<void>;
  };
  /** Ends a process that is no child of ours. */
  readonly kill: (pid: number) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly onState: (state: FunnelState) => void;
  /** The public address of the webhook. */
  readonly onUrl: (url: string) => void;
}

export interface FunnelState {
  readonly kind: "starting" | "up" | "stuck";
  readonly message: string;
  readonly hint?: string | undefined;
  readonly url?: string;
}

const PROCESS_FACT = "funnel-process";
/** Restarts of the command, and looks while Tailscale itself is starting. */
const RESTART: Backoff = { firstMs: 1000, maxMs: 60_000 };
/** Up this long, it counts as having worked. */
const STEADY_MS = 60_000;
/** Somebody has to do something first; they should not wait long for us to see it. */
const STUCK_MS = 15_000;
/** The process can live and serve nothing, after a logout for one. */
const CHECK_MS = 60_000;
const COME_UP_MS = 10_000;
const LOOK_MS = 400;

/**
 * Publishes our webhook through Tailscale's Funnel, and keeps doing so. Never in the way of anything: while it can not, it
 * says why and what to do, and tries again. https://tailscale.com/kb/1223/funnel
 */
export class Funnel {
  readonly #parts: FunnelParts;
  readonly #options: FunnelOptions;
  #told = "";
  #process: FunnelProcess | undefined;

  constructor(parts: FunnelParts, options: FunnelOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    for (let failures = 0; !signal.aborted;) {
      const startedAt = clock.now();
      let pauseMs: number | undefined;
      try {
        await this.#endOrphan(signal);
        pauseMs = await this.#publish(signal);
      } catch (error) {
        if (signal.aborted) break;
        log.debug({ err: error }, "funnel not started");
        this.#report({ kind: "stuck", message: describeError(error) });
      }
      this.#process = undefined;
      failures = clock.now() - startedAt >= STEADY_MS ? 1 : failures + 1;
      const delayMs = Math.max(pauseMs ?? 0, backoffMs(failures, RESTART));
      await clock.sleep(delayMs, signal).catch(() => {});
    }
  }

  /** Ends the process without waiting, when ours is about to end. */
  kill(): void {
    this.#process?.kill();
  }

  /** One life of the funnel. Resolves when it is over or can not begin, with the least time until the next. */
  async #publish(signal: AbortSignal): Promise<number> {
    const { bin: named, env, port } = this.#options;
    const bin = Tailscale.find(named, env["PATH"] ?? "");
    if (bin === undefined) return this.#stuck(MISSING);
    const tailscale = new Tailscale(bin, env);
    const state = await tailscale.status(signal);
    if (state.kind !== "running") return this.#stuck(state);
    if (state.ports !== undefined && !state.ports.includes(port))
      return this.#stuck(notAllowed(port, state.ports));
    const holder = (await tailscale.serves(signal))?.find((serve) => serve.port === port);
    if (holder === undefined) return this.#start(tailscale, signal);
    if (!this.#isOurs(holder)) return this.#stuck(taken(holder));
    if (holder.kind === "foreground") return this.#stuck(publishedByAnother(holder));
    // Somebody published just this for good: there is nothing to start.
    this.#isUp(state.dnsName);
    return this.#watch(tailscale, signal);
  }

  async #start(tailscale: Tailscale, signal: AbortSignal): Promise<number> {
    const { facts, clock } = this.#parts;
    await using process = new FunnelProcess(tailscale.funnel(this.#options.port, this.#options.target));
    this.#process = process;
    const { port, target } = this.#options;
    const record: ProcessRecord = { pid: process.pid ?? 0, args: funnelArguments(port, target) };
    await facts.set(PROCESS_FACT, JSON.stringify(record), clock.now());
    if (await this.#comesUp(tailscale, process, signal)) {
      const state = await tailscale.status(signal);
      if (state.kind === "running") this.#isUp(state.dnsName);
      return await this.#watch(tailscale, signal, process);
    }
    const consent = readConsentUrl(process.output);
    if (process.hasEnded && consent !== undefined) return this.#stuck(needsConsent(consent), CHECK_MS);
    return this.#stuck(process.hasEnded ? readComplaint(process.complaint) : NOTHING_PUBLISHED);
  }

  /** Waits until what is served has our mapping: what the command prints is no proof of it. */
  async #comesUp(tailscale: Tailscale, process: FunnelProcess, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#parts;
    let endsAt = clock.now() + COME_UP_MS;
    while (!process.hasEnded && clock.now() < endsAt) {
      await process.endsWithin(LOOK_MS, clock, signal);
      const consent = readConsentUrl(process.output);
      if (consent !== undefined && !process.hasEnded) {
        // The command waits for somebody to agree, and then goes on by itself.
        this.#report(needsConsent(consent));
        endsAt = clock.now() + COME_UP_MS;
      }
      const isServed = (await tailscale.serves(signal))?.some((serve) => this.#isOurs(serve));
      if (isServed && !process.hasEnded) return true;
    }
    return false;
  }

  /** Looks now and then whether it is still published. Resolves when it is not. */
  async #watch(tailscale: Tailscale, signal: AbortSignal, process?: FunnelProcess): Promise<number> {
    const { clock } = this.#parts;
    for (;;) {
      await (process?.endsWithin(CHECK_MS, clock, signal) ?? clock.sleep(CHECK_MS, signal));
      if (process?.hasEnded) {
        const { message, hint } = readComplaint(process.complaint || "it ended");
        this.#report({ kind: "starting", message: `Funnel ended, it is started again. ${message}`, hint });
        return 0;
      }
      const state = await tailscale.status(signal);
      const serves = await tailscale.serves(signal);
      if (serves && !serves.some((serve) => this.#isOurs(serve))) {
        this.#report({ kind: "starting", message: "Funnel runs but publishes nothing, it is started again" });
        return 0;
      }
      // Stopped for a while, it comes back by itself.
      if (state.kind === "running") this.#isUp(state.dnsName);
      else this.#report(state);
    }
  }

  /** Our mapping, and nothing but it, open to the internet. */
  #isOurs({ port, isPublic, proxies }: Serve): boolean {
    const { target } = this.#options;
    return port === this.#options.port && isPublic && proxies[new URL(target).pathname] === target;
  }

  #isUp(dnsName: string): void {
    const { port, target } = this.#options;
    const url = `https://${dnsName}${port === 443 ? "" : `:${port}`}${new URL(target).pathname}`;
    this.#report({ kind: "up", message: url, url });
    this.#parts.onUrl(url);
  }

  #stuck(state: NotRunning, pauseMs = STUCK_MS): number {
    this.#report(state);
    return state.kind === "starting" ? 0 : pauseMs;
  }

  /** Says what changed, once. */
  #report(state: FunnelState): void {
    const { log, onState } = this.#parts;
    const told = JSON.stringify(state);
    if (told === this.#told) return;
    this.#told = told;
    onState(state);
    if (state.kind === "up")
      log.info({ url: state.url }, "funnel is up; its first request can take a minute, for the certificate");
    else
      log[state.kind === "stuck" ? "warn" : "info"](
        { reason: state.message, hint: state.hint },
        "funnel is not up",
      );
  }

  /** A command that a killed bridge left behind holds the port. */
  async #endOrphan(signal: AbortSignal): Promise<void> {
    const { facts, clock, log, kill } = this.#parts;
    const fact = facts.get(PROCESS_FACT);
    const record = fact && processRecord.safeParse(JSON.parse(fact.value)).data;
    if (record === undefined || record.pid <= 1) return;
    if (await endOrphan(record, { kill, clock, signal }))
      log.info({ pid: record.pid }, "funnel of an earlier start ended");
    await facts.set(PROCESS_FACT, "{}", clock.now());
  }
}

const MISSING = {
  kind: "stuck",
  message: "There is no tailscale command",
  hint: "install Tailscale (https://tailscale.com/download), or name the command in tailscale.bin (TAILSCALE_BIN)",
} as const;

const NOTHING_PUBLISHED = {
  kind: "stuck",
  message: `Tailscale published nothing within ${COME_UP_MS / 1000} s`,
  hint: "try it by hand: tailscale funnel status",
} as const;

function notAllowed(port: number, allowed: readonly number[]) {
  const hint =
    allowed.length === 0
      ? "allow Funnel in the tailnet's policy: https://tailscale.com/kb/1223/funnel"
      : `set tailscale.port (WA_FUNNEL_PORT) to ${allowed.join(" or ")}`;
  return { kind: "stuck", message: `The tailnet does not allow Funnel on port ${port}`, hint } as const;
}

function taken({ port, kind, proxies }: Serve) {
  const what = Object.entries(proxies).map(([path, target]) => `${path} → ${target}`);
  return {
    kind: "stuck",
    message: `Port ${port} of Tailscale is taken (${kind}): ${what.join(", ") || "something other than HTTP"}`,
    hint: "set tailscale.port (WA_FUNNEL_PORT) to another of 443, 8443, 10000",
  } as const;
}

function publishedByAnother({ port }: Serve) {
  return {
    kind: "stuck",
    message: `Another "tailscale funnel" already publishes this webhook on port ${port}`,
    hint: "end it: pkill -f 'tailscale funnel'",
  } as const;
}

function needsConsent(url: string) {
  return {
    kind: "stuck",
    message: "Somebody has to agree to Funnel for this machine",
    hint: `visit ${url}`,
  } as const;
}
