/** The parts of the daemon, in the order in which a message meets them, and the kinds of state in which each does its work. */
const PARTS = [
  ["gateway", ["connected"]],
  ["poll", ["polling"]],
  ["webhook", ["listening", "wake-up"]],
  ["gaps", ["arriving"]],
  ["funnel", ["up"]],
  ["registration", ["registered"]],
  ["bridge", ["listening"]],
] as const;

export type PartName = (typeof PARTS)[number][0];

export const PART_NAMES: readonly PartName[] = PARTS.map(([name]) => name);

const WELL: ReadonlyMap<PartName, readonly string[]> = new Map<PartName, readonly string[]>(PARTS);

/** How a part stands, in words for people; `hint` is the one next step. */
export interface PartState<Kind extends string = string> {
  readonly kind: Kind;
  readonly message: string;
  readonly hint?: string | undefined;
}

export function isWell(name: PartName, { kind }: PartState): boolean {
  return WELL.get(name)?.includes(kind) === true;
}
