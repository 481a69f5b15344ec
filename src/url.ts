/** True for a URL whose host is this machine. */
export function isLoopback(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}

/** A text that should be a URL, and may be none: what stands before an @ or behind a ? can be a secret. */
export function maskUrl(text: string): string {
  return text.replace(/^([\w+.-]*:?\/\/)?.*@/s, "$1…@").replace(/\?.*/s, "?…");
}

/** What may be shown of a URL: a password or a query can be a secret. Nothing of what is none. */
export function showUrl(url: string): string {
  if (!URL.canParse(url)) return "no address";
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}
