import { execFile } from "node:child_process";
import { backoffMs } from "../src/backoff.ts";
import { childEnvironment } from "../src/child-environment.ts";
import type { Clock } from "../src/clock.ts";
import type { Environment } from "../src/config/read.ts";
import { describeError } from "../src/errors.ts";
import type { Log } from "../src/log.ts";
import type { Task } from "../src/pipeline/bridge.ts";

export interface NotifierParts {
  readonly process: { readonly env: Environment; readonly pid: number };
  /** Whether the store still takes what it is given; a gateway or a network that is down is no reason to be ended. */
  readonly isWell: () => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Log;
}

const ANSWER_MS = 10_000;

/**
 * Tells systemd, where it asks for it, that the daemon runs, stops, and is not stuck. By `systemd-notify`, because Node has
 * no datagram sockets of that kind. https://www.freedesktop.org/software/systemd/man/sd_notify.html
 */
export class Notifier implements Task {
  readonly #socket: string | undefined;
  readonly #watchdogMs: number | undefined;
  readonly #env: Readonly<Record<string, string>>;
  readonly #isWell: () => Promise<boolean>;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor({ process: { env, pid }, isWell, clock, log }: NotifierParts) {
    this.#socket = env["NOTIFY_SOCKET"] || undefined;
    this.#env = childEnvironment(env, ["NOTIFY_SOCKET"]);
    this.#isWell = isWell;
    this.#clock = clock;
    this.#log = log;
    const isMeant = [undefined, "", String(pid)].includes(env["WATCHDOG_PID"]);
    const watchdogMs = Number(env["WATCHDOG_USEC"]) / 1000;
    this.#watchdogMs = isMeant && watchdogMs > 0 ? watchdogMs : undefined;
  }

  async run(signal: AbortSignal): Promise<void> {
    if (this.#socket === undefined) return;
    // What is lost is told again: for want of one word systemd would end a daemon that works.
    for (let lost = 0; !signal.aborted;) {
      const isWell = await this.#answers(signal);
      if (!isWell) this.#log.warn("the store does not answer: systemd is not told that all is well");
      lost = isWell && (await this.#say(...this.#alive())) ? 0 : lost + 1;
      await this.#waits(lost, signal);
    }
    await this.#say("STOPPING=1", "STATUS=Finishing what was begun");
  }

  #alive(): readonly string[] {
    const feed = this.#watchdogMs === undefined ? [] : ["WATCHDOG=1"];
    return ["READY=1", "STATUS=Running; wa-cli status tells how well", ...feed];
  }

  /** Half of the watchdog's time, so that a second attempt fits in, or without one to the end; not as long for what was lost. */
  async #waits(lost: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const again = { firstMs: 1000, maxMs: (this.#watchdogMs ?? 300_000) / 10 };
    const ms = lost > 0 ? backoffMs(lost, again) : this.#watchdogMs && this.#watchdogMs / 2;
    if (ms !== undefined) return this.#clock.sleep(ms, signal).catch(() => {});
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (!signal.aborted) await promise;
  }

  async #answers(signal: AbortSignal): Promise<boolean> {
    const tooLate = this.#clock.sleep(ANSWER_MS, signal).then(
      () => false,
      () => true,
    );
    return Promise.race([this.#isWell(), tooLate]);
  }

  /** False when systemd did not get it. */
  async #say(...lines: readonly string[]): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    execFile("systemd-notify", [...lines], { env: this.#env, timeout: ANSWER_MS }, (error) => {
      if (error)
        this.#log.warn(
          { reason: describeError(error), hint: "systemd-notify has to be in PATH" },
          "systemd not told",
        );
      resolve(error === null);
    });
    return promise;
  }
}
