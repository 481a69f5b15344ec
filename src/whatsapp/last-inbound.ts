import type { Identity } from "../message.ts";
import { isSamePhone } from "../phone.ts";
import { opensWindow } from "../pipeline/window.ts";
import type { CloudApi } from "./client.ts";
import { readInbound } from "./inbound.ts";

const MAX_PAGES = 5;

interface Question {
  readonly person: Identity;
  readonly phoneNumberId: string;
  readonly since: number;
}

/** When a person last wrote to us since then, by the provider's list; it can not be asked for one person alone. @throws ApiError */
export async function findLastInbound(
  api: Pick<CloudApi, "list">,
  { person, phoneNumberId, since }: Question,
  signal: AbortSignal,
): Promise<number | undefined> {
  let after: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await api.list({ direction: "inbound", since, after }, signal);
    for (const raw of page.rows) {
      const read = readInbound(raw, { phoneNumberId });
      if (!read || !("message" in read)) continue;
      const { from, content, sentAt, passive } = read.message;
      if (passive === undefined && opensWindow(content) && isSame(from, person)) return sentAt;
    }
    after = page.after;
    if (after === undefined || page.isShort) return undefined;
  }
  return undefined;
}

function isSame(a: Identity, b: Identity): boolean {
  if (a.bsuid !== undefined && a.bsuid === b.bsuid) return true;
  return a.phone !== undefined && b.phone !== undefined && isSamePhone(a.phone, b.phone);
}
