/** A business-scoped user id: country, a dot, then letters and digits; `ENT.` marks a parent id. Opaque otherwise. */
const BSUID = /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/;

/**
 * Digits of an international number however it is spelled (`+1 (555) 123-4567`, `0015551234567`, `15551234567`), or
 * undefined for what can not be one. E.164 allows 15 digits. A leading 0 is a national spelling, and so is a short
 * number with brackets or dashes and without `+`: `(555) 123-4567` is somebody else's in country 55.
 */
export function parsePhone(text: string): string | undefined {
  const bare = text.trim().replace(/^\+|^00/, "");
  const digits = bare.replace(/[\s().\-\u00A0\u2010-\u2015]/g, "");
  if (!/^[1-9]\d{6,14}$/.test(digits)) return undefined;
  const isNational = bare === text.trim() && digits !== bare && digits.length <= 10;
  return isNational ? undefined : digits;
}

/** Countries that spell a mobile number with one more digit or without it: the same person either way. */
const EXTRA_DIGIT = [/^(55\d{2})9(\d{8})$/, /^(52)1(\d{10})$/, /^(54)9(\d{10})$/];

/** The same for every spelling of a number that WhatsApp knows; digits in, digits out. */
export function canonicalPhone(phone: string): string {
  return EXTRA_DIGIT.reduce((digits, spelling) => digits.replace(spelling, "$1$2"), phone);
}

export function isSamePhone(a: string, b: string): boolean {
  return canonicalPhone(a) === canonicalPhone(b);
}

export function isBsuid(text: string): boolean {
  return BSUID.test(text);
}
