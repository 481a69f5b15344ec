import type { Inbound } from "../src/message.ts";

export const NOW = 1_800_000_000_000;
export const ANN = "15550100001";

/** A text of Ann's, except for what is given. */
export function inbound(given: Partial<Inbound> = {}): Inbound {
  return {
    wamid: "wamid.A",
    phoneNumberId: "100",
    from: { phone: ANN },
    kind: "text",
    text: "hello",
    sentAt: NOW,
    ...given,
  };
}
