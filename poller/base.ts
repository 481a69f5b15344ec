import type { Clock } from "../src/clock.ts";
import type { Config } from "../src/config/config.ts";
import type { Log } from "../src/log.ts";
import type { Store } from "../src/store/store.ts";
import type { CloudApi } from "../src/whatsapp/client.ts";

/** What the program gets from outside. */
export interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly process: Pick<NodeJS.Process, "env" | "pid" | "kill" | "once">;
}

/** What all parts share. */
export interface Base extends Surroundings {
  readonly config: Config;
  readonly store: Store;
  readonly api: CloudApi;
}
