import { requireAccount, requireInbound } from "../src/config/account.ts";
import type { Config } from "../src/config/config.ts";
import { silentLog } from "../src/log.ts";
import { Listener } from "../src/source/listener.ts";
import { DaemonLock } from "../src/store/lock.ts";
import { Store } from "../src/store/store.ts";
import { BRIDGE_SETTING } from "./bridge.ts";

/**
 * `wa-poller --check`: whether a start would succeed. A daemon that runs with this state is not disturbed; its ports are taken
 * by itself, so they are not tried then.
 * @throws ConfigError, StateError
 */
export async function check(config: Config, stdout: NodeJS.WritableStream): Promise<void> {
  requireAccount(config);
  requireInbound(config);
  const { state, webhook, bridge, file = "no file, environment only" } = config;
  Store.open(state.dir)[Symbol.dispose]();
  const runs = DaemonLock.isHeld(state.dir);
  if (!runs) {
    await using stack = new AsyncDisposableStack();
    const log = silentLog;
    if (webhook.listen) stack.use(await Listener.open(webhook.listen, { log }));
    if (bridge.listen) stack.use(await Listener.open(bridge.listen, { log, setting: BRIDGE_SETTING }));
  }
  const other = runs ? "; another wa-poller runs with this state already" : "";
  stdout.write(`Configuration and state are usable (${file})${other}\n`);
}
