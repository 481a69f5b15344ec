import { pino } from "pino";
import { expect, vi } from "vitest";
import { systemClock, type Clock } from "../../src/clock.ts";
import { Funnel, type FunnelState } from "../../src/funnel/funnel.ts";
import { StandInTailscale, type ServeConfig, type TailscaleState } from "./tailscale.ts";

export const NAME = "relay.tail1234.ts.net";
export const TARGET = "http://127.0.0.1:18790/webhook";
export const URL_443 = `https://${NAME}/webhook`;
export const ARGS = ["--https=443", "--set-path=/webhook", TARGET];
const START = 1_800_000_000_000;
export const SECOND = 1000;
export const MINUTE = 60_000;
/** Pauses between lives are at least half of this. */
export const FIRST_BACKOFF = 1000;
export const STUCK_PAUSE = 15 * SECOND;
/** Ends are asked for; only after five seconds are they made. */
export const SOON = 2500;
const PROCESS_FACT = "funnel-process";

/** Sleeps are short, and their full length is what has passed: how long processes take counts for nothing. */
class PacedClock implements Clock {
  readonly sleeps: number[] = [];
  readonly #speed: number;
  #passedMs = 0;

  constructor(speed: number) {
    this.#speed = speed;
  }

  now(): number {
    return START + this.#passedMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.sleeps.push(ms);
    const realMs = Math.max(40, ms / this.#speed);
    const startedAt = performance.now();
    try {
      await systemClock.sleep(realMs, signal);
    } finally {
      this.#passedMs += ms * Math.min(1, (performance.now() - startedAt) / realMs);
    }
  }

  /** Pauses between two lives, and between looks at one that goes well. */
  get pauses(): readonly number[] {
    return this.sleeps.filter((ms) => ms >= FIRST_BACKOFF / 2);
  }

  /** How often it slept as long as somebody would who waits for a person. */
  get longSleeps(): number {
    return this.sleeps.filter((ms) => ms >= STUCK_PAUSE).length;
  }
}

export interface Setup {
  readonly state?: Partial<TailscaleState>;
  readonly port?: number;
  readonly bin?: string;
  /** What an earlier start remembered of its process. */
  readonly remembered?: string;
  readonly tailscale?: StandInTailscale;
  readonly onSetFact?: () => void;
  /** Whether we may end processes that are no children of ours. */
  readonly canKill?: boolean;
  /** How many times shorter long sleeps are. */
  readonly speed?: number;
}

/** A funnel that runs, on a stand-in for Tailscale. */
export function setUp({
  state,
  port = 443,
  bin,
  remembered,
  tailscale: given,
  onSetFact,
  canKill = true,
  speed = 200,
}: Setup = {}) {
  const stack = new AsyncDisposableStack();
  const tailscale = given ?? stack.use(new StandInTailscale(state));
  const clock = new PacedClock(speed);
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const states: FunnelState[] = [];
  const urls: string[] = [];
  const killed: { readonly pid: number; readonly how: string }[] = [];
  const remember = new Map(remembered === undefined ? [] : [[PROCESS_FACT, remembered]]);
  const facts = {
    get: (name: string) => {
      const value = remember.get(name);
      return value === undefined ? undefined : { value };
    },
    set: async (name: string, value: string) => {
      onSetFact?.();
      remember.set(name, value);
    },
  };
  const env = { PATH: tailscale.path, HOME: tailscale.folder, LANG: undefined };
  const funnel = new Funnel(
    {
      facts,
      kill: (pid, how) => {
        killed.push({ pid, how });
        if (canKill) process.kill(pid, how);
      },
      clock,
      log,
      onState: (now) => states.push(now),
      onUrl: (url) => urls.push(url),
    },
    { bin, port, target: TARGET, env },
  );
  const stop = new AbortController();
  const running = funnel.run(stop.signal);
  stack.defer(async () => {
    stop.abort();
    await running;
    // Whatever happens: nothing that outlives us or touches what is not ours, and no variable but those it is given.
    const words = tailscale.calls().flatMap(({ args }) => args);
    expect(words.filter((word) => /^--?bg|^reset$|^off$/.test(word))).toEqual([]);
    const names = new Set(tailscale.calls().flatMap((call) => call.env));
    expect([...names].filter((name) => !Object.keys(env).includes(name))).toEqual([]);
  });
  return {
    tailscale,
    clock,
    logged,
    states,
    urls,
    killed,
    funnel,
    /** The process of which it has a record. */
    remembered: () => remember.get(PROCESS_FACT),
    /** Waits until the newest state is like this. */
    reaches: async (like: Partial<FunnelState>) =>
      until(() => {
        const newest = states.at(-1);
        expect(newest).toMatchObject(like);
        return newest;
      }),
    /** Waits until it has said something like this, whatever it said after. */
    says: async (pattern: RegExp) =>
      until(() => {
        const said = states.find(({ message }) => pattern.test(message));
        expect(said).toBeDefined();
        return said;
      }),
    /** Waits until it slept a long time so often more. */
    waitsOften: async (times: number) => {
      const before = clock.longSleeps;
      await until(() => expect(clock.longSleeps).toBeGreaterThanOrEqual(before + times));
    },
    /** Milliseconds until it had ended. */
    end: async () => {
      const startedAt = performance.now();
      stop.abort();
      await running;
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

export const until = async <T>(check: () => T): Promise<T> =>
  vi.waitFor(check, { timeout: 15_000, interval: 40 });

export function only<T>(values: readonly T[]): T {
  const [value] = values;
  expect(values).toHaveLength(1);
  return value as T;
}

interface Mapping {
  readonly port?: number;
  readonly path?: string;
  readonly target?: string;
  readonly isPublic?: boolean;
}

/** A record of a process, as it is remembered. */
export const record = (pid: number | undefined, args: readonly string[] = ARGS) =>
  JSON.stringify({ pid, command: ["tailscale", "funnel", ...args] });

export function serveConfig({
  port = 443,
  path = "/webhook",
  target = TARGET,
  isPublic = true,
}: Mapping = {}): ServeConfig {
  return {
    TCP: { [port]: { HTTPS: true } },
    Web: { [`${NAME}:${port}`]: { Handlers: { [path]: { Proxy: target } } } },
    ...(isPublic && { AllowFunnel: { [`${NAME}:${port}`]: true } }),
  };
}

export const CONSENT = {
  kind: "stuck",
  message: "Somebody has to agree to Funnel for this machine",
  hint: "visit https://login.tailscale.com/f/funnel?node=nStandIn",
} as const;
export const NOT_AGREED = { hasFunnel: false, ports: null } as const;
export const AGREED = { hasFunnel: true, ports: "443,8443,10000" } as const;

export type World = ReturnType<typeof setUp>;
