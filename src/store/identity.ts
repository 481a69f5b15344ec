import type { Identity } from "../message.ts";

interface Columns {
  readonly phone: string | null;
  readonly bsuid: string | null;
}

/** What a row tells of a person. */
export function toIdentity({ phone, bsuid }: Columns): Identity {
  return { ...(phone !== null && { phone }), ...(bsuid !== null && { bsuid }) };
}
