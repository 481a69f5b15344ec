/** A business-scoped user id: country, a dot, then letters and digits; `ENT.` marks a parent id. Opaque otherwise. */
const BSUID = /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/;

/**
 * Digits of an international number however it is spelled (`+1 (555) 123-4567`, `0015551234567`, `15551234567`), or
 * undefined for what can not be one. E.164 allows 15 digits; a leading 0 would be a national spelling.
 */
export function parsePhone(text: string): string | undefined {
  const digits = text
    .trim()
    .replace(/^\+|^00/, "")
    .replace(/[\s().\-\u00A0\u2010-\u2015]/g, "");
  return /^[1-9]\d{6,14}$/.test(digits) ? digits : undefined;
}

export function isBsuid(text: string): boolean {
  return BSUID.test(text);
}
