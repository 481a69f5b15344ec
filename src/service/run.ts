import { execFile } from "node:child_process";
import { childEnvironment } from "../child-environment.ts";
import type { Environment } from "../config/read.ts";

export interface Ran {
  readonly ok: boolean;
  readonly out: string;
  /** Why it failed, for people. */
  readonly complaint: string;
}

/** Runs a command to its end, without a shell; never rejects for what it says, only when it was ended by the signal. */
export type Run = (bin: string, ...args: string[]) => Promise<Ran>;

/** Longer than the unit may take to start. */
const TIMEOUT_MS = 360_000;

/** `uid` is the user's, for a shell that came about without a login (`su`) and does not know its folder in /run. */
export function createRun(env: Environment, uid: number, signal: AbortSignal): Run {
  const own = {
    XDG_RUNTIME_DIR: `/run/user/${uid}`,
    ...childEnvironment(env, ["DBUS_SESSION_BUS_ADDRESS"]),
    // Their words and times are read.
    LC_ALL: "C",
    TZ: "UTC",
  };
  return async (bin, ...args) => {
    const { promise, resolve } = Promise.withResolvers<Ran>();
    execFile(bin, args, { env: own, timeout: TIMEOUT_MS, signal }, (error, out, err) =>
      resolve({ ok: error === null, out, complaint: err.trim() || out.trim() || (error?.message ?? "") }),
    );
    const ran = await promise;
    signal.throwIfAborted();
    return ran;
  };
}
