import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../clock.ts";
import { prepareFile } from "../store/folder.ts";
import { errorsPath, LABEL, plistPath, plistText, readPlist } from "./plist.ts";
import type { Run } from "./run.ts";
import { ServiceError, type Launch, type ServiceState, type Supervisor } from "./supervisor.ts";

/** launchd takes a while to let go of a job, and refuses it meanwhile ("5: Input/output error"). */
const TRIES = 60;
const STEP_MS = 500;
/** A start that fails is expected to fail within this time: nothing tells when the daemon is ready. */
const SETTLE_MS = 3000;
const LOG_CHARS = 2000;

export interface LaunchdParts {
  readonly home: string;
  readonly uid: number;
  readonly run: Run;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The launchd of this user, by its command. */
export class Launchd implements Supervisor {
  readonly name = "launchd";
  readonly file: string;
  readonly log = "wa-cli logs -f";
  readonly complaints: string;
  /** Whether launchd has let go of it or not. */
  readonly startCommand = "wa-poller service install";
  readonly #home: string;
  readonly #errors: string;
  readonly #run: Run;
  readonly #uid: number;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor({ home, uid, run, clock, signal }: LaunchdParts) {
    this.#home = home;
    this.file = plistPath(home);
    this.#errors = errorsPath(home);
    this.complaints = `tail ${this.#errors}`;
    this.#run = run;
    this.#uid = uid;
    this.#clock = clock;
    this.#signal = signal;
  }

  async text(launch: Launch): Promise<string> {
    return plistText(launch, this.#home);
  }

  read(text: string): Launch {
    return readPlist(text);
  }

  async start(): Promise<void> {
    mkdirSync(dirname(this.#errors), { recursive: true });
    // launchd would make it readable by everybody.
    prepareFile(this.#errors);
    const domain = await this.#domain();
    await this.stop();
    await this.#launchctl("enable", `${domain}/${LABEL}`);
    await this.#until(async () => {
      const { ok, complaint } = await this.#run("launchctl", "bootstrap", domain, this.file);
      if (ok || /failed: (5|37):/.test(complaint)) return ok;
      throw new ServiceError(`launchctl bootstrap failed: ${complaint}`);
    });
    // It starts by itself unless something holds it back; what came of it is seen below.
    await this.#run("launchctl", "kickstart", `${domain}/${LABEL}`);
    const { pid } = await this.state();
    await this.#clock.sleep(SETTLE_MS, this.#signal);
    const { state, pid: later } = await this.state();
    if (state === "running" && pid === later) return;
    throw new ServiceError(`${LABEL} is installed, but does not run`, {
      said: readFileSync(this.#errors, "utf8").slice(-LOG_CHARS),
      hint: "wa-poller service status tells whether it is tried again",
    });
  }

  async stop(): Promise<void> {
    const job = `${await this.#domain()}/${LABEL}`;
    if (!(await this.#run("launchctl", "print", job)).ok) return;
    await this.#launchctl("bootout", job);
    await this.#until(async () => !(await this.#run("launchctl", "print", job)).ok);
  }

  async forget(): Promise<void> {
    // It reads the folder at the next login.
  }

  async linger(): Promise<void> {
    throw new ServiceError("launchd runs the agents of a user while they are logged in, and not longer");
  }

  async state(): Promise<ServiceState> {
    const { ok, out } = await this.#run("launchctl", "print", `${await this.#domain()}/${LABEL}`);
    const read = (key: string) => new RegExp(`^\\s*${key} = (.+)$`, "m").exec(out)?.[1];
    const pid = Number(read("pid")) || undefined;
    const exitCode = Number.parseInt(read("last exit code") ?? "", 10);
    const lastExitCode = Number.isNaN(exitCode) ? undefined : exitCode;
    const waits = lastExitCode !== undefined && lastExitCode !== 0;
    return {
      state: pid === undefined ? (ok && waits ? "restarting" : "stopped") : "running",
      enabled: ok,
      pid,
      since: undefined,
      restarts: Math.max(0, (Number(read("runs")) || 0) - 1),
      lastExitCode: pid === undefined ? lastExitCode : undefined,
      lingers: undefined,
    };
  }

  /** Of the desktop where there is one; a user who came by ssh has only the other. */
  async #domain(): Promise<string> {
    const gui = `gui/${this.#uid}`;
    return (await this.#run("launchctl", "print", gui)).ok ? gui : `user/${this.#uid}`;
  }

  async #launchctl(...args: readonly string[]): Promise<void> {
    const { ok, complaint } = await this.#run("launchctl", ...args);
    if (!ok) throw new ServiceError(`launchctl ${args[0]} failed: ${complaint}`);
  }

  async #until(isDone: () => Promise<boolean>): Promise<void> {
    for (let tries = 1; !(await isDone()); tries++) {
      if (tries === TRIES) throw new ServiceError("launchd does not let go of the running service");
      await this.#clock.sleep(STEP_MS, this.#signal);
    }
  }
}
