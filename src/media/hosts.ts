/** Where files may be fetched from; every redirect is held against it as well. */
export interface HostPolicy {
  /** "any", or names (`files.example`) and endings (`*.files.example`: everything below, not itself), by https on its usual port. */
  readonly hosts: readonly string[] | "any";
  /**
   * `host:port` of servers that may be asked without TLS and may be on this machine or its network: a stand-in for the
   * provider. One that the operator configured, never one that a message named.
   */
  readonly allowPrivate: readonly string[];
}

/** Where the files of messages are, at Kapso and at Meta. */
export const MEDIA_HOSTS: readonly string[] = [
  // What Kapso puts into messages, and where it gives files by their id:
  // https://docs.kapso.ai/api/meta/whatsapp/media/download-media-file
  "api.kapso.ai",
  "app.kapso.ai",
  // Kapso's storage, to which it redirects; seen in August 2026, documented nowhere. The whole name: anybody can have a
  // bucket, and its first label, in an account of their own (https://developers.cloudflare.com/r2/api/s3/api/).
  "kapso-ai-prod.d77f1e59818b5ed2ec009d1a9116b255.r2.cloudflarestorage.com",
  // https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
  "lookaside.fbsbx.com",
  // Meta's own networks for files, to which it may redirect; nobody else has names in them.
  "*.fbcdn.net",
  "*.whatsapp.net",
];

export function mayReach(url: URL, policy: HostPolicy): boolean {
  if (url.username !== "" || url.password !== "") return false;
  if (isStandIn(url, policy)) return true;
  if (policy.hosts === "any") return /^https?:$/.test(url.protocol) && url.port === "";
  if (url.protocol !== "https:" || url.port !== "") return false;
  return policy.hosts.some((entry) => {
    const host = entry.toLowerCase();
    return host.startsWith("*.") ? url.hostname.endsWith(host.slice(1)) : url.hostname === host;
  });
}

/** True for one that `allowPrivate` names. */
export function isStandIn({ protocol, hostname, port }: URL, { allowPrivate }: HostPolicy): boolean {
  if (protocol !== "https:" && protocol !== "http:") return false;
  const usual = protocol === "https:" ? "443" : "80";
  return allowPrivate.includes(`${hostname}:${port || usual}`);
}
