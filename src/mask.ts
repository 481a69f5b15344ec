import { maskContact } from "./message.ts";
import { isBsuid, parsePhone } from "./phone.ts";

/** Not within an id, a time of a log line or what is masked already. */
const NUMBER = /(?<![\w.…:\-/])\+?\d(?:[ \-.()]{0,2}\d){8,14}(?![\w…]|[.\-:]\d)/g;
const MIN_DIGITS = 9;
const WAMID = /wamid\.[A-Za-z0-9+/=_-]{12,}/g;
const MIN_SECRET = 6;

/** A text without whole numbers and ids: what somebody else wrote of an error may name a person. */
export function maskNumbers(text: string): string {
  return text
    .replace(WAMID, (wamid) => `wamid.…${wamid.slice(-12)}`)
    .replace(NUMBER, (found) => {
      const digits = found.replace(/\D/g, "");
      return digits.length < MIN_DIGITS ? found : maskContact(digits);
    });
}

/** What should be a number or a user id, and may be neither: how it is spelled can be seen, and of its digits the last four. */
export function maskPerson(text: string): string {
  const id = isBsuid(text) ? text : parsePhone(text);
  return id === undefined ? text.replace(/\d(?=(?:\D*\d){4})/g, "•") : maskContact(id);
}

/** Takes out every secret that stands in a text as it is. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length >= MIN_SECRET)
    .reduce((rest, secret) => rest.replaceAll(secret, "•••"), text);
}
