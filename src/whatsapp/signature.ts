import { createHmac, timingSafeEqual } from "node:crypto";

/** Header → value, names in lower case, as `node:http` gives them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * True when one of the secrets signed exactly these bytes: hex of HMAC-SHA256, from Kapso in `X-Webhook-Signature`, from
 * Meta in `X-Hub-Signature-256` with `sha256=` before it. Parsed and written again, a body would lose Meta's escapes
 * (`\/`, `\u00f1`) and its signature with them.
 * https://docs.kapso.ai/docs/platform/webhooks/security
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
 */
export function isSigned(raw: Uint8Array, headers: Headers, secrets: readonly string[]): boolean {
  const given = [headers["x-webhook-signature"], headers["x-hub-signature-256"]].flatMap(
    (value) => parseSignature(value) ?? [],
  );
  let isKnown = false;
  for (const secret of secrets) {
    // Anybody can sign with nothing.
    if (secret === "") continue;
    const expected = createHmac("sha256", secret).update(raw).digest();
    // Every pair is compared, so that the time tells nothing of which secret it was.
    for (const signature of given) isKnown = timingSafeEqual(expected, signature) || isKnown;
  }
  return isKnown;
}

/** The value for `X-Webhook-Signature`. */
export function sign(raw: string | Uint8Array, secret: string): string {
  return createHmac("sha256", secret).update(raw).digest("hex");
}

function parseSignature(value: string | string[] | undefined): Buffer | undefined {
  const hex = typeof value === "string" ? value.trim().replace(/^sha256=/, "") : "";
  return /^[0-9a-f]{64}$/i.test(hex) ? Buffer.from(hex, "hex") : undefined;
}
