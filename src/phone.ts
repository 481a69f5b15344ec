/** A business-scoped user id: country, a dot, then letters and digits; `ENT.` marks a parent id. Opaque otherwise. */
const BSUID = /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/;

/** Between two groups of digits: spaces, brackets, dots and dashes as people write them, but no line break and no tab. */
const BETWEEN = "[ \\u00A0\\u2007\\u202F().\\-\\u2010-\\u2015]{1,3}";
const SPELLED = new RegExp(`^(\\+|00)?(?:${BETWEEN})?(\\d+(?:${BETWEEN}\\d+)*)$`);
/** As spreadsheets write a number: its digits are those of another one. RFC 5733 writes `+1.5551234567`, which is none. */
const DECIMAL = /\.\d$|^[^.]*\.0+$|^\d+\.\d+$|^\+\d{4,}\.\d+$/;
/** A whole number without a gap, and more behind it: an extension, or the next person. */
const GOES_ON = /^\d{10,}\D/;
/** The 0 that only callers from the same country dial. */
const TRUNK_ZERO = /\(0\)/;
/** All of country 1 have ten digits, and no area begins with 0 or 1. https://www.nanpa.com/numbering/ */
const NORTH_AMERICAN = /^1[2-9]\d{9}$/;

/**
 * Digits of an international number however it is spelled (`+1 (555) 123-4567`, `0015551234567`, `15551234567`), or
 * undefined for what can not be one: a spelling must never become another person's number. E.164 allows 15 digits. A
 * leading 0 is a national spelling, and so is, without `+`, a short number with brackets or dashes, or one that begins
 * like country 1 by chance: `(555) 123-4567` is somebody else's in country 55, `11 98765-4321` in São Paulo.
 */
export function parsePhone(text: string): string | undefined {
  const written = text.trim();
  const [, prefix, spelled = ""] = SPELLED.exec(written) ?? [];
  const digits = spelled.replace(/\D/g, "");
  if (!/^[1-9]\d{6,14}$/.test(digits)) return undefined;
  if (digits.startsWith("1") && !NORTH_AMERICAN.test(digits)) return undefined;
  if (DECIMAL.test(written) || GOES_ON.test(spelled) || TRUNK_ZERO.test(written)) return undefined;
  const isNational =
    prefix === undefined && digits !== written && (digits.length <= 10 || /^1\d/.test(spelled));
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
