import { childEnvironment } from "../src/child-environment.ts";
import { requireAccount } from "../src/config/account.ts";
import { Funnel } from "../src/funnel/funnel.ts";
import type { Task } from "../src/pipeline/bridge.ts";
import { GapDetector } from "../src/pipeline/gap-detector.ts";
import type { Source } from "../src/pipeline/receive.ts";
import { serveHealth } from "../src/source/health.ts";
import { Listener } from "../src/source/listener.ts";
import { PollSource } from "../src/source/poll.ts";
import { Registrar } from "../src/source/registrar.ts";
import { WEBHOOK_PATHS, WebhookSource } from "../src/source/webhook.ts";
import { makeWebhookSecret, readWebhookSecrets } from "../src/store/webhook-secret.ts";
import type { ApiConnection } from "../src/whatsapp/connection.ts";
import { KapsoWebhooks } from "../src/whatsapp/kapso-webhooks.ts";
import type { Base } from "./base.ts";
import type { HealthBoard } from "./health.ts";

export interface WaysInBase extends Base {
  readonly connection: ApiConnection;
  readonly board: HealthBoard;
  /** Messages sent before this are not asked for. */
  readonly answerFrom: number;
}

/** Everything that brings messages in, and what keeps it going. */
export interface WaysIn {
  readonly sources: readonly Source[];
  readonly tasks: readonly Task[];
}

/** Where polling only follows webhooks that nobody signed, it still looks this often by itself. */
const WOKEN_POLL_MS = 3_600_000;

/**
 * Builds the ways in that the configuration asks for. The webhook's port is taken here, before anything else starts.
 * @throws StateError when the port is taken
 */
export async function createWaysIn(base: WaysInBase, stack: AsyncDisposableStack): Promise<WaysIn> {
  const { config, log, board } = base;
  const { webhook, delivery, state } = config;
  const listener =
    webhook.listen &&
    stack.use(await Listener.open(webhook.listen, { log: log.child({ component: "http" }) }));
  if (listener) stack.use(serveHealth(listener, async () => board.report()));
  if (delivery.mode === "polling") return { sources: [createPoll(base)], tasks: [] };
  if (!listener) throw new TypeError("A webhook mode has an address to listen on");
  listener.reserve(WEBHOOK_PATHS);

  if (webhook.register && webhook.secret === undefined) makeWebhookSecret(state.dir);
  const { ours, all: secrets } = readWebhookSecrets(state.dir, webhook);
  const isSigned = secrets.length > 0;
  // Meta has no list of messages that could be asked for.
  const canPoll = config.provider === "kapso" && (delivery.pollFallback || !isSigned);
  const poll = canPoll ? createPoll(base, { isWoken: !delivery.pollFallback }) : undefined;
  const source = createWebhook(base, listener, { poll, secrets });
  const registrar = webhook.register && ours !== undefined ? createRegistrar(base, ours) : undefined;
  const tasks: Task[] = registrar ? [registrar] : [];
  tasks.push(...publish(base, listener.port, registrar));
  if (poll && isSigned) tasks.push(createGapDetector(base, registrar));
  return { sources: poll ? [source, poll] : [source], tasks };
}

function createPoll(base: WaysInBase, { isWoken = false } = {}): PollSource {
  const { config, store, api, clock, log, board, answerFrom } = base;
  return new PollSource(
    { api, cursors: store.facts, clock, log: log.child({ component: "poll" }), onState: board.add("poll") },
    {
      phoneNumberId: requireAccount(config).phoneNumberId,
      intervalMs: isWoken ? WOKEN_POLL_MS : config.delivery.pollIntervalMs,
      firstSince: answerFrom,
    },
  );
}

function createWebhook(
  { config, store, clock, log, board }: WaysInBase,
  listener: Listener,
  { poll, secrets }: { readonly poll: PollSource | undefined; readonly secrets: readonly string[] },
): WebhookSource {
  const ownLog = log.child({ component: "webhook" });
  const where = `${config.webhook.listen?.host ?? "*"}:${listener.port}`;
  const isSigned = secrets.length > 0;
  board.add("webhook", {
    kind: isSigned ? "listening" : "wake-up",
    message: isSigned
      ? `Listens on ${where}`
      : `Listens on ${where}; unsigned, so each webhook only starts a poll`,
    hint: isSigned ? undefined : NO_SECRET,
  });
  ownLog.info({ address: where }, "listening for webhooks");
  if (!isSigned) ownLog.warn({ hint: NO_SECRET }, "webhooks can not be trusted, each one only starts a poll");
  return new WebhookSource(
    {
      listener,
      wake: () => poll?.wake(),
      onNotStored: () => board.noteStoreFailure(),
      onProbe: (probe) => store.facts.set("webhook-probe", probe, clock.now()),
      clock,
      log: ownLog,
    },
    {
      phoneNumberId: requireAccount(config).phoneNumberId,
      secrets,
      verifyTokens: config.webhook.verifyTokens,
    },
  );
}

const NO_SECRET =
  "give webhook.secret (KAPSO_WEBHOOK_SECRET) the secret of the webhook in the Kapso dashboard, or webhook.url to have it registered";

function createRegistrar({ store, connection, clock, log, board }: WaysInBase, secret: string): Registrar {
  return new Registrar(
    {
      webhooks: new KapsoWebhooks(connection),
      facts: store.facts,
      clock,
      log: log.child({ component: "registration" }),
      onState: board.add("registration"),
    },
    secret,
  );
}

/** Tells the registrar the public address, or somebody who has to register it by hand. */
function publish(base: WaysInBase, port: number, registrar: Registrar | undefined): Task[] {
  const { config, store, clock, log, board, process } = base;
  const ownLog = log.child({ component: "webhook" });
  const announce = (url: string) => {
    if (registrar) registrar.announce(url);
    else ownLog.info({ url, hint: BY_HAND[config.provider] }, "webhook is not registered by us");
  };
  if (config.delivery.mode === "domain") {
    if (config.webhook.url !== undefined) announce(config.webhook.url);
    else if (config.provider === "meta" || config.webhook.secret === undefined)
      ownLog.info({ hint: "set webhook.url (WA_WEBHOOK_URL) to have it registered" }, NOT_REGISTERED);
    return [];
  }
  const funnel = new Funnel(
    {
      facts: store.facts,
      kill: (pid, how) => endQuietly({ pid, how }, base),
      clock,
      log: log.child({ component: "funnel" }),
      onState: board.add("funnel"),
      onUrl: announce,
    },
    {
      bin: config.tailscale.bin,
      port: config.tailscale.port,
      target: `http://127.0.0.1:${port}/webhook`,
      env: childEnvironment(process.env),
    },
  );
  // Also when an error that nobody foresaw ends us: an orphan would hold the port.
  process.once("exit", () => funnel.kill());
  return [funnel];
}

const NOT_REGISTERED = "webhook is not registered by us: its public address is not known";
const BY_HAND = {
  kapso: "delivery.register is off: register this address in the Kapso dashboard",
  meta: "in Meta's app dashboard (WhatsApp, Configuration) give this as callback URL, with the verify token, and subscribe to messages",
} as const;

function createGapDetector(
  { store, clock, log, board }: WaysInBase,
  registrar: Registrar | undefined,
): GapDetector {
  return new GapDetector({
    arrivals: store.inbox,
    clock,
    log: log.child({ component: "gaps" }),
    onState: board.add("gaps", { kind: "arriving", message: "No message was missed" }),
    onSilence: () => registrar?.check(),
  });
}

function endQuietly(
  { pid, how }: { readonly pid: number; readonly how: NodeJS.Signals },
  { process, log }: Base,
): void {
  try {
    process.kill(pid, how);
  } catch (err) {
    log.debug({ err, pid }, "process not ended");
  }
}
