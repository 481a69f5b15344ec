import { createHash } from "node:crypto";
import type { Config } from "../../src/config/config.ts";
import type { Identity } from "../../src/message.ts";
import type { OutgoingContent } from "../../src/outgoing.ts";
import { canonicalPhone } from "../../src/phone.ts";
import { KEY_NAME, type SendKey } from "../../src/pipeline/admission.ts";
import type { NewOutgoing } from "../../src/pipeline/outbox.ts";
import type { Io } from "../io.ts";
import { readContents, toOutgoing } from "./content.ts";
import { parseOptions, usage, type MediaRequest, type SendOptions, type SendRequest } from "./options.ts";
import { parseRecipient, type NamedRecipient } from "./recipient.ts";
import { readStdin } from "./stdin.ts";

/** What one command line asks for. A file that is to be sent is not looked at yet: the person may be nobody to write to. */
export interface ReadRequest {
  readonly recipient: NamedRecipient;
  readonly contents: readonly OutgoingContent[] | MediaRequest;
  /** wamid of the message that the first one quotes. */
  readonly quotes: string | undefined;
  readonly isTemplate: boolean;
  readonly key: SendKey | undefined;
}

/** How the command runs, and not what is sent. */
const RUN_OPTIONS = new Set(["json", "config", "wait", "timeout", "dryRun", "idempotencyKey"]);

/** @throws CommandError */
export async function readRequest(io: Io, options: SendOptions): Promise<ReadRequest> {
  const { recipient: name, request } = parseOptions(options);
  const { replyTo, idempotencyKey, markdown } = options;
  const recipient = parseRecipient(name);
  const quotes =
    replyTo === undefined ? undefined : (await import("./rich-content.ts")).readWamid(replyTo, "--reply-to");
  let piped: string | undefined;
  const readText = async () => (piped ??= await readStdin(io));
  const contents = request.kind === "media" ? request : await readContents(request, readText, markdown);
  const asked = { ...options, ...request, ...(piped !== undefined && { text: piped }) };
  if (idempotencyKey !== undefined && !KEY_NAME.test(idempotencyKey))
    throw usage("--idempotency-key must be 1 to 200 printable characters without spaces");
  const key =
    idempotencyKey === undefined
      ? undefined
      : { name: idempotencyKey, request: fingerprint(asked, recipient.to) };
  return { recipient, contents, quotes, isTemplate: request.kind === "template", key };
}

/** The messages to be queued, in order; a file is copied below `folder`. */
export async function makeMessages(
  { recipient: { to }, contents, quotes }: ReadRequest,
  config: Config,
  folder: string,
  io: Io,
): Promise<readonly NewOutgoing[]> {
  const all =
    "kind" in contents
      ? [await (await import("./media.ts")).prepareMedia(contents, config, folder, io)]
      : contents;
  return all.map((content, index) => ({
    to,
    ...toOutgoing(content),
    ...(index === 0 && quotes !== undefined && { quotes }),
  }));
}

/** The same for the same command line, whatever became of the files that it names. */
function fingerprint(asked: SendOptions & SendRequest, to: Identity): string {
  const person = to.phone === undefined ? to.bsuid : canonicalPhone(to.phone);
  // The words are the recipient and the text, which are here already.
  const parts = Object.entries({ ...asked, to: person, words: undefined })
    .filter(([name]) => !RUN_OPTIONS.has(name))
    .map((part) => JSON.stringify(part));
  return createHash("sha256").update(parts.toSorted().join("\n")).digest("hex");
}
