import { constants } from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { requireAccount } from "../../src/config/account.ts";
import type { Config } from "../../src/config/config.ts";
import { isCode } from "../../src/errors.ts";
import type { MediaContent } from "../../src/content.ts";
import { silentLog } from "../../src/log.ts";
import { createMediaFetcher } from "../../src/media/cloud.ts";
import { MediaFolder } from "../../src/media/folder.ts";
import { Store } from "../../src/store/store.ts";
import type { ApiConnection } from "../../src/whatsapp/connection.ts";
import { lookUpMedia } from "../../src/whatsapp/media-lookup.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { print, type Io } from "../io.ts";
import { withProvider } from "../provider.ts";
import { endOf, unknownMessage, type LookOptions } from "../records.ts";

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
  await withProvider(io, options, async (connection, config) => {
    using store = Store.open(config.state.dir);
    const wanted = find(store, options.id);
    const found =
      "path" in wanted ? await ours(wanted.path) : await theirs(wanted, { config, connection }, io.signal);
    const path = options.out === undefined ? found.path : await copy(found.path, resolve(options.out));
    const json = { ...found, path };
    const facts = [found.mimeType, `${found.bytes} bytes`].filter(Boolean).join(", ");
    print(io, { json, text: [`${path}  (${facts})`] }, options.json);
  });
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
    if (question.content?.media === undefined) throw noFile(question.kind);
    return { wamid: question.wamid, mediaId: question.content.media.id };
  }
  if (reply) {
    if (reply.media === undefined) throw noFile("text");
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

async function theirs(
  { wamid, mediaId }: Wanted,
  { config, connection }: { readonly config: Config; readonly connection: ApiConnection },
  signal: AbortSignal,
): Promise<Found> {
  const { media, state } = config;
  const limits = { retentionMs: media.keepMs, quotaBytes: media.quotaBytes };
  const folder = new MediaFolder(state.dir, { limits, log: silentLog });
  const stored = await folder.find(wamid);
  if (stored) return { path: stored.path, mimeType: stored.mimeType, bytes: stored.bytes, from: "stored" };
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
    media,
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
  const { path, mimeType, bytes } = fetched.file;
  return { path, mimeType, bytes, from: "provider" };
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
    throw new CommandError(EXIT.failed, `Cannot write ${to}`, { hint: "check that its folder is there" });
  }
}
