import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { refusal } from "../src/bridge/access.ts";
import { Dispatcher, type PreparedFile } from "../src/bridge/dispatch.ts";
import type { FileOrder } from "../src/bridge/request.ts";
import { BRIDGE_LIMITS, BRIDGE_PATHS, BridgeServer, mediaPath } from "../src/bridge/server.ts";
import { requireAccount } from "../src/config/account.ts";
import { isCode } from "../src/errors.ts";
import type { MediaFolder } from "../src/media/folder.ts";
import { prepareOutgoing, type OutgoingParts } from "../src/media/outgoing.ts";
import { sniff } from "../src/media/sniff.ts";
import type { Deliverer } from "../src/pipeline/deliver.ts";
import type { MediaFile } from "../src/pipeline/media.ts";
import { Listener } from "../src/source/listener.ts";
import { knownOwnPhone } from "../src/whatsapp/own-number.ts";
import { toMessages } from "../src/whatsapp/messages.ts";
import { splitText } from "../src/whatsapp/split.ts";
import type { Base } from "./base.ts";
import type { HealthBoard } from "./health.ts";

/** The address at which agents that speak HTTP find us. */
export interface OpenBridge {
  readonly listener: Listener;
  readonly mediaSecret: string;
  /** Where an agent gets the file of a message. */
  readonly linkTo: (file: MediaFile) => string;
}

export const BRIDGE_SETTING = "bridge.addr (WA_BRIDGE_ADDR)";
const SECRET = "bridge-media-secret";
const COUNT_MS = 2000;

/**
 * Takes the address, before anything else starts; undefined when no agent sends by HTTP.
 * @throws StateError when it is taken
 */
export async function openBridge(
  { config, store, clock, log }: Base,
  board: HealthBoard,
  stack: AsyncDisposableStack,
): Promise<OpenBridge | undefined> {
  const { listen, token, url } = config.bridge;
  if (!listen) return undefined;
  const ownLog = log.child({ component: "bridge-http" });
  const listener = stack.use(
    await Listener.open(listen, {
      log: ownLog,
      limits: BRIDGE_LIMITS,
      admit: (head) => refusal(head, token),
      setting: BRIDGE_SETTING,
    }),
  );
  listener.reserve(BRIDGE_PATHS);
  // It outlives restarts, and so do the links that an agent was given.
  const known = store.facts.get(SECRET)?.value;
  const mediaSecret = known ?? randomBytes(32).toString("hex");
  if (known === undefined) await store.facts.set(SECRET, mediaSecret, clock.now());
  const { host = "127.0.0.1" } = listen;
  const name = /^(0\.0\.0\.0|::)$/.test(host) ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  const base = url ?? `http://${name}:${listener.port}`;
  const address = `${listen.host ?? "*"}:${listener.port}`;
  ownLog.info({ address }, "listening for an agent");
  board.add("bridge", { kind: "listening", message: `Agents send to http://${address}` });
  return { listener, mediaSecret, linkTo: (file) => base + mediaPath(file, mediaSecret) };
}

export function createBridgeServer(
  { config, store, clock, log }: Base,
  { listener, mediaSecret }: OpenBridge,
  {
    board,
    deliverer,
    folder,
    outgoing,
  }: {
    readonly board: HealthBoard;
    readonly deliverer: Deliverer;
    readonly folder: MediaFolder;
    readonly outgoing: OutgoingParts;
  },
): BridgeServer {
  const account = requireAccount(config);
  const ownLog = log.child({ component: "bridge-http" });
  const count = () => (store.outbox.counts()["queued"] ?? 0) + (store.outbox.counts()["doubt"] ?? 0);
  let counted = { at: Number.NEGATIVE_INFINITY, waiting: 0 };
  const dispatcher = new Dispatcher({
    outbox: store.outbox,
    people: store.people,
    policy: config.send,
    circumstances: () => ({
      roles: config.security.roles,
      ownPhone: config.send.ownPhone ?? knownOwnPhone(store.facts, account),
    }),
    waiting: () => {
      if (clock.now() - counted.at > COUNT_MS) counted = { at: clock.now(), waiting: count() };
      return counted.waiting;
    },
    wakeDelivery: (contact) => deliverer.wake(contact),
    format: async (text, isMarkdown) => (isMarkdown ? toMessages(text) : splitText(text)),
    prepare: async (order, signal) => prepare(order, outgoing, signal),
    clock,
    log: ownLog,
  });
  return new BridgeServer(
    {
      listener,
      dispatcher,
      open: async (name) => find(join(folder.path, name)),
      health: async () => board.report(),
      clock,
      log: ownLog,
    },
    { rateLimit: config.bridge.rateLimit, mediaSecret },
  );
}

async function prepare(
  { file, filename, caption, asVoice, asSticker }: FileOrder,
  parts: OutgoingParts,
  signal: AbortSignal,
): Promise<PreparedFile> {
  const prepared = await prepareOutgoing(file, { caption, filename, asVoice, asSticker }, parts, signal);
  if (prepared.kind === "refused") return prepared;
  const { as, file: own, filename: shown, caption: said, text } = prepared;
  const media = { as, path: own.path, mimeType: own.mimeType, filename: shown };
  return { kind: "file", media, caption: said, text };
}

async function find(path: string): Promise<Pick<MediaFile, "path" | "mimeType" | "bytes"> | undefined> {
  try {
    const { size } = await stat(path);
    return { path, bytes: size, mimeType: (await sniff(path)).mimeType };
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
