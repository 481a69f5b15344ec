import { systemClock } from "../../src/clock.ts";
import { requireAccount } from "../../src/config/account.ts";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { NOBODY_HINT } from "../../src/config/security.ts";
import { RelayError } from "../../src/errors.ts";
import { createFetch } from "../../src/http.ts";
import { Store } from "../../src/store/store.ts";
import { readWebhookSecrets } from "../../src/store/webhook-secret.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import { attempt, passed, type Check } from "../check.ts";
import { CommandError } from "../exit-code.ts";
import { checkGateway } from "../gateway-check.ts";
import { paint, print, type Io } from "../io.ts";
import { checkKapso, checkRegistration } from "../kapso-checks.ts";
import { checkInbound, checkMeta, checkVerification } from "../meta-checks.ts";
import { probeWebhook } from "../probe.ts";
import { publicUrl } from "../public-url.ts";
import { checkService } from "../service.ts";

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly fix?: boolean;
}

/** Proves each link of the chain, with the real calls; nothing is sent to anybody. */
export async function preflight(io: Io, options: Options): Promise<void> {
  const config = loadConfig({ env: io.env, file: options.config });
  requireAccount(config);
  const checks: Check[] = [];
  for await (const check of runChecks(config, options.fix === true, io)) {
    checks.push(check);
    if (!options.json) tell(io, check);
  }
  const failed = checks.find((check) => !check.ok);
  const json = {
    ok: failed === undefined,
    checks: checks.map(({ name, ok, detail, hint, fixed }) => ({ name, ok, detail, hint, fixed })),
  };
  if (failed) throw new CommandError(failed.exitCode, `${failed.name} is not ready`, { report: json });
  const warned = checks.some((check) => check.hint !== undefined);
  print(
    io,
    { json, text: warned ? "Ready, but see the line marked with !" : "Everything is ready" },
    options.json,
  );
}

function tell(io: Io, { name, ok, detail, hint }: Check): void {
  const color = paint(io);
  const good = hint === undefined ? color("✓", "green") : color("!", "yellow");
  const line = `${ok ? good : color("✗", "red")} ${name.padEnd(9)}${detail}`;
  print(io, { json: undefined, text: hint === undefined ? [line] : [line, `  → ${hint}`] }, false);
}

async function* runChecks(config: Config, fix: boolean, io: Io): AsyncGenerator<Check> {
  const { signal } = io;
  const { open, roles } = config.security;
  yield {
    ...passed("config", config.file ?? "environment only"),
    ...(!open && roles.size === 0 && { hint: `nobody may write yet: ${NOBODY_HINT}` }),
  };
  yield* checkInbound(config);
  await using stack = new AsyncDisposableStack();
  const state: { store?: Store } = {};
  yield await attempt("state", async () => {
    state.store = stack.use(Store.open(config.state.dir));
    return config.state.dir;
  });
  yield* checkService(io);
  const { store } = state;
  const fetch = stack.use(createFetch());
  const connection = new ApiConnection(requireAccount(config), { fetch, clock: systemClock });
  const url = store && publicUrl(config, store);
  yield* config.provider === "meta"
    ? checkMeta({ config, connection, url, fix }, signal)
    : checkKapso(connection, signal);
  yield await checkGateway(config.gateway, config.state.dir, signal);
  if (store && config.delivery.mode !== "polling")
    yield* checkWebhook({ config, connection, store, url }, signal);
}

interface WebhookCheckParts {
  readonly config: Config;
  readonly connection: ApiConnection;
  readonly store: Store;
  /** Our public address, if it is known. */
  readonly url: string | undefined;
}

/** The registration, and the way from the internet to the running daemon: by a message to ourselves. */
async function* checkWebhook(parts: WebhookCheckParts, signal: AbortSignal): AsyncGenerator<Check> {
  const { config, store, url } = parts;
  const isMeta = config.provider === "meta";
  const { ours: secret } = readWebhookSecrets(config.state.dir, config.webhook);
  if (config.webhook.register && url !== undefined) yield await checkRegistration(parts, url, signal);
  if (isMeta && url !== undefined && config.webhook.verifyTokens.length > 0)
    yield await checkVerification(config, url, signal);
  if (secret === undefined) {
    // That Meta's webhooks can not be verified is told at the start.
    if (isMeta) return;
    return yield {
      ...passed("webhook", "webhooks are not signed, so each one only starts a poll"),
      hint: "set webhook.secret (KAPSO_WEBHOOK_SECRET), or webhook.url to have one registered",
    };
  }
  yield await attempt("webhook", async () => {
    if (url === undefined)
      throw new RelayError("The public address of the webhook is not known", {
        hint:
          config.delivery.mode === "tailscale"
            ? "start wa-poller, which starts the Funnel; wa-cli status tells what it waits for"
            : "set webhook.url (WA_WEBHOOK_URL)",
      });
    return probeWebhook({ url, secret, facts: store.facts }, signal);
  });
}
