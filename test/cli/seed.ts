import { Store } from "../../src/store/store.ts";
import { inbound } from "../inbound.ts";
import { enqueue } from "../store/enqueue.ts";

export const PHONE = "15551234567";
export const BSUID = "US.13491208655302741918";

/** As WhatsApp makes them: the number of the person is in it, in base64. */
export function wamidOf(phone: string, end: string): string {
  const head = Buffer.from([0x1c, 0x18, phone.length]).toString("latin1");
  return `wamid.${Buffer.from(`${head}${phone}\x15\x02\0\x11\x18\x12${end.padStart(18, "0")}\0`, "latin1").toString("base64")}`;
}

export const QUESTION = wamidOf(PHONE, "3EB0C0FFEE01");
export const ANSWER = wamidOf(PHONE, "3EB0C0FFEE02");

/** A question that was answered and read, one that waits, a refused one and a message that nobody takes. */
export async function seed(folder: string, now: number): Promise<Store> {
  const store = Store.open(folder);
  const { inbox, outbox, statuses } = store;
  const from = { phone: PHONE, bsuid: BSUID };
  const ann = { from, name: "Ann", username: "ann.bakes" };
  const asked = inbound({ ...ann, wamid: QUESTION, text: "Is the Invoice paid?", sentAt: now - 60_000 });
  const [first] = await inbox.accept([asked], "webhook", now - 59_000);
  await inbox.accept([asked], "poll", now - 40_000);
  const hops = { judgedAt: now - 58_900, role: "member", askedAt: now - 58_000, answeredAt: now - 50_000 };
  const replies = [{ to: from, text: "Yes, since Monday." }];
  await inbox.settle(first?.seq ?? 0, { state: "answered", replies, hops }, now - 49_000);
  const claim = await outbox.claim(PHONE, "daemon", now - 48_000);
  if (claim) await outbox.accepted(claim, { wamid: ANSWER }, now - 47_000);
  for (const [index, status] of (["delivered", "sent", "read"] as const).entries())
    await statuses.note([{ wamid: ANSWER, status, at: now - 46_000 + index * 1000 }], now);
  await inbox.accept(
    [inbound({ ...ann, wamid: wamidOf(PHONE, "3EB0C0FFEE03"), text: "And the next?", sentAt: now - 10_000 })],
    "poll",
    now - 9000,
  );
  const stranger = { from: { phone: "4915112345678" }, wamid: wamidOf("4915112345678", "3EB0C0FFEE04") };
  const [refused] = await inbox.accept(
    [inbound({ ...stranger, text: "Buy now", sentAt: now - 2 * 86_400_000 })],
    "poll",
    now - 2 * 86_400_000,
  );
  await inbox.settle(
    refused?.seq ?? 0,
    { state: "denied", replies: [], hops: { judgedAt: now - 2 * 86_400_000 } },
    now - 2 * 86_400_000,
  );
  await enqueue(outbox, [{ to: { phone: "15559876543" }, text: "Are you there?" }], now - 5000);
  const lost = await outbox.claim("15559876543", "daemon", now - 4000);
  if (lost) await outbox.dead(lost, { code: "131026", error: "131026: Undeliverable" }, now - 3000);
  return store;
}
