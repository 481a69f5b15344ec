import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { describeError } from "../../src/errors.ts";
import type { Admission } from "../../src/pipeline/admission.ts";
import { isWithdrawn } from "../../src/pipeline/outbox-state.ts";
import { plan, type Permission } from "../../src/pipeline/send-gate.ts";
import { Store } from "../../src/store/store.ts";
import { outgoingBody } from "../../src/whatsapp/outgoing.ts";
import { knownOwnPhone } from "../../src/whatsapp/own-number.ts";
import type { Answer, Io } from "../io.ts";
import { readRows } from "./delivery.ts";
import { judgeSend, refused, requireAdmitted, requirePermission, type Judgement } from "./permission.ts";
import { findRecipient } from "./recipient.ts";
import type { SendReport } from "./report.ts";
import { makeMessages, type ReadRequest } from "./request.ts";

/** Goes the way of a send up to where something is written or somebody asked, and notes what was not asked. */
export async function dryRun(io: Io, config: Config, request: ReadRequest): Promise<Answer> {
  const { state, account, send, provider } = config;
  const { key, recipient, isTemplate } = request;
  using store = Store.peek(state.dir);
  const before = key && store?.outbox.findKey(key);
  if (before && store && !readRows(store, before.ids).every(isWithdrawn)) {
    requireAdmitted(before);
    return show({ messages: [] }, ["It was sent before, under this idempotency key"]);
  }
  const person = findRecipient(store, recipient);
  const learnt = store && "phoneNumberId" in account ? knownOwnPhone(store.facts, account) : undefined;
  const ownPhone = send.ownPhone ?? learnt;
  const judgement = judgeSend(person, config, { isTemplate, ownPhone });
  const notes: string[] = [];
  if (!store && Store.exists(state.dir)) notes.push("Not looked at: the state, which another version wrote");
  const permission = permit(judgement, provider === "kapso", notes);
  if (ownPhone === undefined && person.to.phone !== undefined)
    notes.push("Not asked: whether it is the bridge's own number");
  const contents = unfetched(request.contents);
  if (contents !== request.contents)
    notes.push("Not fetched: the file, which decides what kind of message it makes");
  const folder = mkdtempSync(join(tmpdir(), "wa-cli-dry-run-"));
  try {
    const messages = await makeMessages({ ...request, contents }, config, folder, io);
    const now = Date.now();
    const planned = plan(messages, permission, send, now);
    const refusal = store && planned.judge(store.outbox.countSent(recipient.to, planned.since, now));
    if (refusal) throw refused(refusal);
    return show(planned, notes);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As it is without asking Kapso, unless it is refused so: then as it may be. @throws CommandError */
function permit({ decision, ifWritten }: Judgement, isAsked: boolean, notes: string[]): Permission {
  if (!ifWritten || !isAsked) return requirePermission(decision);
  const question = "Not asked: whether they wrote in the last 24 hours, by Kapso's list";
  try {
    const permission = requirePermission(decision);
    notes.push(`${question}; if they did, the message leaves at once`);
    return permission;
  } catch (error) {
    notes.push(`${question}; if they did not: ${describeError(error)}`);
    return ifWritten;
  }
}

/** An address is not asked for its file. */
function unfetched(contents: ReadRequest["contents"]): ReadRequest["contents"] {
  if (!("kind" in contents) || !/^https?:/i.test(contents.value)) return contents;
  const { as = "document", value: filename } = contents;
  return [{ type: "media", media: { as, path: "", mimeType: "not fetched", filename } }];
}

/** Exactly what would leave; a file's id is given when it is uploaded, and the tracking id when it is queued. */
function show(
  { messages, heldFrom }: Pick<Admission, "messages" | "heldFrom">,
  notes: readonly string[],
): Answer {
  const bodies = messages.map((message) => {
    const mediaId = message.media && `(${message.media.filename ?? "file"}, ${message.media.mimeType})`;
    const { biz_opaque_callback_data: _, ...body } = outgoingBody({ ...message, trackingId: "" }, mediaId);
    return body;
  });
  const lines = bodies.map((body, index) => {
    const isHeld = heldFrom !== undefined && index >= heldFrom;
    return `${isHeld ? "Waits until the person writes:\n" : ""}${JSON.stringify(body, null, 2)}`;
  });
  const note = notes.length === 0 ? undefined : notes.join(". ");
  return {
    json: { status: "dry-run", messages: bodies, heldFrom, note } satisfies SendReport,
    text: [
      `Nothing was sent. ${lines.length === 0 ? "Nothing" : "This"} would leave:`,
      ...lines,
      ...notes,
    ].join("\n"),
  };
}
