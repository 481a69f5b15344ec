import { execFile } from "node:child_process";
import type { Environment } from "../config/read.ts";

export interface Ran {
  readonly ok: boolean;
  readonly out: string;
  /** Why it failed, for people. */
  readonly complaint: string;
}

/** Runs a command to its end, without a shell; never rejects for what it says. */
export type Run = (bin: string, ...args: string[]) => Promise<Ran>;

/** All that the system's commands get to see: no key is among it. */
const PASSED_ON = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "XDG_CONFIG_HOME",
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
];
/** Longer than the unit may take to start. */
const TIMEOUT_MS = 360_000;

/** `uid` is the user's, for a shell that came about without a login (`su`) and does not know its folder in /run. */
export function createRun(env: Environment, uid: number): Run {
  const own = {
    XDG_RUNTIME_DIR: `/run/user/${uid}`,
    ...Object.fromEntries(PASSED_ON.flatMap((name) => (env[name] ? [[name, env[name]]] : []))),
    // Their words and times are read.
    LC_ALL: "C",
    TZ: "UTC",
  };
  return async (bin, ...args) => {
    const { promise, resolve } = Promise.withResolvers<Ran>();
    execFile(bin, args, { env: own, timeout: TIMEOUT_MS }, (error, out, err) =>
      resolve({ ok: error === null, out, complaint: err.trim() || out.trim() || (error?.message ?? "") }),
    );
    return promise;
  };
}
