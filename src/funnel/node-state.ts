import { z } from "zod";
import { firstLine, text } from "./output.ts";
import { parseJson } from "../json.ts";
import { readComplaint } from "./complaint.ts";

/** How the node stands, in words for people; `hint` is the one next step. */
export type NodeState =
  | {
      readonly kind: "running";
      /** Without the final dot. */
      readonly dnsName: string;
      /** Whether the tailnet lets it use Funnel; undefined when the node was not told. */
      readonly hasFunnel: boolean | undefined;
      /** Ports on which Funnel may listen; undefined when the node was not told. */
      readonly ports: readonly number[] | undefined;
    }
  | NotRunning;

export interface NotRunning {
  /** It comes up by itself, or somebody has to do something first. */
  readonly kind: "starting" | "stuck";
  readonly message: string;
  readonly hint?: string | undefined;
}

const self = z.looseObject({
  DNSName: text,
  CapMap: z.record(z.string(), z.unknown()).nullish().catch(undefined),
});
const status = z.looseObject({ BackendState: z.string(), AuthURL: text, Self: self.nullish() });

/** Reads stdout alone: a warning about versions on stderr is usual and means nothing. */
export function readNodeState(out: string, err: string, exitCode: number | undefined): NodeState {
  if (exitCode !== 0 && !out.trimStart().startsWith("{")) return readComplaint(err, out);
  const parsed = status.safeParse(parseJson(out));
  if (!parsed.success)
    return {
      kind: "stuck",
      message: `The tailscale command answers no status: ${firstLine(out) || firstLine(err) || "nothing"}`,
      hint: "try it by hand: tailscale status --json",
    };
  const { BackendState: state, AuthURL: authUrl, Self: node } = parsed.data;
  switch (state) {
    case "Running":
      return readRunning(node ?? {});
    case "Starting":
    case "NoState":
      return { kind: "starting", message: "Tailscale is starting" };
    case "NeedsLogin":
      return {
        kind: "stuck",
        message: "Tailscale is logged out",
        hint: authUrl ? `log in at ${authUrl}` : "log in: tailscale up",
      };
    case "NeedsMachineAuth":
      return {
        kind: "stuck",
        message: "This machine is not yet approved by the tailnet's admin",
        hint: "approve it at https://login.tailscale.com/admin/machines",
      };
    case "Stopped":
      return { kind: "stuck", message: "Tailscale is stopped", hint: "start it: tailscale up" };
    case "InUseOtherUser":
      return {
        kind: "stuck",
        message: "Tailscale is in use by another user of this machine",
        hint: "switch to that user, or log in again: tailscale up",
      };
    default:
      return {
        kind: "stuck",
        message: `Tailscale is in a state of its own: ${state}`,
        hint: "see: tailscale status",
      };
  }
}

function readRunning({ DNSName: name, CapMap: caps }: z.output<typeof self>): NodeState {
  const dnsName = (name ?? "").replace(/\.$/, "");
  if (dnsName === "") return { kind: "starting", message: "Tailscale has no name for this machine yet" };
  return { kind: "running", dnsName, hasFunnel: caps ? "funnel" in caps : undefined, ports: readPorts(caps) };
}

/** The list of ports is in a key's query, with ranges: `…/cap/funnel-ports?ports=443,8443,10000`. */
function readPorts(
  caps: Readonly<Record<string, unknown>> | null | undefined,
): readonly number[] | undefined {
  const key = Object.keys(caps ?? {}).find((name) =>
    name.startsWith("https://tailscale.com/cap/funnel-ports?"),
  );
  if (key === undefined) return undefined;
  const list = new URL(key).searchParams.get("ports") ?? "";
  return list.split(",").flatMap((part) => {
    const [from, to = from] = part.split("-").map(Number);
    return FUNNEL_PORTS.filter(
      (port) => from !== undefined && to !== undefined && port >= from && port <= to,
    );
  });
}

/** Ports that Funnel can have at all. https://tailscale.com/kb/1223/funnel */
export const FUNNEL_PORTS = [443, 8443, 10000] as const;
