/**
 * WhatsApp lets a number write to one person every 6 s, and lends up to 45 messages at once that are paid back by
 * waiting: https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform
 */
const REFILL_MS = 6000;
export const BURST = 45;
const MAX_PEOPLE = 100_000;

/** Keeps within the pair rate, so that WhatsApp does not have to refuse (131056). */
export class PairRate {
  /** Contact → the time at which the debt is paid back. */
  readonly #clearAt = new Map<string, number>();

  /** Milliseconds until one more message may go to this person; 0 is now. */
  waitMs(contact: string, now: number): number {
    const debt = (this.#clearAt.get(contact) ?? 0) - (BURST - 1) * REFILL_MS;
    return Math.max(0, debt - now);
  }

  note(contact: string, now: number): void {
    const clearAt = Math.max(now, this.#clearAt.get(contact) ?? 0) + REFILL_MS;
    this.#clearAt.delete(contact);
    this.#clearAt.set(contact, clearAt);
    if (this.#clearAt.size > MAX_PEOPLE) this.#forgetPaid(now);
  }

  #forgetPaid(now: number): void {
    for (const [contact, clearAt] of this.#clearAt) if (clearAt <= now) this.#clearAt.delete(contact);
    for (const contact of this.#clearAt.keys()) {
      if (this.#clearAt.size <= MAX_PEOPLE) return;
      this.#clearAt.delete(contact);
    }
  }
}
