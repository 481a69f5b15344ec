import { execFile } from "node:child_process";
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
    await this.#say("READY=1", "STATUS=Running; wa-cli status tells how well");
    // A second attempt fits in before the time is up.
    let waitMs = this.#watchdogMs && this.#watchdogMs / 2;
    while (await this.#waits(waitMs, signal)) {
      const isWell = await this.#answers(signal);
      if (isWell) await this.#say("WATCHDOG=1");
      else this.#log.warn("the store does not answer: the watchdog is not fed");
      waitMs = this.#watchdogMs && this.#watchdogMs / (isWell ? 2 : 10);
    }
    await this.#say("STOPPING=1", "STATUS=Finishing what was begun");
  }

  /** False when it is over. */
  async #waits(ms: number | undefined, signal: AbortSignal): Promise<boolean> {
    if (ms !== undefined) await this.#clock.sleep(ms, signal).catch(() => {});
    else if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    return !signal.aborted;
  }

  async #answers(signal: AbortSignal): Promise<boolean> {
    const tooLate = this.#clock.sleep(ANSWER_MS, signal).then(
      () => false,
      () => true,
    );
    return Promise.race([this.#isWell(), tooLate]);
  }

  async #say(...lines: readonly string[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    execFile("systemd-notify", [...lines], { env: this.#env, timeout: ANSWER_MS }, (error) => {
      if (error)
        this.#log.warn(
          { reason: describeError(error), hint: "systemd-notify has to be in PATH" },
          "systemd not told",
        );
      resolve();
    });
    return promise;
  }
}
