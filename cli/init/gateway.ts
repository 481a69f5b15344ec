import { isLoopback, showUrl } from "../../src/url.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { checkGateway } from "../gateway-check.ts";
import { readSecretFile, show, type Setup } from "./setup.ts";

/** What the command line says of it. @throws CommandError */
export function takeGateway({ draft, options }: Setup): void {
  const { gatewayUrl: url, gatewayTokenFile: file } = options;
  if (url !== undefined && !isUrl(url))
    throw new CommandError(EXIT.usage, `--gateway-url: "${url}" ${NO_URL}`);
  if (url !== undefined) draft.set("gateway.url", url);
  if (file !== undefined) draft.set("gateway.token", readSecretFile(file, "--gateway-token-file"));
}

/** Which agent answers. One on this machine is found; it may also be started later. */
export async function settleGateway(setup: Setup): Promise<void> {
  const { draft, prompt, io } = setup;
  for (;;) {
    const check = await checkGateway(draft.gateway, draft.stateDir, io.signal);
    show(setup, check);
    if (check.ok || check.kind === "pairing" || check.kind === "starting") return;
    if (!prompt.canAsk) {
      // Nothing is wrong with what was answered: a gateway may be started after this.
      if (check.kind === "unreachable") return;
      throw new CommandError(check.exitCode, check.detail, { hint: check.hint });
    }
    const isChanged = check.kind === "refused" ? await askToken(setup) : await askUrl(setup);
    if (!isChanged) return;
  }
}

async function askUrl(setup: Setup): Promise<boolean> {
  const { draft, prompt } = setup;
  const { url: present } = draft.gateway;
  for (;;) {
    const text = `Address of an OpenClaw gateway, or Enter to start one at ${showUrl(present)} later`;
    const answer = await prompt.ask({ text, flag: "--gateway-url", fallback: "" });
    if (answer === "") return false;
    if (!isUrl(answer)) {
      prompt.say(`  "${answer}" ${NO_URL}`);
      continue;
    }
    refuseOverridden(setup, "gateway.url");
    draft.set("gateway.url", answer);
    if (!isLoopback(answer)) await askToken(setup);
    return true;
  }
}

async function askToken(setup: Setup): Promise<boolean> {
  const text = "Token of the gateway (gateway.auth.token there), or Enter to leave it; it is not shown";
  const token = await setup.prompt.ask({ text, flag: "--gateway-token-file", fallback: "", isSecret: true });
  if (token === "") return false;
  refuseOverridden(setup, "gateway.token");
  setup.draft.set("gateway.token", token);
  return true;
}

function refuseOverridden({ draft }: Setup, name: string): void {
  const variable = draft.variable(name);
  if (variable !== undefined)
    throw new CommandError(EXIT.config, `${variable} in the environment wins over every answer`, {
      hint: `correct ${variable}, or unset it`,
    });
}

const NO_URL = "is no WebSocket address such as ws://127.0.0.1:18789";

function isUrl(text: string): boolean {
  return URL.canParse(text) && /^wss?:$/.test(new URL(text).protocol);
}
