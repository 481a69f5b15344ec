import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { requireAccount } from "../../src/config/account.ts";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { createFetch } from "../../src/http.ts";
import { canonicalPhone } from "../../src/phone.ts";
import type { NewOutgoing } from "../../src/pipeline/outbox.ts";
import type { Admitted, SendKey } from "../../src/pipeline/admission.ts";
import { refuseCount } from "../../src/pipeline/conscience.ts";
import { windowOf } from "../../src/pipeline/window.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import type { OutboxRow } from "../../src/store/outbox-row.ts";
import { Store } from "../../src/store/store.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import { learnOwnPhone, ownNumberFact } from "../../src/whatsapp/own-number.ts";
import { print, type Answer, type Io } from "../io.ts";
import { readContent, requireLimits, toOutgoing, type Said } from "../send/content.ts";
import { awaitStatus, deliver } from "../send/delivery.ts";
import { passWindow, refused, requireAllowed, type Known, type Passage } from "../send/gate.ts";
import { readWords, usage, type SendOptions, type Spoken } from "../send/options.ts";
import { askLastInbound } from "../send/last-inbound.ts";
import { parseRecipient, showRecipient, type Named } from "../send/recipient.ts";
import { report } from "../send/report.ts";
import { readStdin } from "../send/stdin.ts";

/** What one command line asks for. */
interface Request {
  readonly options: SendOptions;
  readonly named: Named;
  /** Undefined for a file. */
  readonly said: Said | undefined;
  readonly quotes: string | undefined;
  readonly key: SendKey | undefined;
}

interface World {
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
  if (options.dryRun === true) return print(io, await dryRun(io, config, request), options.json);
  const account = requireAccount(config);
  using store = Store.open(config.state.dir);
  await using fetch = createFetch();
  const connection = new ApiConnection(account, { fetch, clock: systemClock });
  const world = { io, config, store, connection, api: new CloudApi(connection) };
  print(io, await sendNow(world, request), options.json);
}

async function readRequest(io: Io, options: SendOptions): Promise<Request> {
  const heard = readWords(options);
  const named = parseRecipient(heard.recipient);
  const { replyTo, idempotencyKey } = options;
  const quotes =
    replyTo === undefined ? undefined : (await import("../send/simple.ts")).readWamid(replyTo, "--reply-to");
  // A list may bring its text along.
  const isOpen = heard.takesText && heard.text === undefined && heard.kind !== "list";
  const spoken: Spoken = isOpen ? { ...heard, text: await readStdin(io) } : heard;
  const said = await readContent(io, options, spoken);
  const key =
    idempotencyKey === undefined
      ? undefined
      : { name: readKey(idempotencyKey), request: fingerprint(options, spoken, named) };
  return { options, named, said, quotes, key };
}

/** Queues and sends, unless the key shows that it was done before. */
async function sendNow(world: World, request: Request): Promise<Answer> {
  const { config, store, io, api } = world;
  const { options, named, key } = request;
  const before = key && (await findBefore(store, key));
  const admitted = before ?? (await admit(world, request));
  if (admitted.kind === "refused") throw refused(admitted.refusal);
  if (admitted.kind === "known" && !admitted.isSame)
    throw usage(
      "The idempotency key was given before, for another message",
      "give each message a key of its own",
    );
  const { ids } = admitted;
  const isRepeated = admitted.kind === "known";
  const contact = store.outbox.get(ids[0] ?? 0)?.contact ?? "";
  const delivery = { ids, contact, isRepeated, deadline: Date.now() + options.timeout * 1000 };
  const parts = { store, sender: api, settleMs: config.send.settleMs };
  let rows = await deliver(io, parts, delivery);
  const noStatus = whyNoStatus(config);
  if (options.wait !== "accepted" && noStatus === undefined)
    rows = await awaitStatus(io, store, delivery, options.wait);
  // The caller knows that nothing left, and will send it anew: a row to retry would only send it twice.
  if (rows.every(isTakenBack)) for (const { id } of rows) await store.outbox.drop(id);
  return report(rows, { to: showRecipient(named.to), ids, wait: options.wait, isRepeated, noStatus });
}

/** A send that its caller was told to try again is none, even if the caller was killed before it was taken off the list. */
async function findBefore(store: Store, key: SendKey): Promise<Admitted | undefined> {
  const found = store.outbox.findKey(key);
  const rows = found?.kind === "known" ? found.ids.flatMap((id) => store.outbox.get(id) ?? []) : [];
  if (rows.length === 0 || !rows.every(isTakenBack)) return found;
  for (const { id } of rows) await store.outbox.drop(id);
  return undefined;
}

async function admit(world: World, request: Request): Promise<Admitted> {
  const { config, store } = world;
  const { send: policy } = config;
  const known = await lookUp(world, request);
  requireAllowed(known, config);
  const passage = passFor(request, known, config);
  const messages = await toQueue(world.io, request, passage, config, config.state.dir);
  const now = Date.now();
  const admitted = await store.outbox.admit(
    {
      messages,
      key: request.key,
      heldFrom: heldFrom(passage),
      since: { toPerson: now - policy.perRecipient.windowMs, toAll: now - policy.perDay.windowMs },
      judge: (counts) => refuseCount(counts, messages.length, policy),
    },
    now,
  );
  // Nobody will send the copies.
  if (admitted.kind !== "queued")
    for (const { media } of messages) if (media) await rm(media.path, { force: true });
  return admitted;
}

/** What the store knows of the person, and what the provider does. */
async function lookUp(world: World, { named, options }: Request): Promise<Known> {
  const { config, store, io } = world;
  const known = lookUpStored(store, config, named);
  const ownPhone = known.ownPhone ?? (named.to.phone && (await learnOwnPhone(store.facts, world, io.signal)));
  const { allowTo, checkWindow } = config.send;
  const isNeeded = (checkWindow && options.template === undefined) || (allowTo.recent && !allowTo.everybody);
  if (windowOf(known.openedAt, Date.now()).kind === "open" || !isNeeded) return { ...known, ownPhone };
  return {
    ...known,
    ownPhone,
    openedAt: (await askLastInbound(known.to, world, io.signal)) ?? known.openedAt,
  };
}

function lookUpStored(
  store: Store | undefined,
  { send: policy, account }: Config,
  { to, mustBeKnown }: Named,
): Known {
  const person = store?.people.find(to, Date.now());
  if (mustBeKnown && !person)
    throw usage(
      "This contact is not known: nobody wrote from there",
      "without contact: anybody can be named",
    );
  const fact =
    "phoneNumberId" in account ? store?.facts.get(ownNumberFact(account.phoneNumberId)) : undefined;
  return { to: person?.to ?? to, openedAt: person?.openedAt, ownPhone: policy.ownPhone ?? fact?.value };
}

function passFor({ options }: Request, known: Known, config: Config): Passage {
  return options.template === undefined ? passWindow(known, config) : { kind: "open" };
}

function heldFrom({ kind }: Passage): number | undefined {
  return kind === "open" ? undefined : kind === "hold" ? 0 : 1;
}

/** The messages in order; a file of theirs is copied below `folder`. */
async function toQueue(
  io: Io,
  { options, named, said, quotes }: Request,
  passage: Passage,
  config: Config,
  folder: string,
): Promise<readonly NewOutgoing[]> {
  const contents = said ?? [await readMedia(io, options, config, folder)];
  const messages = contents.map((content, index) => ({
    to: named.to,
    ...toOutgoing(content),
    ...(index === 0 && quotes !== undefined && { quotes }),
  }));
  if (passage.kind !== "template") return messages;
  const { name, language } = passage;
  const template = { type: "template", name, language, body: [], buttons: [] } as const;
  requireLimits(template);
  return [{ to: named.to, ...toOutgoing(template) }, ...messages];
}

async function readMedia(io: Io, options: SendOptions, config: Config, folder: string) {
  const { prepareMedia } = await import("../send/media.ts");
  return prepareMedia({ ...options, media: options.media ?? "" }, config, folder, io);
}

/** Goes the same way as a send, up to where the network or the outbox would be touched. */
async function dryRun(io: Io, config: Config, request: Request): Promise<Answer> {
  const { preview } = await import("../send/preview.ts");
  using store = existsSync(join(config.state.dir, "relay.db")) ? Store.open(config.state.dir) : undefined;
  const known = lookUpStored(store, config, request.named);
  requireAllowed(known, config);
  const passage = passFor(request, known, config);
  const folder = mkdtempSync(join(tmpdir(), "wa-cli-dry-run-"));
  try {
    const { media = "" } = request.options;
    const isFetched = /^https?:/i.test(media);
    const said: Said = [
      {
        type: "media",
        media: { as: request.options.as ?? "document", path: "", mimeType: "not fetched", filename: media },
      },
    ];
    const messages = await toQueue(io, isFetched ? { ...request, said } : request, passage, config, folder);
    const note = isFetched
      ? "The file is fetched when it is sent; what kind of message it makes shows then"
      : undefined;
    return preview(messages, { heldFrom: heldFrom(passage), note });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Why WhatsApp's word on a message can not reach us; undefined when it can. */
function whyNoStatus({ state, delivery }: Config): string | undefined {
  if (!DaemonLock.isHeld(state.dir)) return "wa-poller does not run, which hears of it";
  return delivery.mode === "polling"
    ? 'statuses come by webhook only, and delivery.mode is "polling"'
    : undefined;
}

function isTakenBack({ state, code }: OutboxRow): boolean {
  return state === "dead" && (code === "withdrawn" || code === "credentials" || code === "account");
}

function readKey(key: string): string {
  if (!/^[\x21-\x7E]{1,200}$/.test(key))
    throw usage("--idempotency-key must be 1 to 200 printable characters without spaces");
  return key;
}

/** The same for the same command line, whatever became of the files that it names. */
function fingerprint(options: SendOptions, { kind, text, emoji }: Spoken, { to }: Named): string {
  const { media, as, caption, filename, location, contact, react, replyTo, buttons, list, link } = options;
  const { template, lang, param, markdown } = options;
  const person = to.phone === undefined ? to.bsuid : canonicalPhone(to.phone);
  const parts = [
    person,
    kind,
    text,
    emoji,
    media,
    as,
    caption,
    filename,
    location,
    contact,
    react,
    replyTo,
    buttons,
  ];
  const asked = JSON.stringify([...parts, list, link, template, lang, param, markdown]);
  return createHash("sha256").update(asked).digest("hex");
}
