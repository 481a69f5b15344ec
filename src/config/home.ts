import { homedir } from "node:os";
import { ConfigError } from "../errors.ts";
import type { Environment } from "./read.ts";

/** @throws ConfigError where nobody knows it: a container may run as a user whom its system has never heard of */
export function homeFolder(env: Environment): string {
  if (env["HOME"]) return env["HOME"];
  try {
    return homedir();
  } catch (cause) {
    throw new ConfigError(["this user has no home folder"], { cause, hint: "set HOME" });
  }
}
