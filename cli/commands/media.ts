import { constants } from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { requireAccount } from "../../src/config/account.ts";
import type { Config } from "../../src/config/config.ts";
import { isMedia, type MediaContent } from "../../src/content.ts";
import { describeError, isCode } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { createMediaFetcher } from "../../src/media/cloud.ts";
import { MediaFolder } from "../../src/media/folder.ts";
import { kindOf } from "../../src/outgoing.ts";
import type { MediaFile } from "../../src/pipeline/media.ts";
import type { Store } from "../../src/store/store.ts";
import type { ApiConnection } from "../../src/whatsapp/connection.ts";
import { lookUpMedia } from "../../src/whatsapp/media-lookup.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { print, type Io } from "../io.ts";
import { withProvider } from "../provider.ts";
import { endOf, openStore, unknownMessage, type LookOptions } from "../records.ts";

interface Options extends LookOptions {
  /** Of a message or its end, or of the file at the provider. */
  readonly id: string;
  readonly out?: string;
}

interface Wanted {
  /** Under which the folder has it. */
  readonly wamid: string;
  readonly mediaId: string | undefined;
}

interface Found {
  readonly path: string;
  readonly mimeType: string | undefined;
  readonly bytes: number;
  /** Whether it was here, or had to be fetched. */
  readonly from: "stored" | "provider";
}

/** The file of a message: the stored one, else by its id from the provider. */
export async function get(io: Io, options: Options): Promise<void> {
  using opened = openStore(io, options);
  const wanted = find(opened.store, options.id);
  const found = "path" in wanted ? await ours(wanted.path) : await theirs(io, options, wanted, opened.config);
  const path = options.out === undefined ? found.path : await copy(found.path, resolve(options.out));
  const json = { ...found, path };
  const facts = [found.mimeType, `${found.bytes} bytes`].filter(Boolean).join(", ");
  print(io, { json, text: [`${path}  (${facts})`] }, options.json);
}

function find({ records }: Store, id: string): Wanted | { readonly path: string } {
  const byMedia = /^\d{6,}$/.test(id) ? records.receivedWithMedia(id) : undefined;
  if (byMedia) return { wamid: byMedia.wamid, mediaId: id };
  const end = endOf(id);
  const received = records.receivedBy(end);
  const written = records.writtenBy(end);
  if (received.length + written.length > 1)
    throw new CommandError(EXIT.usage, `Several messages have an id that ends in "${end}"`, {
      hint: "give more of its end",
    });
  const [question] = received;
  const [reply] = written;
  if (question) {
    if (!question.content || !isMedia(question.content)) throw noFile(question.kind);
    return { wamid: question.wamid, mediaId: question.content.media.id };
  }
  if (reply) {
    if (reply.media === undefined) throw noFile(kindOf(reply));
    return { path: reply.media.path };
  }
  // Nothing stored names it, and the provider may know it.
  if (/^\d{6,}$/.test(id)) return { wamid: `media:${id}`, mediaId: id };
  throw unknownMessage(id);
}

function noFile(kind: string): CommandError {
  return new CommandError(EXIT.failed, `This message has no file: it is of the kind "${kind}"`, {
    hint: "its file may also be forgotten: what a message was is kept for 8 days at most (state.keep_text)",
  });
}

async function ours(path: string): Promise<Found> {
  try {
    return { path, mimeType: undefined, bytes: (await stat(path)).size, from: "stored" };
  } catch (error) {
    if (!isCode(error, "ENOENT")) throw error;
    throw new CommandError(EXIT.failed, "The file that was sent is not here any more (media.keep)");
  }
}

async function theirs(io: Io, options: Options, wanted: Wanted, { media, state }: Config): Promise<Found> {
  const limits = { retentionMs: media.keepMs, quotaBytes: media.quotaBytes };
  const folder = new MediaFolder(state.dir, { limits, log: silentLog });
  const stored = await folder.find(wanted.wamid);
  if (stored) return { path: stored.path, mimeType: stored.mimeType, bytes: stored.bytes, from: "stored" };
  const { path, mimeType, bytes } = await withProvider(io, options, (connection, config) =>
    fetch(wanted, { connection, config, folder }, io.signal),
  );
  return { path, mimeType, bytes, from: "provider" };
}

async function fetch(
  { wamid, mediaId }: Wanted,
  {
    connection,
    config,
    folder,
  }: { readonly connection: ApiConnection; readonly config: Config; readonly folder: MediaFolder },
  signal: AbortSignal,
): Promise<MediaFile> {
  await using stack = new AsyncDisposableStack();
  const fetcher = createMediaFetcher(
    {
      account: requireAccount(config),
      authorization: connection.authorization,
      lookUp: async (id, signal) => lookUpMedia(connection, id, signal),
      folder,
      clock: systemClock,
      log: silentLog,
    },
    config.media,
    stack,
  );
  const content: MediaContent = {
    type: "document",
    media: mediaId === undefined ? {} : { id: mediaId },
  };
  const fetched = await fetcher.fetch(content, wamid, signal);
  if (fetched.kind === "failed")
    throw new CommandError(EXIT.failed, `The file could not be had: ${fetched.reason}`, {
      hint: "Meta keeps files for 7 days; wa-cli preflight checks the key",
    });
  return fetched.file;
}

async function copy(from: string, to: string): Promise<string> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL);
    return to;
  } catch (error) {
    if (isCode(error, "EEXIST"))
      throw new CommandError(EXIT.usage, `There is a file ${to} already`, {
        hint: "give --out another name",
      });
    throw new CommandError(EXIT.failed, `Cannot write ${to}: ${describeError(error)}`, {
      hint: "check that its folder is there, may be written to and has room",
    });
  }
}
