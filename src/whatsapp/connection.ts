import type { Clock } from "../clock.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { describeError, RelayError } from "../errors.ts";
import { neverLeft, readText, type Fetch, type HttpRequest, type HttpResponse } from "../http.ts";
import { parseJson } from "../json.ts";
import { readFailure, type Failure } from "./failure.ts";
import type { StreamedBody } from "./streamed-body.ts";
import { RateBudget } from "./rate-budget.ts";

/** Our number, and who carries its messages: Meta itself, or Kapso's proxy before it. */
export interface Account {
  readonly provider: "kapso" | "meta";
  /** Kapso's API key, Meta's access token. */
  readonly apiKey: string;
  /** Digits. */
  readonly phoneNumberId: string;
  /** Origin only. */
  readonly baseUrl: string;
  /** Of the Graph API, such as `v24.0`. */
  readonly graphVersion: string;
}

export interface ApiCall {
  readonly path: string;
  /** GET, or POST when there is a body. */
  readonly method?: HttpRequest["method"];
  readonly body?: unknown;
  /** Instead of a body: one that is read while it is sent. */
  readonly stream?: StreamedBody;
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

/** A request failed; `failure` says what that means. */
export class ApiError extends RelayError {
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions & { readonly hint?: string }) {
    super(failure.error, {
      ...options,
      hint: failure.kind === "blocked" ? failure.hint : options?.hint,
    });
    this.failure = failure;
  }
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1_048_576;
const MAX_SKEW_MS = 86_400_000;
const NETWORK = {
  kapso: "check the network, and kapso.base_url (KAPSO_BASE_URL)",
  meta: "check the network, and meta.base_url (META_BASE_URL)",
} as const;

/** Requests with our key, and what their answers tell of the plan's rate and of the provider's clock. */
export class ApiConnection {
  readonly rate = new RateBudget();
  readonly clock: Clock;
  readonly #account: Account;
  readonly #fetch: Fetch;
  /** Provider's clock minus ours; undefined until an answer told. */
  #skewMs: number | undefined;

  constructor(account: Account, { fetch, clock }: { readonly fetch: Fetch; readonly clock: Clock }) {
    this.#account = account;
    this.#fetch = fetch;
    this.clock = clock;
  }

  get skewMs(): number | undefined {
    return this.#skewMs;
  }

  /** Digits. */
  get phoneNumberId(): string {
    return this.#account.phoneNumberId;
  }

  get provider(): Account["provider"] {
    return this.#account.provider;
  }

  /** The key, for requests to the provider's own hosts. */
  get authorization(): Readonly<Record<string, string>> {
    const { provider, apiKey } = this.#account;
    return provider === "meta" ? { Authorization: `Bearer ${apiKey}` } : { "X-API-Key": apiKey };
  }

  /** Where a node of Meta's Graph API is; Kapso passes these on. */
  graphPath(node: string): string {
    const { provider, graphVersion } = this.#account;
    return `${provider === "kapso" ? "/meta/whatsapp" : ""}/${graphVersion}/${node}`;
  }

  /** One request, its answer parsed as JSON; undefined when it is none. @throws ApiError */
  async call({ timeoutMs = TIMEOUT_MS, ...call }: ApiCall, signal: AbortSignal): Promise<unknown> {
    return withDeadline(timeoutMs, signal, async (limit) => {
      const response = await this.#send(call, limit);
      this.#note(response);
      const isOk = response.status >= 200 && response.status < 300;
      const text = readText(response, isOk ? (call.maxBytes ?? MAX_ANSWER_BYTES) : MAX_ANSWER_BYTES);
      if (isOk) return parseJson(await text.catch(brokenOff));
      const { status, headers } = response;
      const body = (await text.catch(() => "")).replaceAll(this.#account.apiKey, "…");
      throw new ApiError(readFailure(status, headers.get("retry-after"), body));
    }).catch((error: unknown) => {
      if (!(error instanceof DeadlineError)) throw error;
      throw new ApiError(
        { kind: "unknown", error: `No answer within ${timeoutMs} ms` },
        { cause: error, hint: NETWORK[this.#account.provider] },
      );
    });
  }

  async #send({ path, body, stream, method }: ApiCall, signal: AbortSignal): Promise<HttpResponse> {
    const { baseUrl } = this.#account;
    return this.#fetch(baseUrl + path, {
      method: method ?? (body === undefined && stream === undefined ? "GET" : "POST"),
      headers: {
        ...this.authorization,
        Accept: "application/json",
        "Content-Type": stream?.contentType ?? "application/json",
        ...(stream && { "Content-Length": String(stream.bytes) }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(stream && { body: stream.open() }),
      redirect: "manual",
      signal,
    }).catch((cause: unknown) => {
      const error = `Cannot reach ${baseUrl}: ${describeError(cause)}`;
      const failure: Failure = neverLeft(cause)
        ? { kind: "later", scope: "all", error }
        : { kind: "unknown", error };
      throw new ApiError(failure, { cause, hint: NETWORK[this.#account.provider] });
    });
  }

  #note({ headers }: HttpResponse): void {
    const now = this.clock.now();
    const date = Date.parse(headers.get("date") ?? "");
    // A clock that is a day ahead would take the cursor of polling with it.
    if (Number.isFinite(date) && date - now < MAX_SKEW_MS) this.#skewMs = Math.max(date - now, -MAX_SKEW_MS);
    this.rate.note(headers.get("x-ratelimit-limit"), headers.get("x-ratelimit-remaining"), now);
  }
}

function brokenOff(cause: unknown): never {
  throw new ApiError({ kind: "unknown", error: `The answer broke off: ${describeError(cause)}` }, { cause });
}
