/** The parts of the daemon that can be well or not, in the order in which a message meets them → kinds of state in which each does its work. */
const WELL = {
  gateway: ["connected"],
  poll: ["polling"],
  webhook: ["listening", "wake-up"],
  gaps: ["arriving"],
  funnel: ["up"],
  registration: ["registered"],
  bridge: ["listening"],
} as const;

export type PartName = keyof typeof WELL;

export const PART_NAMES: readonly PartName[] = [
  "gateway",
  "poll",
  "webhook",
  "gaps",
  "funnel",
  "registration",
  "bridge",
];

/** How a part stands, in words for people; `hint` is the one next step. */
export interface PartState<Kind extends string = string> {
  readonly kind: Kind;
  readonly message: string;
  readonly hint?: string | undefined;
}

export function isWell(name: PartName, { kind }: PartState): boolean {
  const well: readonly string[] = WELL[name];
  return well.includes(kind);
}
