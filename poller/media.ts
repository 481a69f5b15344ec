import { createFetch } from "../src/http.ts";
import { Downloader } from "../src/media/download.ts";
import { CloudMediaFetcher } from "../src/media/fetcher.ts";
import { MediaFolder } from "../src/media/folder.ts";
import { MEDIA_HOSTS } from "../src/media/hosts.ts";
import { createPreparer, type OutgoingParts } from "../src/media/outgoing.ts";
import type { MediaFetcher, MediaPreparer, Transcriber } from "../src/pipeline/media.ts";
import { createTranscriber } from "../src/transcribe/transcriber.ts";
import { isLoopback } from "../src/url.ts";
import type { ApiConnection } from "../src/whatsapp/connection.ts";
import { lookUpMedia } from "../src/whatsapp/media-lookup.ts";
import { requireAccount } from "../src/config/account.ts";
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

/** Meta gives files only to who has the token; its own servers are the only ones that see it. */
const META_FILES = "lookaside.fbsbx.com";
/** Kapso's links need no key as far as is known; if one asks for it, only these may see it. */
const KAPSO_FILES: ReadonlySet<string> = new Set(["api.kapso.ai", "app.kapso.ai"]);

export function createMediaTools(
  { config, store, clock, log: parent, process }: Base,
  connection: ApiConnection,
  stack: AsyncDisposableStack,
): MediaTools {
  const { media, transcribe, state } = config;
  const log = parent.child({ component: "media" });
  const { baseUrl, provider } = requireAccount(config);
  const { host } = new URL(baseUrl);
  // A provider on this machine is a stand-in, and has its files here too.
  const allowPrivate = isLoopback(baseUrl) ? [host] : [];
  const folder = new MediaFolder(state.dir, {
    limits: { retentionMs: media.keepMs, quotaBytes: media.quotaBytes },
    inUse: () => store.outbox.files(),
    log,
  });
  const hasKey = (url: URL) => provider === "meta" && (url.host === META_FILES || url.host === host);
  const fetcher = new CloudMediaFetcher(
    {
      downloader: stack.use(new Downloader({ hosts: [...MEDIA_HOSTS, ...media.hosts], allowPrivate })),
      folder,
      lookUp: async (id, signal) => lookUpMedia(connection, id, signal),
      clock,
      log,
    },
    {
      maxBytes: media.maxBytes,
      headers: (url) => (hasKey(url) ? connection.authorization : {}),
      headersWhenRefused: (url) => (KAPSO_FILES.has(url.host) ? connection.authorization : {}),
    },
  );
  const outgoing = {
    roots: media.sendFrom,
    closed: state.dir,
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
