/** What a message met on its way to the agent and back, for `wa-cli trace`. Times are milliseconds since 1970. */
export interface Hops {
  readonly judgedAt?: number | undefined;
  /** As whom the person was let in. */
  readonly role?: string | undefined;
  /** When its file was here and written down, or given up. */
  readonly fileAt?: number | undefined;
  readonly file?: string | undefined;
  /** When the agent got to work; a message may wait long for its turn and for the gateway. */
  readonly askedAt?: number | undefined;
  /** Under which id the gateway knows this run. */
  readonly run?: string | undefined;
  readonly answeredAt?: number | undefined;
  /** Why the agent failed. */
  readonly error?: string | undefined;
}
