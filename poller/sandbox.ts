import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../src/config/config.ts";
import { EchoGateway } from "../src/sandbox/gateway.ts";
import { StandInKapso } from "../src/sandbox/kapso.ts";
import { runTerminal } from "../src/sandbox/terminal.ts";
import { Store } from "../src/store/store.ts";
import { showUrl } from "../src/url.ts";
import type { Surroundings } from "./base.ts";
import { startBridge } from "./compose.ts";

const POLL_MS = 1000;

/** The whole bridge on a stand-in for WhatsApp, and on an echo agent unless a gateway is configured. */
export async function runSandbox(
  config: Config,
  surroundings: Surroundings,
  { stdin, stdout }: Pick<NodeJS.Process, "stdin" | "stdout">,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = sandboxFolder(config);
  stack.defer(() => forget(folder));
  const kapso = stack.use(await StandInKapso.start());
  const echo = config.gateway.isNamed ? undefined : stack.use(await EchoGateway.start());
  stdout.write(
    `Sandbox: you are a person on WhatsApp, the bridge runs for real against stand-ins on this machine.\n`,
  );
  stdout.write(
    `Agent: ${echo ? "built-in echo" : showUrl(config.gateway.url)}. Type a message; Ctrl-C ends it.\n\n`,
  );
  const ended = new AbortController();
  const bridge = startBridge(
    {
      ...config,
      provider: "kapso",
      account: {
        provider: "kapso",
        apiKey: kapso.apiKey,
        phoneNumberId: kapso.phoneNumberId,
        baseUrl: kapso.url,
        graphVersion: "v24.0",
      },
      delivery: { ...config.delivery, mode: "polling", pollIntervalMs: POLL_MS },
      webhook: { ...config.webhook, listen: undefined },
      gateway: echo
        ? { ...config.gateway, type: "openclaw", url: echo.url, token: undefined }
        : config.gateway,
      security: { ...config.security, open: true, rateLimit: Number.MAX_SAFE_INTEGER },
      state: { ...config.state, dir: folder },
    },
    surroundings,
    AbortSignal.any([signal, ended.signal]),
  );
  try {
    await Promise.race([runTerminal({ input: stdin, output: stdout }, kapso, signal), bridge]);
  } finally {
    ended.abort();
    stdin.destroy();
    await bridge;
  }
}

/** With a gateway of the user's the device key stays, or every sandbox would need an approval of its own. */
function sandboxFolder({ gateway, state }: Config): string {
  if (!gateway.isNamed) return mkdtempSync(join(tmpdir(), "wa-relay-sandbox-"));
  const folder = join(state.dir, "sandbox");
  forget(folder);
  return folder;
}

function forget(folder: string): void {
  if (!existsSync(join(folder, "device.json"))) return rmSync(folder, { recursive: true, force: true });
  Store.remove(folder);
}
