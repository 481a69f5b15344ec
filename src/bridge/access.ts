import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { RequestHead, WebAnswer } from "../source/listener.ts";

/** Open to all who reach us: what they tell is in no way secret, or the address itself is the key. */
const OPEN = /^\/(health\/*$|media\/)/;

/**
 * Why a request is turned away; undefined when it is not. Without a token only programs of this machine reach us, and a
 * browser on it may be somebody else's tool: it tells its page (Origin), or asks for a name that leads here (Host).
 */
export function refusal(
  { method, path, headers }: RequestHead,
  token: string | undefined,
): WebAnswer | undefined {
  if (method === "GET" && OPEN.test(path)) return undefined;
  if (token === undefined) {
    const isForeign = headers["origin"] !== undefined || !isLocalName(headers["host"]);
    return isForeign ? failure(403, "Only programs of this machine may ask without a token") : undefined;
  }
  const bearer = /^Bearer +(\S+) *$/i.exec(text(headers["authorization"]))?.[1];
  const shown = [bearer, text(headers["x-webhook-secret"])];
  if (shown.some((each) => each !== undefined && isEqual(each, token))) return undefined;
  const answer = failure(401, "Wrong or missing token: send it as Bearer or X-Webhook-Secret");
  return { ...answer, headers: { "WWW-Authenticate": "Bearer" } };
}

export function failure(status: number, error: string): WebAnswer {
  return json(status, { success: false, error });
}

export function json(status: number, body: object): WebAnswer {
  return { status, type: "application/json", body: JSON.stringify(body) };
}

/** What makes the address of one file known to nobody but who was told. */
export function keyOf(name: string, secret: string): string {
  return createHmac("sha256", secret).update(name).digest("base64url");
}

export function isEqual(a: string, b: string): boolean {
  const hash = (value: string) => createHash("sha256").update(value).digest();
  return timingSafeEqual(hash(a), hash(b));
}

function isLocalName(host: string | readonly string[] | undefined): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(text(host));
}

function text(value: string | readonly string[] | undefined): string {
  return typeof value === "string" ? value : "";
}
