import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { isLoopback } from "../url.ts";
import { Downloader } from "./download.ts";
import { CloudMediaFetcher } from "./fetcher.ts";
import type { MediaFolder } from "./folder.ts";
import { MEDIA_HOSTS } from "./hosts.ts";
import type { LookUp } from "./retrieval.ts";

/** Who has the files, and how to ask. */
export interface CloudParts {
  readonly account: { readonly provider: "kapso" | "meta"; /** Origin only. */ readonly baseUrl: string };
  /** Our key, as headers. */
  readonly authorization: Readonly<Record<string, string>>;
  readonly lookUp: LookUp;
  readonly folder: MediaFolder;
  readonly clock: Clock;
  readonly log: Log;
}

export interface CloudLimits {
  readonly maxBytes: number;
  /** Besides Kapso's and Meta's. */
  readonly hosts: readonly string[];
}

/** Meta gives files only to who has the token; its own servers are the only ones that see it. */
const META_FILES = "lookaside.fbsbx.com";
/** Kapso's links need no key as far as is known; if one asks for it, only these may see it. */
const KAPSO_FILES: ReadonlySet<string> = new Set(["api.kapso.ai", "app.kapso.ai"]);

/** Gets files from the provider, within bounds. */
export function createMediaFetcher(
  { account: { provider, baseUrl }, authorization, lookUp, folder, clock, log }: CloudParts,
  { maxBytes, hosts }: CloudLimits,
  stack: AsyncDisposableStack,
): CloudMediaFetcher {
  const { host } = new URL(baseUrl);
  // A provider on this machine is a stand-in, and has its files here too.
  const allowPrivate = isLoopback(baseUrl) ? [host] : [];
  const hasKey = (url: URL) => provider === "meta" && (url.host === META_FILES || url.host === host);
  return new CloudMediaFetcher(
    {
      downloader: stack.use(new Downloader({ hosts: [...MEDIA_HOSTS, ...hosts], allowPrivate })),
      folder,
      lookUp,
      clock,
      log,
    },
    {
      maxBytes,
      headers: (url) => (hasKey(url) ? authorization : {}),
      headersWhenRefused: (url) => (KAPSO_FILES.has(url.host) ? authorization : {}),
    },
  );
}
