import { EchoGateway, type EchoOptions } from "../../src/sandbox/gateway.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { Daemon, type DaemonSetup } from "./daemon.ts";

export interface Setup extends Pick<DaemonSetup, "env" | "command"> {
  readonly echo?: EchoOptions;
}

/** A stand-in for Kapso, an agent that answers "re" and what it was told, and a daemon between them, not yet started. */
export async function createWorld({ echo, ...setup }: Setup = {}) {
  const stack = new AsyncDisposableStack();
  const kapso = stack.use(await StandInKapso.start());
  const gateway = stack.use(await EchoGateway.start({ reply: ({ message }) => `re ${message}`, ...echo }));
  const daemon = stack.use(new Daemon({ kapso, gateway, ...setup }));
  return {
    kapso,
    gateway,
    daemon,
    /** How often messages were asked for. */
    lists: () => kapso.requests.filter(({ kind }) => kind === "list").length,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

export const person = (index: number) => `1555010${String(index).padStart(4, "0")}`;
