import { isSamePerson, type Identity } from "../message.ts";
import { opensWindow } from "../pipeline/window.ts";
import type { CloudApi } from "./client.ts";
import { readInbound } from "./inbound.ts";

const MAX_PAGES = 5;

interface Question {
  readonly person: Identity;
  readonly phoneNumberId: string;
  readonly since: number;
}

/**
 * When a person last wrote what opens the window (`openedAt`), by the provider's list; it can not be asked for one person
 * alone. Milliseconds since 1970. @throws ApiError
 */
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
      if (passive === undefined && opensWindow(content) && isSamePerson(from, person)) return sentAt;
    }
    after = page.after;
    if (after === undefined || page.isShort) return undefined;
  }
  return undefined;
}
