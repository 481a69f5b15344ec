import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { describeError } from "../errors.ts";
import type { Log } from "../log.ts";
import { readComplaint, readConsentUrl } from "./complaint.ts";
import type { NodeState, NotRunning } from "./node-state.ts";
import {
  ended,
  GONE,
  MISSING,
  needsConsent,
  NOT_ENABLED,
  notAllowed,
  nothingPublished,
  publishedByAnother,
  taken,
} from "./obstacle.ts";
import { firstLine } from "./output.ts";
import { parseJson } from "../json.ts";
import { endOrphan, FunnelProcess, processRecord, type Kill } from "./process.ts";
import type { Serve } from "./serves.ts";
import { Tailscale } from "./tailscale.ts";

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
  readonly kill: Kill;
  readonly clock: Clock;
  readonly log: Log;
  readonly onState: (state: FunnelState) => void;
  /** The public address of the webhook is this from now on. */
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
/** People are slower. */
const CONSENT_LOOK_MS = 5000;

/**
 * Publishes our webhook through Tailscale's Funnel, and keeps doing so. Never in the way of anything: while it can not, it
 * says why and what to do, and tries again. https://tailscale.com/kb/1223/funnel
 */
export class Funnel {
  readonly #parts: FunnelParts;
  readonly #options: FunnelOptions;
  #told = "";
  #url = "";
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
      if (pauseMs !== undefined) failures = 0;
      else failures = clock.now() - startedAt >= STEADY_MS ? 1 : failures + 1;
      await clock.sleep(pauseMs ?? backoffMs(failures, RESTART), signal).catch(() => {});
    }
  }

  /** Ends the process without waiting, when ours is about to end. */
  kill(): void {
    this.#process?.kill();
  }

  /**
   * One life of the funnel. Resolves when it is over or can not begin, with the time until the next: undefined when that
   * grows from one to the next.
   */
  async #publish(signal: AbortSignal): Promise<number | undefined> {
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
    return this.#watch(tailscale, signal);
  }

  async #start(tailscale: Tailscale, signal: AbortSignal): Promise<number | undefined> {
    const { facts, clock } = this.#parts;
    await using process = new FunnelProcess(tailscale.funnel(this.#options.port, this.#options.target));
    this.#process = process;
    await facts.set(PROCESS_FACT, JSON.stringify(process.record), clock.now());
    if (await this.#comesUp(tailscale, process, signal)) return await this.#watch(tailscale, signal, process);
    if (!process.hasEnded) return this.#stuck(nothingPublished(COME_UP_MS));
    const { exitCode, output, complaint } = process;
    const consent = exitCode === 0 || firstLine(complaint) === "" ? readConsentUrl(output) : undefined;
    if (consent !== undefined) return this.#stuck(needsConsent(consent), CHECK_MS);
    return this.#stuck(readComplaint(complaint, output));
  }

  /** Waits until what is served has our mapping: what the command prints is no proof of it. */
  async #comesUp(tailscale: Tailscale, process: FunnelProcess, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#parts;
    let endsAt = clock.now() + COME_UP_MS;
    let consent: string | undefined;
    while (!process.hasEnded && clock.now() < endsAt) {
      // At the second look: a command that gives up prints the address too, and ends.
      const isWaiting = consent !== undefined;
      consent = readConsentUrl(process.output);
      const lookMs = isWaiting ? CONSENT_LOOK_MS : LOOK_MS;
      if (isWaiting && consent !== undefined) {
        // The command waits for somebody to agree, and then goes on by itself.
        this.#report(needsConsent(consent));
        endsAt = clock.now() + lookMs + COME_UP_MS;
      }
      await process.endsWithin(lookMs, clock, signal);
      const isServed = (await tailscale.serves(signal))?.some((serve) => this.#isOurs(serve));
      if (isServed && !process.hasEnded) return true;
    }
    return false;
  }

  /** Looks now and then whether it is still published. Resolves when it is not. */
  async #watch(tailscale: Tailscale, signal: AbortSignal, process?: FunnelProcess): Promise<undefined> {
    const { clock } = this.#parts;
    const hasEnded = () => process?.hasEnded === true;
    while (!hasEnded()) {
      const state = await tailscale.status(signal);
      const isPublished = (await tailscale.serves(signal))?.some((serve) => this.#isOurs(serve)) ?? true;
      if (hasEnded() || !isPublished) break;
      const pauseMs = this.#tell(state) ?? STUCK_MS;
      await (process?.endsWithin(pauseMs, clock, signal) ?? clock.sleep(pauseMs, signal));
    }
    this.#report(process?.hasEnded ? ended(process.complaint) : GONE);
  }

  /** How it stands while it is published, where nothing has to be started again. Returns the time until the next look. */
  #tell(state: NodeState): number | undefined {
    if (state.kind !== "running") return this.#stuck(state);
    const { port, target } = this.#options;
    const { dnsName, hasFunnel, ports = [] } = state;
    if (hasFunnel === false) return this.#stuck(NOT_ENABLED);
    if (hasFunnel && !ports.includes(port)) return this.#stuck(notAllowed(port, ports));
    const url = `https://${dnsName}${port === 443 ? "" : `:${port}`}${new URL(target).pathname}`;
    this.#report({ kind: "up", message: url, url });
    if (url !== this.#url) this.#parts.onUrl(url);
    this.#url = url;
    return CHECK_MS;
  }

  /** Our mapping, and nothing but it, open to the internet. */
  #isOurs({ port, isPublic, proxies }: Serve): boolean {
    const { target } = this.#options;
    return port === this.#options.port && isPublic && proxies[new URL(target).pathname] === target;
  }

  #stuck(state: NotRunning, pauseMs = STUCK_MS): number | undefined {
    this.#report(state);
    return state.kind === "starting" ? undefined : pauseMs;
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
    const record = processRecord.safeParse(parseJson(facts.get(PROCESS_FACT)?.value ?? "")).data;
    if (record === undefined) return;
    const end = await endOrphan(record, { kill, clock, signal });
    // Its record is kept for the next try; until then it is said what has the port.
    if (end === "stays") return;
    if (end === "ended") log.info({ pid: record.pid }, "funnel of an earlier start ended");
    await facts.set(PROCESS_FACT, "{}", clock.now());
  }
}
