import { systemClock } from "../../src/clock.ts";
import { requireAccount } from "../../src/config/account.ts";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { createFetch } from "../../src/http.ts";
import type { Admitted, Repeated } from "../../src/pipeline/admission.ts";
import { plan, queue, type Permission } from "../../src/pipeline/send-gate.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import { learnOwnPhone } from "../../src/whatsapp/own-number.ts";
import { print, type Answer, type Io } from "../io.ts";
import { awaitStatus, deliver, dropTakenBack, readRows } from "../send/delivery.ts";
import { askLastInbound } from "../send/last-inbound.ts";
import type { SendOptions } from "../send/options.ts";
import { judgeSend, requireAdmitted, requirePermission } from "../send/permission.ts";
import { findRecipient, showRecipient } from "../send/recipient.ts";
import { report } from "../send/report.ts";
import { makeMessages, readRequest, type ReadRequest } from "../send/request.ts";

interface SendParts {
  readonly io: Io;
  readonly config: Config;
  readonly store: Store;
  readonly api: CloudApi;
  readonly connection: ApiConnection;
}

/** Queues a message and sends it at once, in the same outbox as the daemon: rows of one person go out in order, one at a time. */
export async function send(io: Io, options: SendOptions): Promise<void> {
  const request = await readRequest(io, options);
  const config = loadConfig({ env: io.env, file: options.config });
  if (options.dryRun === true) {
    const { dryRun } = await import("../send/dry-run.ts");
    return print(io, await dryRun(io, config, request), options.json);
  }
  const account = requireAccount(config);
  using store = Store.open(config.state.dir);
  await using fetch = createFetch();
  const connection = new ApiConnection(account, { fetch, clock: systemClock });
  const parts = { io, config, store, connection, api: new CloudApi(connection) };
  print(io, await sendNow(parts, request, options), options.json);
}

/** Queues and sends, unless the key shows that it was done before. */
async function sendNow(parts: SendParts, request: ReadRequest, options: SendOptions): Promise<Answer> {
  const { config, store, io, api } = parts;
  const { ids, kind } = requireAdmitted((await findBefore(store, request)) ?? (await admit(parts, request)));
  const isRepeated = kind === "repeated";
  const contact = store.outbox.get(ids[0] ?? 0)?.contact ?? "";
  const delivery = { ids, contact, isRepeated, deadline: Date.now() + options.timeout * 1000 };
  const { settleMs } = config.send;
  let rows = await deliver(io, { store, sender: api, settleMs }, delivery);
  const noStatus = whyNoStatus(config);
  if (options.wait !== "accepted" && noStatus === undefined)
    rows = await awaitStatus(io, store, delivery, options.wait);
  // The caller knows that nothing left, and will send it anew: a row to retry would only send it twice.
  const isGone = await dropTakenBack(store, rows);
  const to = showRecipient(request.recipient.to);
  return report(rows, { to, isGone, isRepeated, wait: options.wait, noStatus });
}

/** A send that its caller was told to try again is none, even if the caller was killed before it was taken off the list. */
async function findBefore(store: Store, { key }: ReadRequest): Promise<Repeated | undefined> {
  const found = key && store.outbox.findKey(key);
  return found && (await dropTakenBack(store, readRows(store, found.ids))) ? undefined : found;
}

async function admit(parts: SendParts, request: ReadRequest): Promise<Admitted> {
  const { config, store, io } = parts;
  const permission = await ask(parts, request);
  const messages = await makeMessages(request, config, config.state.dir, io);
  const now = Date.now();
  return queue(store.outbox, { ...plan(messages, permission, config.send, now), key: request.key }, now);
}

/** Goes by what the store knows of the person, and by what the provider does where that may help. @throws CommandError */
async function ask(parts: SendParts, { recipient, isTemplate }: ReadRequest): Promise<Permission> {
  const { config, store, io } = parts;
  const person = findRecipient(store, recipient);
  const ownPhone =
    config.send.ownPhone ??
    (person.to.phone === undefined ? undefined : await learnOwnPhone(store.facts, parts, io.signal));
  const { decision, ifWritten } = judgeSend(person, config, { isTemplate, ownPhone });
  const openedAt = ifWritten && (await askLastInbound(person.to, parts, io.signal));
  if (openedAt === undefined) return requirePermission(decision);
  return requirePermission(judgeSend({ to: person.to, openedAt }, config, { isTemplate, ownPhone }).decision);
}

/** Why WhatsApp's word on a message can not reach us; undefined when it can. */
function whyNoStatus({ state, delivery }: Config): string | undefined {
  if (!DaemonLock.isHeld(state.dir)) return "wa-poller does not run, which hears of it";
  return delivery.mode === "polling"
    ? 'statuses come by webhook only, and delivery.mode is "polling"'
    : undefined;
}
