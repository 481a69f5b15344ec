/** Kinds of message that are neither text nor file, in WhatsApp's words. */
const TYPES = ["location", "contacts", "reaction", "interactive", "template"] as const;

/** Such a message, as it was sent. */
export interface SentRich {
  readonly type: (typeof TYPES)[number];
  /** What stood under the type's name. */
  readonly body: unknown;
}

/** Undefined for another message. */
export function readRich(body: Readonly<Record<string, unknown>>): SentRich | undefined {
  const type = TYPES.find((name) => name === body["type"]);
  const found = type && body[type];
  return type && typeof found === "object" && found !== null ? { type, body: found } : undefined;
}

/** What a person at a terminal sees of it. */
export function showRich({ type, body }: SentRich): string {
  return `[${type}] ${JSON.stringify(body)}`;
}
