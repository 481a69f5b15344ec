/** The parts of the daemon that can be well or not. */
export type PartName = "gateway" | "poll" | "webhook" | "gaps" | "funnel" | "registration";

/** How a part stands, in words for people; `hint` is the one next step. */
export interface PartState {
  readonly kind: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** The kinds of state in which a part does its work. */
const WELL: Readonly<Record<PartName, readonly string[]>> = {
  gateway: ["connected"],
  poll: ["polling"],
  webhook: ["listening", "wake-up"],
  gaps: ["complete"],
  funnel: ["up"],
  registration: ["registered"],
};

export const PART_NAMES: readonly PartName[] = [
  "gateway",
  "poll",
  "webhook",
  "gaps",
  "funnel",
  "registration",
];

export function isWell(name: PartName, state: PartState): boolean {
  return WELL[name].includes(state.kind);
}
