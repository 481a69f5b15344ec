import { z } from "zod";
import { describeError, isCode } from "../errors.ts";
import { isSamePerson } from "../message.ts";
import { parsePhone } from "../phone.ts";
import type { OutgoingMedia } from "../pipeline/media.ts";
import type { Outgoing, Sender, SendOutcome, Sighting } from "../pipeline/outbox.ts";
import type { Receipts } from "../pipeline/typing.ts";
import { ApiError, type ApiConnection } from "./connection.ts";
import { listPage, readSent } from "./listed.ts";
import { markOf } from "./mark.ts";
import { outgoingBody, outgoingType, payload } from "./outgoing.ts";
import { MISSING_OBJECT } from "./failure.ts";
import { text } from "./inbound.ts";
import { visible } from "../visible.ts";
import type { RateBudget } from "./rate-budget.ts";
import { uploadMedia } from "./upload.ts";

export interface ListQuery {
  readonly direction: "inbound" | "outbound";
  /** Inclusive, on the provider's clock; milliseconds since 1970. */
  readonly since: number;
  readonly until?: number | undefined;
  readonly after?: string | undefined;
}

export interface ListedPage {
  /** Newest first. */
  readonly rows: readonly unknown[];
  /** Where the next page begins. Kapso gives one on the last page too, where a short page is the better sign. */
  readonly after: string | undefined;
  readonly isShort: boolean;
  /** The provider's clock when it answered. */
  readonly serverTime: number;
}

const PAGE_SIZE = 100;
const RECEIPT_TIMEOUT_MS = 10_000;
const MAX_PAGE_BYTES = 16_777_216;
/** Pages of our own messages that are searched for one of unknown outcome. */
const MAX_SEARCH_PAGES = 20;
const CLOCK_MARGIN_MS = 300_000;
/** A send takes effect within this, whenever its answer is lost. */
const EFFECT_MS = 120_000;

const sendAnswer = z.looseObject({
  messages: z.array(z.looseObject({ id: z.string().min(1).transform(visible) })).min(1),
  contacts: z.array(z.looseObject({ wa_id: text }).catch({})).catch([]),
});

const kapsoNumber = z.looseObject({
  /** As people write it. */
  display_phone_number: text,
  business_account_id: text,
  status: text,
  inbound_processing_enabled: z.boolean().nullish().catch(undefined),
});
/** What Kapso tells of a number. */
export type KapsoNumber = z.output<typeof kapsoNumber>;

const numberAnswer = z.looseObject({ data: kapsoNumber });

/** WhatsApp's Cloud API, Meta's own or behind Kapso's proxy. https://docs.kapso.ai */
export class CloudApi implements Sender, Receipts {
  readonly #connection: ApiConnection;

  constructor(connection: ApiConnection) {
    this.#connection = connection;
  }

  get rate(): RateBudget {
    return this.#connection.rate;
  }

  /** @throws ApiError */
  async list(query: ListQuery, signal: AbortSignal): Promise<ListedPage> {
    const search = new URLSearchParams({
      direction: query.direction,
      since: new Date(query.since).toISOString(),
      limit: String(PAGE_SIZE),
      fields: "kapso(default)",
    });
    if (query.until !== undefined) search.set("until", new Date(query.until).toISOString());
    if (query.after !== undefined) search.set("after", query.after);
    const path = `${this.#messagesPath}?${search.toString()}`;
    const page = listPage.safeParse(await this.#connection.call({ path, maxBytes: MAX_PAGE_BYTES }, signal));
    if (!page.success)
      throw new ApiError({ kind: "unknown", error: "The list of messages has an unknown shape" });
    const { data, paging } = page.data;
    return {
      rows: data,
      isShort: data.length < PAGE_SIZE,
      after: data.length === 0 ? undefined : (paging?.cursors?.after ?? undefined),
      serverTime: this.#connection.clock.now() + (this.#connection.skewMs ?? 0),
    };
  }

  async send(message: Outgoing, signal: AbortSignal): Promise<SendOutcome> {
    let mediaId: string | undefined;
    try {
      mediaId = message.media && (await this.#upload(message.media, signal));
    } catch (error) {
      return uploadFailure(error, signal);
    }
    try {
      const body = outgoingBody(message, mediaId);
      const answer = sendAnswer.safeParse(
        await this.#connection.call({ path: this.#messagesPath, body }, signal),
      );
      const wamid = answer.data?.messages[0]?.id;
      const waId = parsePhone(answer.data?.contacts[0]?.wa_id ?? "");
      return wamid === undefined
        ? { kind: "unknown", error: "The answer names no message id" }
        : { kind: "accepted", wamid, waId };
    } catch (error) {
      // The provider may repeat what it was given, and the error ends in logs.
      if (error instanceof ApiError && isNoSuchNumber(error)) return NO_SUCH_NUMBER;
      if (error instanceof ApiError)
        return { ...error.failure, error: withoutText(error.failure.error, message.text) };
      return { kind: "unknown", error: describeError(error) };
    }
  }

  async findSent(
    message: Outgoing,
    sinceMs: number,
    isKnown: (wamid: string) => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<Sighting> {
    // One picture without a caption looks like another.
    if (this.#connection.provider === "meta" || (message.media && message.text === ""))
      return { kind: "unlisted" };
    try {
      // Any answer tells their clock; a span on ours could miss the message.
      if (this.#connection.skewMs === undefined)
        await this.list({ direction: "outbound", since: this.#connection.clock.now() }, signal);
      // Either clock may be wrong, so the span covers both; what is known under another row is not taken.
      const skew = this.#connection.skewMs ?? 0;
      const since = sinceMs + Math.min(0, skew) - CLOCK_MARGIN_MS;
      const until = sinceMs + Math.max(0, skew) + EFFECT_MS;
      const type = outgoingType(message);
      const mark = message.media ? message.text.trim() : markOf(type, payload(message, undefined));
      let hasUnreadable = false;
      let after: string | undefined;
      for (let pages = 0; pages < MAX_SEARCH_PAGES; pages++) {
        const page = await this.list({ direction: "outbound", since, until, after }, signal);
        for (const sent of page.rows.map(readSent)) {
          if (sent?.type !== type || !isSamePerson(sent.to, message.to)) continue;
          if ((sent.text ?? mark) !== mark || (await isKnown(sent.wamid))) continue;
          if (sent.text !== undefined) return { kind: "found", wamid: sent.wamid };
          hasUnreadable = true;
        }
        after = page.after;
        if (after !== undefined && !page.isShort) continue;
        // It may be the one, and nobody can tell.
        return hasUnreadable
          ? { kind: "unclear", error: `The list does not tell what a message of type ${type} says` }
          : { kind: "absent" };
      }
      return { kind: "unclear", error: `More than ${MAX_SEARCH_PAGES} pages were sent since` };
    } catch (error) {
      return { kind: "unclear", error: describeError(error) };
    }
  }

  /** @throws ApiError */
  async markRead(
    wamid: string,
    { typing }: { readonly typing: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    if (this.rate.isLow(this.#connection.clock.now())) return;
    const body = {
      messaging_product: "whatsapp",
      status: "read",
      message_id: wamid,
      ...(typing && { typing_indicator: { type: "text" } }),
    };
    await this.#connection.call({ path: this.#messagesPath, body, timeoutMs: RECEIPT_TIMEOUT_MS }, signal);
  }

  /** What Kapso knows of our number. @throws ApiError */
  async number(signal: AbortSignal): Promise<KapsoNumber> {
    const path = `/platform/v1/whatsapp/phone_numbers/${this.#connection.phoneNumberId}`;
    const answer = numberAnswer.safeParse(await this.#connection.call({ path }, signal));
    if (answer.success) return answer.data.data;
    throw new ApiError(
      { kind: "refused", error: "The address does not answer like Kapso" },
      { hint: "check kapso.base_url (KAPSO_BASE_URL)" },
    );
  }

  get #messagesPath(): string {
    return this.#connection.graphPath(`${this.#connection.phoneNumberId}/messages`);
  }

  async #upload(media: OutgoingMedia, signal: AbortSignal): Promise<string> {
    return uploadMedia(media, this.#connection, signal);
  }
}

/** Nothing was sent yet: whatever happened to the upload, it can be done again. */
function uploadFailure(error: unknown, signal: AbortSignal): SendOutcome {
  if (signal.aborted) return { kind: "later", scope: "person", error: "Stopped before the file was taken" };
  if (!(error instanceof ApiError))
    return {
      kind: "refused",
      error: isCode(error, "ENOENT")
        ? "The file is not there any more"
        : `The file can not be read: ${describeError(error)}`,
    };
  const { failure } = error;
  if (failure.kind !== "unknown") return failure;
  return { kind: "later", scope: "person", maxTries: 5, error: `The file was not taken: ${failure.error}` };
}

/** Meta: an object with this id does not exist, or may not be seen. */
function isNoSuchNumber({ failure }: ApiError): boolean {
  return failure.kind === "refused" && failure.code === String(MISSING_OBJECT);
}

const NO_SUCH_NUMBER: SendOutcome = {
  kind: "blocked",
  code: "account",
  error: "There is no such phone number id, or the key may not use it",
  hint: "check kapso.phone_number_id (KAPSO_PHONE_NUMBER_ID), with Meta meta.phone_number_id (WHATSAPP_PHONE_NUMBER_ID)",
};

function withoutText(error: string, message: string): string {
  return message === "" ? error : error.replaceAll(message, "…");
}
