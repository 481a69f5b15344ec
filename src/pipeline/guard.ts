import { keysOf, type Identity } from "../message.ts";

export interface GuardPolicy {
  /** Everybody may write, not only the people in `roles`. */
  readonly open: boolean;
  /** Key of a person (`keysOf`) → role. */
  readonly roles: ReadonlyMap<string, string>;
  readonly defaultRole: string;
  readonly rateLimit: number;
  readonly rateWindowMs: number;
  readonly sessionKey: string;
  readonly sessionIsolation: boolean;
}

export type Verdict =
  | { readonly kind: "allow"; readonly role: string; readonly session: string }
  | { readonly kind: "deny" }
  /** `first` in this window: the one time that the person is told. */
  | { readonly kind: "limit"; readonly first: boolean };

/** A message, as far as it is judged. */
export interface Candidate {
  readonly contact: string;
  readonly from: Identity;
  /** Milliseconds since 1970. */
  readonly sentAt: number;
}

interface Window {
  readonly start: number;
  count: number;
}

/** People whose window is remembered at most; the oldest go first (promise P10). */
const MAX_WINDOWS = 100_000;

/** Decides who may talk to the agent, as whom and how often. Nothing else happens for a message before it (promise P4). */
export class Guard {
  readonly #policy: GuardPolicy;
  readonly #windows = new Map<string, Window>();

  constructor(policy: GuardPolicy) {
    this.#policy = policy;
  }

  /**
   * `sentAt` is WhatsApp's time of the message, not ours: people are not limited for messages that waited while we
   * were away.
   */
  check({ contact, from, sentAt }: Candidate): Verdict {
    const role = roleOf(from, this.#policy);
    if (role === undefined) return { kind: "deny" };
    const count = this.#count(contact, sentAt);
    const { rateLimit } = this.#policy;
    if (count > rateLimit) return { kind: "limit", first: count === rateLimit + 1 };
    return { kind: "allow", role, session: this.sessionOf(contact) };
  }

  /** The agent's session for a person. Not `…:whatsapp:direct:…`: OpenClaw would infer a delivery route of its own from that. */
  sessionOf(contact: string): string {
    const { sessionKey, sessionIsolation } = this.#policy;
    return sessionIsolation ? `${sessionKey}-wa-${contact}` : sessionKey;
  }

  #count(contact: string, sentAt: number): number {
    const window = this.#windows.get(contact);
    if (window && Math.abs(sentAt - window.start) < this.#policy.rateWindowMs) return ++window.count;
    this.#windows.delete(contact);
    this.#windows.set(contact, { start: sentAt, count: 1 });
    if (this.#windows.size > MAX_WINDOWS) {
      const [oldest] = this.#windows.keys();
      if (oldest !== undefined) this.#windows.delete(oldest);
    }
    return 1;
  }
}

/** As whom somebody may write; undefined for who may not. The number's role comes before the user id's. */
export function roleOf(
  person: Identity,
  { roles, open, defaultRole }: Pick<GuardPolicy, "roles" | "open" | "defaultRole">,
): string | undefined {
  const listed = keysOf(person).find((key) => roles.has(key));
  return listed === undefined ? (open ? defaultRole : undefined) : roles.get(listed);
}
