import { contactId, type Inbound } from "../src/message.ts";
import type { Question } from "../src/pipeline/turn.ts";

export const NOW = 1_800_000_000_000;
export const ANN = "15550100001";

/** A text of Ann's, except for what is given. */
export function inbound({
  text = "hello",
  ...given
}: Partial<Inbound> & { readonly text?: string } = {}): Inbound {
  return {
    wamid: "wamid.A",
    phoneNumberId: "100",
    from: { phone: ANN },
    content: { type: "text", text },
    sentAt: NOW,
    ...given,
  };
}

/** The same, as it is loaded to be answered. */
export function question(given: Parameters<typeof inbound>[0] & Partial<Question> = {}): Question {
  const { seq = 1, receivedAt = NOW, quoted, notes = [], ...message } = given;
  const read = inbound(message);
  return { ...read, seq, contact: given.contact ?? contactId(read.from), receivedAt, quoted, notes };
}
