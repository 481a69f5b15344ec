import { randomUUID } from "node:crypto";
import { withDeadline } from "../src/deadline.ts";
import { describeError, RelayError } from "../src/errors.ts";
import { createFetch, readText, type HttpRequest } from "../src/http.ts";
import { PROBE_EVENT } from "../src/source/webhook.ts";
import type { Store } from "../src/store/store.ts";
import { showUrl } from "../src/url.ts";
import { sign } from "../src/whatsapp/signature.ts";

/** The first request through a Funnel waits for its certificate. */
const TIMEOUT_MS = 75_000;
const MAX_ANSWER_BYTES = 65_536;

export interface Probe {
  readonly url: string;
  readonly secret: string;
  readonly facts: Store["facts"];
}

/**
 * Sends a signed message to our own webhook by its public address, and looks whether it reached the daemon that works on
 * this state: another one behind the same address would say 200 too.
 * @throws RelayError
 */
export async function probeWebhook({ url, secret, facts }: Probe, signal: AbortSignal): Promise<string> {
  const probe = randomUUID();
  const body = JSON.stringify({ probe });
  const headers = {
    "Content-Type": "application/json",
    "X-Webhook-Event": PROBE_EVENT,
    "X-Webhook-Signature": sign(body, secret),
  };
  const startedAt = performance.now();
  const { status } = await ask(url, { method: "POST", headers, body }, signal);
  const durationMs = Math.round(performance.now() - startedAt);
  const shown = showUrl(url);
  if (status === 401)
    throw new RelayError(`${shown} refuses our signature`, {
      hint: "restart wa-poller if the secret was changed; else another program answers there",
    });
  if (status !== 200) throw answersOddly(shown, status);
  if (facts.get("webhook-probe")?.value !== probe)
    throw new RelayError(`${shown} answers, but it is not this wa-poller`, {
      hint: "check where the address leads, and that wa-poller and wa-cli use the same state.dir",
    });
  return `a signed message came through ${shown} in ${durationMs} ms`;
}

/**
 * Asks our own webhook by its public address what Meta asks before it delivers anything there.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
 * @throws RelayError
 */
export async function probeVerification(
  { url, token }: { readonly url: string; readonly token: string },
  signal: AbortSignal,
): Promise<string> {
  const challenge = randomUUID();
  const asked = new URL(url);
  asked.searchParams.set("hub.mode", "subscribe");
  asked.searchParams.set("hub.challenge", challenge);
  asked.searchParams.set("hub.verify_token", token);
  const { status, text } = await ask(asked.href, { method: "GET", headers: {} }, signal);
  if (status === 403)
    throw new RelayError(`${showUrl(url)} refuses our verify token`, {
      hint: "restart wa-poller if the token was changed; else another program answers there",
    });
  if (status !== 200) throw answersOddly(showUrl(url), status);
  if (text !== challenge)
    throw new RelayError(`${showUrl(url)} answers, but not with the challenge that it was given`, {
      hint: "wa-poller has to be what answers there: check proxy and path",
    });
  return `${showUrl(url)} answers Meta's verification`;
}

function answersOddly(url: string, status: number): RelayError {
  return new RelayError(`${url} answers ${status}`, {
    hint: status === 502 ? "start wa-poller" : "wa-poller has to be what answers there: check proxy and path",
  });
}

async function ask(
  url: string,
  request: Pick<HttpRequest, "method" | "headers" | "body">,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  await using fetch = createFetch(TIMEOUT_MS);
  try {
    return await withDeadline(TIMEOUT_MS, signal, async (limit) => {
      const response = await fetch(url, { ...request, redirect: "manual", signal: limit });
      return { status: response.status, text: await readText(response, MAX_ANSWER_BYTES) };
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new RelayError(`Cannot reach ${showUrl(url)}: ${describeError(error)}`, {
      hint: "check the name and the way to it; a new Funnel's name can take minutes to be known everywhere",
    });
  }
}
