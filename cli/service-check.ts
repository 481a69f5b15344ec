import { existsSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import type { Environment } from "../src/config/read.ts";
import { LINGER_HINT, lingers } from "../src/service/linger.ts";
import { createRun } from "../src/service/run.ts";
import { unitPath } from "../src/service/unit.ts";
import { passed, type Check } from "./check.ts";

/** Nothing where no service of systemd is installed; a daemon may be started in many ways. */
export async function* checkService(env: Environment): AsyncGenerator<Check> {
  const unit = unitPath(env, env["HOME"] || homedir());
  if (!existsSync(unit)) return;
  const { uid } = userInfo();
  const lingering = await lingers(createRun(env, uid), uid);
  yield passed("service", unit, lingering === false ? { hint: LINGER_HINT } : {});
}
