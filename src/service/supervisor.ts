import { RelayError } from "../errors.ts";

/** The service can not be installed, started or asked for. */
export class ServiceError extends RelayError {
  /** What the service itself said last, line by line. */
  readonly said: readonly string[];

  constructor(
    message: string,
    { said = "", hint }: { readonly said?: string; readonly hint?: string | undefined } = {},
  ) {
    super(message, { hint });
    this.said = said.trim() === "" ? [] : said.trim().split("\n");
  }
}

/** What is to be run. */
export interface Launch {
  /** The program, absolute, and its arguments. */
  readonly command: readonly string[];
  /** What it sees besides what its supervisor gives to everything; nothing secret, since files of the system show it. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ServiceState {
  /** `failed` is for good; `restarting` is between two tries. */
  readonly state: "running" | "starting" | "restarting" | "stopped" | "failed";
  /** It starts by itself when the user's session does. */
  readonly enabled: boolean;
  readonly pid: number | undefined;
  /** ISO 8601; undefined where the supervisor does not tell. */
  readonly since: string | undefined;
  readonly restarts: number;
  readonly lastExitCode: number | undefined;
  /** Whether it goes on when the user's last session ends; undefined where nobody can tell. */
  readonly lingers: boolean | undefined;
}

/** What starts the programs of a user: systemd, launchd. */
export interface Supervisor {
  readonly name: "systemd" | "launchd";
  /** Where the service is written down. */
  readonly file: string;
  /** The command that shows its log. */
  readonly log: string;
  /** The command that tells why it did not start. */
  readonly complaints: string;
  /** The command that starts what is installed. */
  readonly startCommand: string;
  /** What is written there. */
  text(launch: Launch): Promise<string>;
  /** What such a text runs. */
  read(text: string): Launch;
  /**
   * Takes in the file, starts the service or starts it again, and resolves when it runs.
   * @throws ServiceError
   */
  start(): Promise<void>;
  /** Stops the service, so that it does not come back. @throws ServiceError */
  stop(): Promise<void>;
  /** Takes in that the file is gone. */
  forget(): Promise<void>;
  /** Lets the services of this user go on when nobody is logged in. @throws ServiceError */
  linger(): Promise<void>;
  /** @throws ServiceError when the supervisor can not be asked */
  state(): Promise<ServiceState>;
}

/** Stands in each file of ours, so that none of somebody else is taken for it. */
export const MARK = 'Written by "wa-poller service install"';
