import type { Identity } from "../message.ts";
import { canonicalPhone } from "../phone.ts";

export interface GuardPolicy {
  /** Everybody may write, not only the people in `roles`. */
  readonly open: boolean;
  /** Digits or BSUID → role. */
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
  /** Numbers in one spelling: WhatsApp may write them otherwise than whoever listed them. */
  readonly #roles: ReadonlyMap<string, string>;
  readonly #windows = new Map<string, Window>();

  constructor(policy: GuardPolicy) {
    this.#policy = policy;
    this.#roles = new Map([...policy.roles].map(([person, role]) => [canonicalPhone(person), role]));
  }

  /**
   * `sentAt` is WhatsApp's time of the message, not ours: people are not limited for messages that waited while we
   * were away.
   */
  check({ contact, from, sentAt }: Candidate): Verdict {
    const role = this.#roleOf(from);
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

  #roleOf({ phone, bsuid }: Identity): string | undefined {
    const { open, defaultRole } = this.#policy;
    return (
      (phone !== undefined ? this.#roles.get(canonicalPhone(phone)) : undefined) ??
      (bsuid !== undefined ? this.#roles.get(bsuid) : undefined) ??
      (open ? defaultRole : undefined)
    );
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
