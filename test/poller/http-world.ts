import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { freePort } from "../free-port.ts";
import { StandInAgent } from "./agent.ts";
import { Daemon, until } from "./daemon.ts";

interface Setup {
  readonly isUp?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Kapso, an agent that speaks HTTP, and a daemon between them, not yet started. */
export async function setUp({ isUp = true, env = {} }: Setup = {}) {
  const stack = new AsyncDisposableStack();
  const kapso = stack.use(await StandInKapso.start());
  const agent = stack.use(await StandInAgent.create({ isUp }));
  const bridge = `http://127.0.0.1:${await freePort()}`;
  const daemon = stack.use(
    new Daemon({
      kapso,
      gateway: agent,
      env: {
        GATEWAY_TYPE: "http",
        WA_BRIDGE_ADDR: new URL(bridge).host,
        WA_MEDIA_SEND_FROM: "~/workspace",
        WA_SEND_ALLOW_TO: "*",
        ...env,
      },
    }),
  );
  mkdirSync(join(daemon.folder, "workspace"));
  const post = async (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(bridge + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const answer = await response.text();
    return { status: response.status, headers: response.headers, answer: parse(answer) };
  };
  const start = async () => {
    daemon.start();
    await until("the bridge", () => daemon.log.includes("listening for an agent"));
    await until("everything runs", () => daemon.log.includes("polling works"));
  };
  return {
    kapso,
    agent,
    daemon,
    bridge,
    post,
    start,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

function parse(answer: string): Record<string, unknown> {
  try {
    return JSON.parse(answer) as Record<string, unknown>;
  } catch {
    return { text: answer };
  }
}
