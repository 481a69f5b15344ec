import { z } from "zod";
import { parseRetryAfter } from "../retry-after.ts";
import type { SendOutcome } from "../pipeline/outbox.ts";
import type { Blocker } from "../pipeline/outbox-state.ts";

/** What an answer other than success means for the request. */
export type Failure = Exclude<SendOutcome, { kind: "accepted" }>;

/** What a code or status means, before the answer's own words are added. */
interface Rule {
  readonly kind: Failure["kind"];
  readonly scope?: "person" | "all";
  readonly afterMs?: number;
  readonly maxTries?: number;
  readonly hint?: string;
  readonly what?: Blocker;
}

const LATER: Rule = { kind: "later", scope: "all" };
const REFUSED: Rule = { kind: "refused" };
const UNKNOWN: Rule = { kind: "unknown" };

/** The key or the account needs somebody's hand. */
const blocked = (hint: string, what: Blocker = "account"): Rule => ({
  kind: "blocked",
  hint,
  what,
});
const TOKEN = blocked(
  "the key or token was refused: set a valid kapso.api_key (KAPSO_API_KEY), with Meta meta.access_token (WHATSAPP_ACCESS_TOKEN)",
  "credentials",
);
const RIGHTS = blocked("the key lacks a right: check its permissions in the dashboard", "credentials");
const ACCOUNT = blocked("WhatsApp restricted the account: see WhatsApp Manager, Account quality");
const PAYMENT = blocked("add a payment method or credits in the dashboard");
const REGISTRATION = blocked(
  "the number is not registered for the Cloud API: register it in WhatsApp Manager",
);

/**
 * Meta's error codes; the HTTP status and the title say little, a rate limit comes as 400.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
 */
const BY_CODE = new Map<number, Rule>([
  ...codes([0, 190], TOKEN),
  ...codes([3, 10, 131005, ...range(200, 299)], RIGHTS),
  ...codes([2, 131016, 133004], LATER),
  ...codes([1], { kind: "later", scope: "person", maxTries: 3 }),
  ...codes([131057], { ...LATER, afterMs: 60_000 }),
  ...codes([4, 80007], { ...LATER, afterMs: 300_000 }),
  ...codes([130429, 131208], LATER),
  ...codes([131056], { kind: "later", scope: "person" }),
  ...codes([131031, 368, 131048, 131064, 131037], ACCOUNT),
  ...codes([131042], PAYMENT),
  ...codes([131045, 133000, 133005, 133006, 133008, 133009, 133010, 133015, 133016], REGISTRATION),
  // Meta's "something went wrong": nobody knows whether the message left.
  ...codes([131000], UNKNOWN),
]);

/** What to do about the refusals that people meet most. */
const REMEDY = new Map<number, string>([
  [131026, "the recipient can not receive it (no WhatsApp, or an old version)"],
  [131030, "a test number may write only to recipients verified in the dashboard"],
  [131047, "more than 24 hours since the person's last message: only a template can be sent"],
  [470, "more than 24 hours since the person's last message: only a template can be sent"],
]);

/** Does not exist, or may not be seen. https://developers.facebook.com/docs/graph-api/guides/error-handling */
export const MISSING_OBJECT = 33;

const errorBody = z.looseObject({
  error: z.union([
    z.string(),
    z.looseObject({
      message: z.string().optional().catch(undefined),
      code: z.union([z.number(), z.string()]).optional().catch(undefined),
      error_subcode: z.number().optional().catch(undefined),
      error_data: z.looseObject({ details: z.string().optional() }).optional().catch(undefined),
    }),
  ]),
  code: z.union([z.string(), z.number()]).optional().catch(undefined),
  message: z.string().optional().catch(undefined),
});

/** Reads an answer that is no success. Kapso writes errors in two shapes, and a proxy may write neither. */
export function readFailure(status: number, retryAfter: string | null, body: string): Failure {
  const parsed = parseBody(body);
  const text = `HTTP ${status}${parsed.message ? `: ${withoutNumbers(parsed.message).slice(0, 300)}` : ""}`;
  const error = withRemedy(text, parsed.code);
  const { kind, scope = "all", afterMs, maxTries, hint = "", what = "account" } = judge(status, parsed.code);
  const code = parsed.code ?? parsed.slug;
  switch (kind) {
    case "later":
      return { kind, scope, maxTries, error, afterMs: parseRetryAfter(retryAfter) ?? afterMs };
    case "blocked":
      return { kind, error, hint, code: what };
    case "refused":
      return { kind, error, ...(code !== undefined && { code: String(code) }) };
    case "unknown":
      return { kind, error };
  }
}

/** What a code in a status says; such a failure comes after the message was accepted. */
export function describeCode(code: string | undefined, words: string): string {
  const text = withoutNumbers(words).slice(0, 300);
  return code === undefined ? text : withRemedy(`${code}: ${text}`, Number(code));
}

function withRemedy(text: string, code: number | undefined): string {
  const remedy = code === undefined ? undefined : REMEDY.get(code);
  return remedy === undefined ? text : `${text} (${remedy})`;
}

function judge(status: number, code: number | undefined): Rule {
  const known = code === undefined ? undefined : BY_CODE.get(code);
  if (known) return known;
  // Some answers repeat the status as the code; then there is no word of Meta's on this message.
  const isJudged = code !== undefined && code !== status;
  if (status >= 500 || status === 408) return UNKNOWN;
  // Kapso: another message of this conversation is in flight; nothing was sent.
  if (status === 409) return { kind: "later", scope: "person", afterMs: 1000 };
  if (status === 429) return { ...LATER, afterMs: 60_000 };
  if (status === 401) return TOKEN;
  if (status === 402) return PAYMENT;
  if (isJudged) return REFUSED;
  if (status === 403) return RIGHTS;
  if (status === 404)
    return blocked(
      "there is no such phone number id: check KAPSO_PHONE_NUMBER_ID (Meta: WHATSAPP_PHONE_NUMBER_ID)",
    );
  if (status >= 300 && status < 400)
    return blocked(
      "the address redirects: check kapso.base_url (KAPSO_BASE_URL) or meta.base_url (META_BASE_URL)",
    );
  return status >= 400 ? REFUSED : UNKNOWN;
}

function parseBody(body: string): {
  readonly message?: string;
  readonly code?: number;
  readonly slug?: string;
} {
  try {
    const parsed = errorBody.parse(JSON.parse(body));
    if (typeof parsed.error === "string")
      return {
        message: parsed.message === undefined ? parsed.error : `${parsed.error}: ${parsed.message}`,
        ...parseCode(parsed.code),
      };
    const { message, code, error_subcode: subcode, error_data: data } = parsed.error;
    const details = data?.details === undefined || data.details === message ? "" : `: ${data.details}`;
    // 100 is any wrong parameter; with this subcode, the object in the path itself.
    const isMissing = Number(code) === 100 && subcode === MISSING_OBJECT;
    return { message: (message ?? "") + details, ...parseCode(isMissing ? MISSING_OBJECT : code) };
  } catch {
    // No JSON, or JSON of no known shape: the status has to do.
    return {};
  }
}

function parseCode(code: string | number | undefined): { readonly code?: number; readonly slug?: string } {
  if (code === undefined || code === "") return {};
  return /^\d+$/.test(String(code)) ? { code: Number(code) } : { slug: String(code) };
}

function codes(list: readonly number[], verdict: Rule): [number, Rule][] {
  return list.map((code) => [code, verdict]);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** The text ends in logs and on screens. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/\+?\d[\d\s().-]{6,}\d/g, (digits) => `…${digits.slice(-4)}`);
}
