import { requireKapso, type Config } from "../src/config/config.ts";
import { Funnel } from "../src/funnel/funnel.ts";
import type { Log } from "../src/log.ts";
import type { Task } from "../src/pipeline/bridge.ts";
import { GapDetector } from "../src/pipeline/gap-detector.ts";
import type { Source } from "../src/pipeline/receive.ts";
import { Listener } from "../src/source/listener.ts";
import { PollSource } from "../src/source/poll.ts";
import { Registrar } from "../src/source/registrar.ts";
import { WebhookSource } from "../src/source/webhook.ts";
import { makeWebhookSecret, readWebhookSecret } from "../src/store/webhook-secret.ts";
import type { ApiConnection } from "../src/whatsapp/connection.ts";
import { KapsoWebhooks } from "../src/whatsapp/kapso-webhooks.ts";
import type { Base } from "./compose.ts";
import type { HealthBoard } from "./health.ts";

export interface InboundBase extends Base {
  readonly connection: ApiConnection;
  readonly board: HealthBoard;
  /** Messages sent before this are not asked for. */
  readonly answerFrom: number;
}

/** Everything that brings messages in, and what keeps it going. */
export interface InboundWays {
  readonly sources: readonly Source[];
  readonly tasks: readonly Task[];
}

/** Where polling only follows webhooks that nobody signed, it still looks this often by itself. */
const WOKEN_POLL_MS = 3_600_000;
/** All that the tailscale command gets to see of our environment: no key is among it. */
const PASSED_ON = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR"];

/**
 * Builds the ways in that the configuration asks for. The webhook's port is taken here, before anything else starts.
 * @throws StateError when the port is taken
 */
export async function createInbound(base: InboundBase, stack: AsyncDisposableStack): Promise<InboundWays> {
  const { config, log } = base;
  const { listen } = config.webhook;
  const { mode, pollFallback } = config.delivery;
  const listener =
    listen && stack.use(await Listener.open(listen, { log: log.child({ component: "http" }) }));
  if (mode === "polling") {
    const poll = createPoll(base);
    // Somebody set an address, so that /health is there.
    return {
      sources: listener ? [poll, createWebhook(base, listener, { poll, secrets: [] })] : [poll],
      tasks: [],
    };
  }
  if (!listener) throw new TypeError("A webhook mode has an address to listen on");
  const { ours, all: secrets } = webhookSecrets(config);
  const poll =
    pollFallback || secrets.length === 0 ? createPoll(base, { isWoken: !pollFallback }) : undefined;
  const webhook = createWebhook(base, listener, { poll, secrets });
  const registrar = ours !== undefined && canRegister(config) ? createRegistrar(base, ours) : undefined;
  const tasks: Task[] = registrar ? [registrar] : [];
  tasks.push(...publish(base, listener.port, registrar));
  if (poll && secrets.length > 0) tasks.push(createGapDetector(base, registrar));
  return { sources: poll ? [webhook, poll] : [webhook], tasks };
}

/** We register when that is wanted and the public address is known, or will be. */
function canRegister({ delivery, webhook }: Config): boolean {
  return delivery.register && (delivery.mode === "tailscale" || webhook.url !== undefined);
}

/** What we sign with, and everything that is believed: one that we made stays good when another is configured. */
function webhookSecrets(config: Config): {
  readonly ours: string | undefined;
  readonly all: readonly string[];
} {
  const { secret, oldSecrets } = config.webhook;
  const { dir } = config.state;
  const isNeeded = secret === undefined && canRegister(config);
  const made = isNeeded ? makeWebhookSecret(dir) : readWebhookSecret(dir);
  const ours = secret ?? made;
  return { ours, all: [...new Set([ours, made, ...oldSecrets].filter((value) => value !== undefined))] };
}

function createPoll(base: InboundBase, { isWoken = false } = {}): PollSource {
  const { config, store, api, clock, log, board, answerFrom } = base;
  return new PollSource(
    { api, cursors: store.facts, clock, log: log.child({ component: "poll" }), onState: board.add("poll") },
    {
      phoneNumberId: requireKapso(config).phoneNumberId,
      intervalMs: isWoken ? WOKEN_POLL_MS : config.delivery.pollIntervalMs,
      firstSince: answerFrom,
    },
  );
}

function createWebhook(
  { config, store, clock, log, board }: InboundBase,
  listener: Listener,
  { poll, secrets }: { readonly poll: PollSource | undefined; readonly secrets: readonly string[] },
): WebhookSource {
  const where = `${config.webhook.listen?.host ?? "*"}:${listener.port}`;
  if (config.delivery.mode !== "polling") {
    const isSigned = secrets.length > 0;
    board.add("webhook", {
      kind: isSigned ? "listening" : "wake-up",
      message: isSigned
        ? `Listens on ${where}`
        : `Listens on ${where}; unsigned, so each webhook only starts a poll`,
      hint: isSigned ? undefined : NO_SECRET,
    });
    log.info({ address: where }, "listening for webhooks");
    if (!isSigned) log.warn({ hint: NO_SECRET }, "webhooks can not be trusted, each one only starts a poll");
  }
  return new WebhookSource(
    {
      listener,
      wake: () => poll?.wake(),
      health: () => board.report(),
      onProbe: (probe) => store.facts.set("webhook-probe", probe, clock.now()),
      clock,
      log: log.child({ component: "webhook" }),
    },
    {
      phoneNumberId: requireKapso(config).phoneNumberId,
      secrets,
      verifyTokens: config.webhook.verifyTokens,
    },
  );
}

const NO_SECRET =
  "give webhook.secret (KAPSO_WEBHOOK_SECRET) the secret of the webhook in the Kapso dashboard, or webhook.url to have it registered";

function createRegistrar({ store, connection, clock, log, board }: InboundBase, secret: string): Registrar {
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
function publish(base: InboundBase, port: number, registrar: Registrar | undefined): Task[] {
  const { config, store, clock, log, board } = base;
  const announce = (url: string) => {
    if (registrar) registrar.announce(url);
    else log.info({ url }, "this address has to be registered with Kapso by hand: delivery.register is off");
  };
  if (config.delivery.mode === "domain") {
    if (config.webhook.url !== undefined) announce(config.webhook.url);
    else log.info({ hint: "set webhook.url (WA_WEBHOOK_URL) to have it registered" }, NOT_REGISTERED);
    return [];
  }
  const funnel = new Funnel(
    {
      facts: store.facts,
      kill: (pid) => endQuietly(pid, log),
      clock,
      log: log.child({ component: "funnel" }),
      onState: board.add("funnel"),
      onUrl: announce,
    },
    {
      bin: config.tailscale.bin,
      port: config.tailscale.port,
      target: `http://127.0.0.1:${port}/webhook`,
      env: Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name]])),
    },
  );
  // Also when an error that nobody foresaw ends us: an orphan would hold the port.
  process.once("exit", () => funnel.kill());
  return [funnel];
}

const NOT_REGISTERED = "webhook is not registered by us: its public address is not known";

function createGapDetector(
  { store, clock, log, board }: InboundBase,
  registrar: Registrar | undefined,
): GapDetector {
  return new GapDetector({
    arrivals: store.inbox,
    clock,
    log: log.child({ component: "gaps" }),
    onState: board.add("gaps", { kind: "complete", message: "No message was missed" }),
    onSilence: () => registrar?.check(),
  });
}

function endQuietly(pid: number, log: Log): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (err) {
    log.debug({ err, pid }, "process not ended");
  }
}
