import { createFetch } from "../src/http.ts";
import { requireAccount } from "../src/config/account.ts";
import { createMediaFetcher } from "../src/media/cloud.ts";
import { Downloader } from "../src/media/download.ts";
import { MediaFolder } from "../src/media/folder.ts";
import { createPreparer, type OutgoingParts } from "../src/media/outgoing.ts";
import type { MediaFetcher, MediaPreparer, Transcriber } from "../src/pipeline/media.ts";
import { createTranscriber } from "../src/transcribe/transcriber.ts";
import type { ApiConnection } from "../src/whatsapp/connection.ts";
import { lookUpMedia } from "../src/whatsapp/media-lookup.ts";
import type { Base } from "./base.ts";

/** What makes files usable, on both ways. */
export interface MediaTools {
  readonly media: MediaFetcher;
  readonly transcriber: Transcriber | undefined;
  readonly preparer: MediaPreparer;
  /** What a preparer is made of. */
  readonly outgoing: OutgoingParts;
  /** Holds them all. */
  readonly folder: MediaFolder;
}

export function createMediaTools(
  { config, store, clock, log: parent, process }: Base,
  connection: ApiConnection,
  stack: AsyncDisposableStack,
): MediaTools {
  const { media, transcribe, state } = config;
  const log = parent.child({ component: "media" });
  const folder = new MediaFolder(state.dir, {
    limits: { retentionMs: media.keepMs, quotaBytes: media.quotaBytes },
    inUse: () => store.outbox.files(),
    log,
  });
  const fetcher = createMediaFetcher(
    {
      account: requireAccount(config),
      authorization: connection.authorization,
      lookUp: async (id, signal) => lookUpMedia(connection, id, signal),
      folder,
      clock,
      log,
    },
    media,
    stack,
  );
  const outgoing = {
    allowed: { roots: media.sendFrom, closed: media.closed, open: media.open },
    folder,
    downloader: stack.use(new Downloader({ hosts: "any", allowPrivate: [] })),
    clock,
    log,
  };
  const transcriber = createTranscriber(transcribe, {
    fetch: stack.use(createFetch()),
    clock,
    log: parent.child({ component: "transcribe" }),
    env: process.env,
  });
  return { media: fetcher, transcriber, preparer: createPreparer(outgoing), outgoing, folder };
}
