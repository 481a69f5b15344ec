import { z } from "zod";
import type { Clock } from "../clock.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { describeError, RelayError } from "../errors.ts";
import { neverLeft, readText, type Fetch, type HttpResponse } from "../http.ts";
import type { Identity } from "../message.ts";
import { isSamePhone } from "../phone.ts";
import type { Outgoing, Sender, SendOutcome, Sighting } from "../pipeline/outbox.ts";
import type { Receipts } from "../pipeline/typing.ts";
import { readFailure, type Failure } from "./failure.ts";
import { listPage, readSentText } from "./listed.ts";
import { RateBudget } from "./rate-budget.ts";

export interface CloudApiAccount {
  readonly apiKey: string;
  readonly phoneNumberId: string;
  /** Origin only. */
  readonly baseUrl: string;
}

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

/** A request failed; `failure` says what that means. */
export class ApiError extends RelayError {
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.error, { ...options, hint: failure.kind === "blocked" ? failure.hint : undefined });
    this.failure = failure;
  }
}

const PAGE_SIZE = 100;
const TIMEOUT_MS = 30_000;
const RECEIPT_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1_048_576;
const MAX_PAGE_BYTES = 16_777_216;
/** Pages of our own messages that are searched for one of unknown outcome. */
const MAX_SEARCH_PAGES = 20;
const CLOCK_MARGIN_MS = 300_000;
const MAX_SKEW_MS = 86_400_000;
/** A send takes effect within this, whenever its answer is lost. */
const EFFECT_MS = 120_000;

const sendAnswer = z.looseObject({ messages: z.array(z.looseObject({ id: z.string().min(1) })).min(1) });

/** WhatsApp's Cloud API behind Kapso's proxy. https://docs.kapso.ai */
export class CloudApi implements Sender, Receipts {
  readonly rate = new RateBudget();
  readonly #account: CloudApiAccount;
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  /** Provider's clock minus ours; undefined until an answer told. */
  #skewMs: number | undefined;

  constructor(account: CloudApiAccount, { fetch, clock }: { readonly fetch: Fetch; readonly clock: Clock }) {
    this.#account = account;
    this.#fetch = fetch;
    this.#clock = clock;
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
    const page = listPage.safeParse(await this.#call({ path, maxBytes: MAX_PAGE_BYTES }, signal));
    if (!page.success)
      throw new ApiError({ kind: "unknown", error: "The list of messages has an unknown shape" });
    const { data, paging } = page.data;
    return {
      rows: data,
      isShort: data.length < PAGE_SIZE,
      after: data.length === 0 ? undefined : (paging?.cursors?.after ?? undefined),
      serverTime: this.#clock.now() + (this.#skewMs ?? 0),
    };
  }

  async send(message: Outgoing, signal: AbortSignal): Promise<SendOutcome> {
    const body = {
      messaging_product: "whatsapp",
      recipient_type: "individual",
      ...address(message.to),
      type: "text",
      text: { body: message.text, preview_url: false },
      biz_opaque_callback_data: message.trackingId,
    };
    try {
      const answer = sendAnswer.safeParse(await this.#call({ path: this.#messagesPath, body }, signal));
      const wamid = answer.data?.messages[0]?.id;
      return wamid === undefined
        ? { kind: "unknown", error: "The answer names no message id" }
        : { kind: "accepted", wamid };
    } catch (error) {
      // The provider may repeat what it was given, and the error ends in logs.
      if (error instanceof ApiError)
        return { ...error.failure, error: error.failure.error.replaceAll(message.text, "…") };
      return { kind: "unknown", error: describeError(error) };
    }
  }

  async findSent(
    message: Outgoing,
    sinceMs: number,
    isKnown: (wamid: string) => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<Sighting> {
    try {
      // Any answer tells their clock; a span on ours could miss the message.
      if (this.#skewMs === undefined)
        await this.list({ direction: "outbound", since: this.#clock.now() }, signal);
      // Either clock may be wrong, so the span covers both; what is known under another row is not taken.
      const skew = this.#skewMs ?? 0;
      const since = sinceMs + Math.min(0, skew) - CLOCK_MARGIN_MS;
      const until = sinceMs + Math.max(0, skew) + EFFECT_MS;
      let after: string | undefined;
      for (let pages = 0; pages < MAX_SEARCH_PAGES; pages++) {
        const page = await this.list({ direction: "outbound", since, until, after }, signal);
        for (const sent of page.rows.map(readSentText))
          if (
            sent &&
            isSame(sent.to, message.to) &&
            sent.text.trim() === message.text.trim() &&
            !(await isKnown(sent.wamid))
          )
            return { kind: "found", wamid: sent.wamid };
        after = page.after;
        if (after === undefined || page.isShort) return { kind: "absent" };
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
    if (this.rate.isLow(this.#clock.now())) return;
    const body = {
      messaging_product: "whatsapp",
      status: "read",
      message_id: wamid,
      ...(typing && { typing_indicator: { type: "text" } }),
    };
    await this.#call({ path: this.#messagesPath, body, timeoutMs: RECEIPT_TIMEOUT_MS }, signal);
  }

  /** What Kapso knows of our number. @throws ApiError */
  async number(signal: AbortSignal): Promise<unknown> {
    const { phoneNumberId } = this.#account;
    const path = `/platform/v1/whatsapp/phone_numbers/${encodeURIComponent(phoneNumberId)}`;
    return this.#call({ path }, signal);
  }

  get #messagesPath(): string {
    return `/meta/whatsapp/v24.0/${encodeURIComponent(this.#account.phoneNumberId)}/messages`;
  }

  /** One request, its answer parsed as JSON; undefined when it is none. @throws ApiError */
  async #call({ path, timeoutMs = TIMEOUT_MS, ...call }: ApiCall, signal: AbortSignal): Promise<unknown> {
    return withDeadline(timeoutMs, signal, async (limit) => {
      const response = await this.#send(path, call.body, limit);
      this.#note(response);
      const isOk = response.status >= 200 && response.status < 300;
      const text = readText(response, isOk ? (call.maxBytes ?? MAX_ANSWER_BYTES) : MAX_ANSWER_BYTES);
      if (isOk) return parseJson(await text.catch(brokenOff));
      const { status, headers } = response;
      const body = (await text.catch(() => "")).replaceAll(this.#account.apiKey, "…");
      throw new ApiError(readFailure(status, headers.get("retry-after"), body));
    }).catch((error: unknown) => {
      if (!(error instanceof DeadlineError)) throw error;
      throw new ApiError({ kind: "unknown", error: `No answer within ${timeoutMs} ms` }, { cause: error });
    });
  }

  async #send(path: string, body: unknown, signal: AbortSignal): Promise<HttpResponse> {
    const { baseUrl, apiKey } = this.#account;
    return this.#fetch(baseUrl + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { "X-API-Key": apiKey, Accept: "application/json", "Content-Type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: "manual",
      signal,
    }).catch((cause: unknown) => {
      const error = `Cannot reach ${baseUrl}: ${describeError(cause)}`;
      const failure: Failure = neverLeft(cause)
        ? { kind: "later", scope: "all", error }
        : { kind: "unknown", error };
      throw new ApiError(failure, { cause });
    });
  }

  #note({ headers }: HttpResponse): void {
    const now = this.#clock.now();
    const date = Date.parse(headers.get("date") ?? "");
    // A clock that is a day ahead would take the cursor of polling with it.
    if (Number.isFinite(date) && date - now < MAX_SKEW_MS) this.#skewMs = Math.max(date - now, -MAX_SKEW_MS);
    this.rate.note(headers.get("x-ratelimit-limit"), headers.get("x-ratelimit-remaining"), now);
  }
}

interface ApiCall {
  readonly path: string;
  /** With a body it is a POST, without one a GET. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

function brokenOff(cause: unknown): never {
  throw new ApiError({ kind: "unknown", error: `The answer broke off: ${describeError(cause)}` }, { cause });
}

/** A BSUID goes into `recipient`: in `to` it gets a 200 and is never delivered. `to` needs its `+`. */
function address({
  phone,
  bsuid,
}: Identity): { readonly to: string } | { readonly recipient: string | undefined } {
  return phone === undefined ? { recipient: bsuid } : { to: `+${phone}` };
}

function isSame(a: Identity, b: Identity): boolean {
  if (a.phone !== undefined && b.phone !== undefined) return isSamePhone(a.phone, b.phone);
  return a.bsuid !== undefined && a.bsuid === b.bsuid;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller's schema refuses it and says what was expected.
    return undefined;
  }
}
