import type { Clock } from "../src/clock.ts";
import { requireAccount } from "../src/config/account.ts";
import { type Config } from "../src/config/config.ts";
import type { Content } from "../src/content.ts";
import { startsTurn } from "../src/content-text.ts";
import { StateError } from "../src/errors.ts";
import { Device } from "../src/gateway/device.ts";
import { OpenClawGateway } from "../src/gateway/openclaw.ts";
import { HttpGateway } from "../src/gateway/http.ts";
import { createFetch, type Fetch } from "../src/http.ts";
import { Answerer, type AnswerParts } from "../src/pipeline/answer.ts";
import { runBridge, type Draining } from "../src/pipeline/bridge.ts";
import { Deliverer } from "../src/pipeline/deliver.ts";
import { Guard } from "../src/pipeline/guard.ts";
import { Lanes } from "../src/pipeline/lanes.ts";
import { PART_NAMES } from "../src/part.ts";
import { DaemonLock } from "../src/store/lock.ts";
import { Store } from "../src/store/store.ts";
import { VERSION } from "../src/version.ts";
import { CloudApi } from "../src/whatsapp/client.ts";
import { ApiConnection } from "../src/whatsapp/connection.ts";
import { toMessages } from "../src/whatsapp/messages.ts";
import { learnOwnPhone } from "../src/whatsapp/own-number.ts";
import type { Base, Surroundings } from "./base.ts";
import { createBridgeServer, openBridge, type OpenBridge } from "./bridge.ts";
import { HealthBoard } from "./health.ts";
import { createMediaTools } from "./media.ts";
import { Notifier } from "./notifier.ts";
import { createWaysIn } from "./ways-in.ts";

/** Who claims rows of the outbox; `wa-cli` has names of its own. */
const CLAIMED_BY = "daemon";
const LOCK_TRIES = 5;
/** A send is a short wait for the network, an answer long work of an agent. */
const SENDS_PER_ANSWER = 4;

/**
 * Builds every part from the configuration and runs them until `signal` aborts.
 * @throws ConfigError, StateError
 */
export async function startBridge(
  config: Config,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = surroundings;
  const account = requireAccount(config);
  await using stack = new AsyncDisposableStack();
  // The lock comes first: only its holder may repair the file.
  stack.use(await lock(config.state.dir, clock, signal));
  const store = stack.use(
    Store.open(config.state.dir, { ownsLock: true, startsTurn: turnsFor(config.gateway.type) }),
  );
  const fetch = stack.use(createFetch());
  const connection = new ApiConnection(account, { fetch, clock });
  const api = new CloudApi(connection);
  const base: Base = { ...surroundings, config, store, api };

  const answerFrom = await firstAnswerable(base);
  // What the last start said of parts that this one does not have.
  await store.facts.forget(PART_NAMES);
  const board = new HealthBoard(store, surroundings);
  const bridge = await openBridge(base, board, stack);
  const { sources, tasks } = await createWaysIn({ ...base, connection, board, answerFrom }, stack);
  const gateway = createGateway(base, { fetch, board, bridge });
  const deliveries = createDraining(config.delivery.maxParallel * SENDS_PER_ANSWER);
  const deliverer = createDeliverer(base, deliveries);
  const answers = createDraining(config.delivery.maxParallel);
  const { folder, outgoing, ...tools } = createMediaTools(base, connection, stack);
  const answerer = createAnswerer(base, answers, { gateway, deliverer, answerFrom, ...tools });

  // To the very end: an agent that is heard out while we stop has something to send.
  if (bridge) {
    // Good to know before an agent writes to it; WhatsApp refuses that as well.
    learnOwnPhone(store.facts, { api, connection }, signal).catch(() => {});
    const server = createBridgeServer(base, bridge, { board, deliverer, folder, outgoing });
    stack.use(server.serve(deliveries.abort.signal));
  }

  const doubtful = await store.outbox.recover(CLAIMED_BY, clock.now());
  await store.outbox.retryBlocked(clock.now());
  if (doubtful > 0) log.warn({ count: doubtful }, "sends of unknown outcome are looked up");
  await noteDaemon(base);
  const sweep = async () => {
    await store.sweep(clock.now(), config.state.keepTextMs);
    await folder.sweep(clock.now());
  };
  await runBridge(
    {
      clock,
      log: log.child({ component: "bridge" }),
      sources,
      tasks: [...tasks, board, createNotifier(base, board)],
      inbox: store.inbox,
      statuses: store.statuses,
      answerer,
      answers,
      deliverer,
      deliveries,
      gateway,
      sweep,
    },
    signal,
  );
}

function createDraining(maxParallel: number): Draining {
  return { lanes: new Lanes(maxParallel), abort: new AbortController() };
}

/** Agents that speak HTTP hear of a reaction at once: it may be the answer to a question of theirs. */
function turnsFor(type: Config["gateway"]["type"]) {
  return type === "http"
    ? (content: Content) => content.type === "reaction" || startsTurn(content)
    : startsTurn;
}

function createGateway(
  { config, clock, log: parent }: Base,
  {
    fetch,
    board,
    bridge,
  }: { readonly fetch: Fetch; readonly board: HealthBoard; readonly bridge: OpenBridge | undefined },
): HttpGateway | OpenClawGateway {
  const log = parent.child({ component: "gateway" });
  const onState = board.add("gateway");
  if (config.gateway.type === "http" && bridge)
    return new HttpGateway(config.gateway, { fetch, linkTo: bridge.linkTo, clock, log, onState });
  return new OpenClawGateway(config.gateway, {
    loadDevice: () => Device.load(config.state.dir),
    clock,
    log,
    onState,
  });
}

function createDeliverer({ config, store, api, clock, log }: Base, { lanes, abort }: Draining): Deliverer {
  return new Deliverer(
    { outbox: store.outbox, sender: api, lanes, clock, log: log.child({ component: "outbox" }) },
    { by: CLAIMED_BY, settleMs: config.send.settleMs },
    abort.signal,
  );
}

function createAnswerer(
  { config, store, api, clock, log }: Base,
  { lanes, abort }: Draining,
  {
    deliverer,
    answerFrom,
    ...others
  }: Pick<AnswerParts, "gateway" | "media" | "transcriber" | "preparer"> & {
    readonly deliverer: Deliverer;
    readonly answerFrom: number;
  },
): Answerer {
  const { security, delivery, gateway: agent } = config;
  return new Answerer(
    {
      inbox: store.inbox,
      guard: new Guard({ ...security, sessionKey: agent.sessionKey }),
      ...others,
      lanes,
      typing: { receipts: api, mode: delivery.receipts, clock, log: log.child({ component: "typing" }) },
      format: toMessages,
      wakeDelivery: (contact) => deliverer.wake(contact),
      clock,
      log: log.child({ component: "answer" }),
    },
    {
      maxAgeMs: delivery.maxAgeMs,
      answerFrom,
      quote: delivery.quote,
      denyMessage: security.denyMessage,
      limitMessage: security.limitMessage,
      errorMessage: agent.errorMessage,
    },
    abort.signal,
  );
}

function createNotifier({ clock, log, process }: Base, board: HealthBoard): Notifier {
  const isWell = async () => board.isWritable();
  return new Notifier({ process, isWell, clock, log: log.child({ component: "service" }) });
}

/** Leaves word for `wa-cli status`. */
async function noteDaemon({ store, clock, process }: Base): Promise<void> {
  const daemon = { pid: process.pid, version: VERSION, startedAt: clock.now() };
  await store.facts.set("daemon", JSON.stringify(daemon), clock.now());
}

async function lock(folder: string, clock: Clock, signal: AbortSignal): Promise<DaemonLock> {
  // `wa-cli status` holds it for a moment when it looks.
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    const held = DaemonLock.tryAcquire(folder);
    if (held) return held;
    await clock.sleep(200, signal);
  }
  throw new StateError(`Another wa-poller works with the state in ${folder}`, {
    hint: "stop that one first, or give this one a state.dir (KAPSO_STATE_DIR) of its own",
  });
}

/** From when on messages are answered: older ones belong to whoever served the number before the first start. */
async function firstAnswerable({ config, store, clock, log }: Base): Promise<number> {
  const { setAside, facts } = store;
  const now = clock.now();
  if (setAside)
    log.error(
      { movedTo: setAside.path },
      "the state file was damaged: it was moved aside, and unanswered messages in it are lost",
    );
  const known = facts.get("answer-from");
  if (known) return Number(known.value);
  const from = Math.floor(setAside?.lastWriteAt ?? now - config.delivery.backfillMs);
  await facts.set("answer-from", String(from), now);
  return from;
}
