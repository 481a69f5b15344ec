import { randomUUID } from "node:crypto";
import { withDeadline } from "../src/deadline.ts";
import { describeError, RelayError } from "../src/errors.ts";
import { createFetch, readText } from "../src/http.ts";
import { PROBE_EVENT } from "../src/source/webhook.ts";
import type { Store } from "../src/store/store.ts";
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
  const startedAt = performance.now();
  const status = await post(url, body, sign(body, secret), signal);
  const durationMs = Math.round(performance.now() - startedAt);
  if (status === 401)
    throw new RelayError(`${url} refuses our signature`, {
      hint: "restart wa-poller if the secret was changed; else another program answers there",
    });
  if (status !== 200)
    throw new RelayError(`${url} answers ${status}`, {
      hint:
        status === 502 ? "start wa-poller" : "wa-poller has to be what answers there: check proxy and path",
    });
  if (facts.get("webhook-probe")?.value !== probe)
    throw new RelayError(`${url} answers, but it is not this wa-poller`, {
      hint: "check where the address leads, and that wa-poller and wa-cli use the same state.dir",
    });
  return `a signed message came through ${url} in ${durationMs} ms`;
}

async function post(url: string, body: string, signature: string, signal: AbortSignal): Promise<number> {
  await using fetch = createFetch(TIMEOUT_MS);
  const headers = {
    "Content-Type": "application/json",
    "X-Webhook-Event": PROBE_EVENT,
    "X-Webhook-Signature": signature,
  };
  try {
    return await withDeadline(TIMEOUT_MS, signal, async (limit) => {
      const response = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal: limit });
      await readText(response, MAX_ANSWER_BYTES);
      return response.status;
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new RelayError(`Cannot reach ${url}: ${describeError(error)}`, {
      hint: "check the name and the way to it; a new Funnel's name can take minutes to be known everywhere",
    });
  }
}
