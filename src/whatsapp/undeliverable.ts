/**
 * Meta's codes that say: this person can not get this message, and trying again changes nothing.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
 */
const UNDELIVERABLE = new Set([
  "470", // the 24-hour window is closed (an older number for 131047)
  "130472", // the person takes part in an experiment
  "131026", // not on WhatsApp, or an old version of it
  "131030", // not among the recipients of a test number
  "131047", // the 24-hour window is closed
  "131050", // the person stopped marketing messages
  "131051", // a kind of message that is not supported
]);

export function isUndeliverable(code: string): boolean {
  return UNDELIVERABLE.has(code);
}
