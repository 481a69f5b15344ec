import type { Clock } from "../clock.ts";
import { lingers } from "./linger.ts";
import type { Ran, Run } from "./run.ts";
import { ServiceError, type Launch, type ServiceState, type Supervisor } from "./supervisor.ts";
import { NAME, readUnit, UNIT, unitText } from "./unit.ts";

const PROPERTIES =
  "ActiveState,SubState,UnitFileState,MainPID,NRestarts,ActiveEnterTimestamp,ExecMainStatus,Type,FragmentPath";
const LOG_LINES = "15";
/** Without word from the daemon, a start that fails is expected to fail within this time. */
const SETTLE_MS = 3000;

const JOURNAL = `journalctl --user -u ${NAME}`;

export interface SystemdParts {
  readonly run: Run;
  readonly uid: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The systemd of this user, by its command. */
export class Systemd implements Supervisor {
  readonly name = "systemd";
  readonly file: string;
  readonly log = `${JOURNAL} -f`;
  readonly complaints = `${JOURNAL} -n 20`;
  readonly startCommand = `systemctl --user start ${NAME}`;
  readonly #run: Run;
  readonly #uid: number;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor(file: string, { run, uid, clock, signal }: SystemdParts) {
    this.file = file;
    this.#run = run;
    this.#uid = uid;
    this.#clock = clock;
    this.#signal = signal;
  }

  async text(launch: Launch): Promise<string> {
    const { out } = await this.#run("systemctl", "--version");
    const version = Number(/^systemd (\d+)/.exec(out)?.[1] ?? 0);
    const { ok: canNotify } = await this.#run("systemd-notify", "--version");
    return unitText(launch, { version, canNotify });
  }

  read(text: string): Launch {
    return readUnit(text);
  }

  async start(): Promise<void> {
    await this.#systemctl("daemon-reload");
    await this.#systemctl("enable", UNIT);
    // Waits until the daemon tells that it is ready, or ends.
    const { ok, complaint } = await this.#run("systemctl", "--user", "restart", UNIT);
    if (!ok) throw await this.#failed(firstLine(complaint));
    await this.#refuseOther();
    if ((await this.#show())["Type"] === "exec") await this.#clock.sleep(SETTLE_MS, this.#signal);
    const { state } = await this.state();
    if (state !== "running") throw await this.#failed(`It is ${state}`);
  }

  async stop(): Promise<void> {
    await this.#refuseOther();
    // It is refused where the file is gone; then nothing starts it again.
    await this.#run("systemctl", "--user", "disable", UNIT);
    await this.#systemctl("stop", UNIT);
  }

  async forget(): Promise<void> {
    await this.#systemctl("daemon-reload");
    // One that failed would still be listed; one that did not can not be reset.
    await this.#run("systemctl", "--user", "reset-failed", UNIT);
  }

  async linger(): Promise<void> {
    const { ok, complaint } = await this.#run("loginctl", "enable-linger");
    if (!ok) throw new ServiceError(`loginctl enable-linger failed: ${complaint}`);
  }

  async state(): Promise<ServiceState> {
    const shown = await this.#show();
    const { ActiveState: active = "", SubState: sub, MainPID: pid, ActiveEnterTimestamp: entered } = shown;
    const state = sub === "auto-restart" ? "restarting" : (STATES[active] ?? "stopped");
    return {
      state,
      // Others link their units instead of enabling them.
      enabled: !["", "disabled", "masked"].includes(shown["UnitFileState"] ?? ""),
      pid: Number(pid) || undefined,
      since: state === "running" ? readTime(entered) : undefined,
      restarts: Number(shown["NRestarts"]) || 0,
      lastExitCode: state === "running" ? undefined : Number(shown["ExecMainStatus"]),
      lingers: await lingers(this.#run, this.#uid),
    };
  }

  /** What runs under our name may come from a unit of somebody else. */
  async #refuseOther(): Promise<void> {
    const { FragmentPath: path = "" } = await this.#show();
    if (path === "" || path === this.file) return;
    throw new ServiceError(`${UNIT} is run from ${path}, not from ${this.file}`, {
      hint: `systemctl --user disable --now ${NAME} stops that one`,
    });
  }

  async #show(): Promise<Readonly<Record<string, string>>> {
    const { out } = await this.#systemctl("show", UNIT, `--property=${PROPERTIES}`);
    return Object.fromEntries(
      out.split("\n").map((line) => [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1)]),
    );
  }

  async #systemctl(...args: readonly string[]): Promise<Ran> {
    const ran = await this.#run("systemctl", "--user", ...args);
    if (ran.ok) return ran;
    throw new ServiceError(`systemctl --user ${args[0]} failed: ${ran.complaint}`, {
      hint: /connect to bus|ENOENT|not been booted/i.test(ran.complaint)
        ? "log in as the user who is to run it (ssh or a desktop, not su or sudo), on a system with systemd"
        : undefined,
    });
  }

  async #failed(reason: string): Promise<ServiceError> {
    const { ok, out } = await this.#run(
      ...(["journalctl", "--user", "-u", UNIT, "-n", LOG_LINES, "-o", "cat", "--no-pager"] as const),
    );
    return new ServiceError(`${UNIT} is installed, but does not run: ${reason}`, {
      said: ok && !out.startsWith("-- No entries") ? out : "",
      hint: "wa-poller service status tells whether it is tried again; wa-poller service uninstall ends that",
    });
  }
}

/** https://www.freedesktop.org/software/systemd/man/org.freedesktop.systemd1.html, ActiveState */
const STATES: Readonly<Record<string, ServiceState["state"]>> = {
  active: "running",
  reloading: "running",
  activating: "starting",
  failed: "failed",
};

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}

/** Such as "Sat 2026-11-21 19:14:21 UTC". */
function readTime(text = ""): string | undefined {
  const time = Date.parse(text.replace(/^\w+ /, ""));
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
