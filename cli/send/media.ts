import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { systemClock } from "../../src/clock.ts";
import type { Config } from "../../src/config/config.ts";
import { silentLog } from "../../src/log.ts";
import { Downloader } from "../../src/media/download.ts";
import { cleanFilename } from "../../src/filename.ts";
import { MediaFolder } from "../../src/media/folder.ts";
import { prepareOutgoing } from "../../src/media/outgoing.ts";
import type { OutgoingContent } from "../../src/outgoing.ts";
import { isLoopback } from "../../src/url.ts";
import type { Io } from "../io.ts";
import { requireLimits } from "./content.ts";
import { usage, type MediaRequest } from "./options.ts";

/**
 * A file that a person names may be anywhere: it is copied below `folder`, as an answer's is. A model may name only those
 * that it may put into an answer. An address is fetched with the same care as an agent's: it may be one that somebody
 * talked the agent into.
 */
export async function prepareMedia(
  request: MediaRequest,
  { account, media, state }: Config,
  folder: string,
  { signal, isAgent = false }: Pick<Io, "signal" | "isAgent">,
): Promise<OutgoingContent> {
  const { value: reference, as } = request;
  const limits = { retentionMs: media.keepMs, quotaBytes: media.quotaBytes };
  // A provider on this machine is a stand-in, and may have files here too.
  const isStandIn = "baseUrl" in account && isLoopback(account.baseUrl);
  const allowPrivate = isStandIn ? [new URL(account.baseUrl).host] : [];
  await using downloader = new Downloader({ hosts: "any", allowPrivate });
  const prepared = await prepareOutgoing(
    isAgent || /^(https?|file|data):/i.test(reference) ? reference : resolve(reference),
    { asVoice: as === "voice", asSticker: as === "sticker", asDocument: as === "document" },
    {
      allowed: {
        roots: isAgent ? media.sendFrom : ["/"],
        closed: media.closed,
        // The files that people sent may be passed on.
        open: isAgent ? media.open : [...media.open, join(state.dir, "media")],
      },
      folder: new MediaFolder(folder, { limits, log: silentLog }),
      downloader,
      clock: systemClock,
      log: silentLog,
    },
    signal,
  );
  if (prepared.kind === "refused") throw usage(`Cannot send ${reference}: ${prepared.reason}`);
  try {
    return toContent(request, prepared);
  } catch (error) {
    await rm(prepared.file.path, { force: true });
    throw error;
  }
}

function toContent(
  { value: reference, as, caption = "", filename: asked }: MediaRequest,
  prepared: Extract<Awaited<ReturnType<typeof prepareOutgoing>>, { kind: "file" }>,
): OutgoingContent {
  // Nobody gets something else than what was asked for.
  if (as !== undefined && prepared.as !== as)
    throw usage(
      `Cannot send ${reference} as ${as}: ${prepared.note ?? `it is ${prepared.file.mimeType}`}`,
      `without --as it goes as ${prepared.as}`,
    );
  if (caption !== "" && ["audio", "voice", "sticker"].includes(prepared.as))
    throw usage(`WhatsApp shows no caption with ${prepared.as}`, "send the words on their own", {
      limit: "caption",
    });
  const filename = asked === undefined ? prepared.filename : cleanFilename(asked);
  if (filename === undefined) throw usage(`--filename: nothing is left of "${asked}" that could be shown`);
  const { path, mimeType } = prepared.file;
  const content: OutgoingContent = {
    type: "media",
    media: { as: prepared.as, path, mimeType, filename },
    ...(caption !== "" && { caption }),
  };
  requireLimits(content);
  return content;
}
