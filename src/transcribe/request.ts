import { z } from "zod";
import { describeError } from "../errors.ts";
import { readText, type Fetch, type HttpResponse } from "../http.ts";
import { parseRetryAfter } from "../retry-after.ts";
import { parseJson } from "../json.ts";
import { TranscribeError, type TranscribeFailure } from "./provider.ts";

/** The service that is asked, and the requests it gets. */
export interface Service {
  readonly fetch: Fetch;
  /** With the path of the version, without a slash at the end. */
  readonly baseUrl: string;
  readonly model: string;
  readonly language: string | undefined;
  /** Value of the header, for a service that wants one. */
  readonly authorization: string | undefined;
  /** A try takes no longer than this. */
  readonly timeoutMs: number;
}

export interface Upload {
  /** After the base address. */
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  readonly retryAfter: string | null;
}

/** An hour of speech with its segments is about one MiB. */
const MAX_ANSWER_BYTES = 8_388_608;
const UNREADABLE = "the transcription service gave an answer that could not be read";
const UNREACHABLE: TranscribeFailure = {
  reason: "the transcription service could not be reached",
  isPassing: true,
};
const NETWORK = "check the network, and transcribe.base_url (WA_TRANSCRIBE_BASE_URL)";

/** One request with whatever it is answered. @throws TranscribeError when there is no answer */
export async function upload(
  { fetch, baseUrl, authorization, timeoutMs }: Service,
  { path, contentType, body }: Upload,
  signal: AbortSignal,
): Promise<Answer> {
  const headers = {
    Accept: "application/json",
    "Content-Type": contentType,
    ...(authorization !== undefined && { Authorization: authorization }),
  };
  const fail = (what: string, cause: unknown, hint?: string): never => {
    signal.throwIfAborted();
    throw new TranscribeError(`${what}: ${describeError(cause)}`, UNREACHABLE, { cause, hint });
  };
  const response: HttpResponse = await fetch(baseUrl + path, {
    method: "POST",
    headers,
    body,
    // The try has its own limit, and a model may think in silence until then.
    silenceMs: timeoutMs + 1000,
    redirect: "manual",
    signal,
  }).catch((cause: unknown) => fail("No answer came", cause, NETWORK));
  const text = await readText(response, MAX_ANSWER_BYTES).catch((cause: unknown) => {
    if (cause instanceof RangeError)
      throw new TranscribeError(cause.message, { reason: UNREADABLE }, { cause });
    return fail("The answer broke off", cause);
  });
  return {
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    text,
    retryAfter: response.headers.get("retry-after"),
  };
}

export function isOk({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

export function unreadable(message: string): TranscribeError {
  return new TranscribeError(message, { reason: UNREADABLE });
}

/** What an answer other than success means. */
export function readRefusal({ status, text, retryAfter }: Answer): TranscribeError {
  const code = readCode(text);
  const { hint, ...failure } = judge(status, code);
  const message = `HTTP ${status}${code === undefined ? "" : ` (${code})`}`;
  return new TranscribeError(message, { ...failure, afterMs: parseRetryAfter(retryAfter) }, { hint });
}

function judge(
  status: number,
  code: string | undefined,
): TranscribeFailure & { readonly hint?: string | undefined } {
  if (status === 402 || code === "insufficient_quota")
    return {
      reason: "the account at the transcription service has no credit left",
      hint: "add credit at the provider",
    };
  if (status === 401 || status === 403)
    return {
      reason: "the transcription service refused our access",
      hint: "set a valid transcribe.api_key (KAPSO_TRANSCRIBE_API_KEY)",
    };
  if (status === 413) return { reason: "the recording is too large for the transcription service" };
  if (status === 429) return { reason: "the transcription service is busy", isPassing: true };
  if (status >= 500)
    return { reason: `the transcription service has trouble (HTTP ${status})`, isPassing: true };
  if (status === 404 || status < 400)
    return {
      reason: "transcription is not set up correctly",
      hint: "check transcribe.model and transcribe.base_url",
    };
  return {
    reason: `the transcription service could not take the recording (HTTP ${status})`,
    hint: "check transcribe.model and transcribe.language, if it happens each time",
  };
}

const errorBody = z.union([
  z.looseObject({ error: z.looseObject({ code: z.string() }) }).transform(({ error }) => error.code),
  z.looseObject({ error: z.looseObject({ type: z.string() }) }).transform(({ error }) => error.type),
  z.looseObject({ err_code: z.string() }).transform(({ err_code: code }) => code),
]);

/** Only a word is taken: a whole sentence may repeat the key. */
function readCode(text: string): string | undefined {
  const { data } = errorBody.safeParse(parseJson(text));
  return data !== undefined && /^[a-z]+([_ -][a-z]+){0,5}$/i.test(data) ? data : undefined;
}
