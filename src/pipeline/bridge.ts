import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Answerer } from "./answer.ts";
import type { Deliverer } from "./deliver.ts";
import type { Lanes } from "./lanes.ts";
import type { Statuses } from "./outbox.ts";
import { createReceiver, type Inbox, type Source } from "./receive.ts";

/** Work that may finish when the program stops, up to its deadline. */
export interface Draining {
  readonly lanes: Lanes;
  readonly abort: AbortController;
}

/** Goes on until the signal aborts, and never rejects. */
export interface Task {
  run(signal: AbortSignal): Promise<void>;
}

export interface BridgeParts {
  readonly sources: readonly Source[];
  /** Run beside the sources; none of them may end the bridge. */
  readonly tasks: readonly Task[];
  readonly inbox: Inbox;
  readonly statuses: Statuses;
  readonly answerer: Answerer;
  readonly deliverer: Deliverer;
  readonly answers: Draining;
  readonly deliveries: Draining;
  readonly gateway: { readonly isConnected: boolean; run(signal: AbortSignal): Promise<void> };
  /** Deletes what is past its time. */
  readonly sweep: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Both together are the most that a stop waits for work; what is not done by then goes on at the next start. */
const ANSWERS_MS = 5000;
const DELIVERIES_MS = 4000;
const SWEEP_MS = 3_600_000;

/** Runs every part until `signal` aborts, then stops them in the order in which work flows. */
export async function runBridge(parts: BridgeParts, signal: AbortSignal): Promise<void> {
  const { sources, tasks, inbox, statuses, answerer, deliverer, answers, deliveries, gateway, clock, log } =
    parts;
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const line = new AbortController();
  for (const message of await inbox.pending()) answerer.push(message, { replayed: true });
  const receiver = createReceiver({
    inbox,
    statuses,
    clock,
    log,
    answer: (message) => answerer.push(message, { replayed: false }),
  });
  const background = [
    gateway.run(line.signal),
    deliverer.run(),
    sweepHourly(parts, running),
    ...tasks.map((task) => task.run(running)),
  ];
  try {
    await Promise.all(sources.map((source) => source.run(receiver(source.name), running)));
  } finally {
    stop.abort();
    log.info("stopping");
    // An answer can not come over a line that is down.
    await drain(answers, gateway.isConnected ? ANSWERS_MS : 0);
    await drain(deliveries, DELIVERIES_MS);
    line.abort();
    await Promise.all(background);
    log.info("stopped");
  }
}

/** Lets running work finish until the deadline, then aborts it and waits for it to end. */
async function drain({ lanes, abort }: Draining, deadlineMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, deadlineMs);
  lanes.close();
  await Promise.race([lanes.idle(), promise]);
  clearTimeout(timer);
  abort.abort();
  await lanes.idle();
}

async function sweepHourly({ sweep, clock, log }: BridgeParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sweep().catch((err: unknown) => log.warn({ err }, "old rows not deleted"));
    await clock.sleep(SWEEP_MS, signal).catch(() => {});
  }
}
