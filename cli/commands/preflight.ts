import { z } from "zod";
import { systemClock } from "../../src/clock.ts";
import { loadConfig, requireKapso, type Config } from "../../src/config/config.ts";
import { describeError, RelayError } from "../../src/errors.ts";
import { Device } from "../../src/gateway/device.ts";
import { OpenClawGateway } from "../../src/gateway/openclaw.ts";
import { diagnose } from "../../src/gateway/diagnosis.ts";
import { createFetch } from "../../src/http.ts";
import { silentLog } from "../../src/log.ts";
import { judge, knownRegistration } from "../../src/source/registration.ts";
import { Store } from "../../src/store/store.ts";
import { readWebhookSecrets } from "../../src/store/webhook-secret.ts";
import { showUrl } from "../../src/url.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection, ApiError } from "../../src/whatsapp/connection.ts";
import { KapsoWebhooks } from "../../src/whatsapp/kapso-webhooks.ts";
import { CommandError, EXIT, exitCodeOfFailure, type ExitCode } from "../exit-code.ts";
import { paint, print, type Io } from "../io.ts";
import { probeWebhook } from "../probe.ts";
import { publicUrl } from "../public-url.ts";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** The one next step. */
  readonly hint?: string | undefined;
  readonly exitCode: ExitCode;
}

const GATEWAY_TIMEOUT_MS = 20_000;

const number = z.looseObject({
  data: z.looseObject({
    display_phone_number: z.string().nullish(),
    status: z.string().nullish(),
    inbound_processing_enabled: z.boolean().nullish(),
  }),
});

/** Proves each link of the chain, with the real calls; nothing is sent to anybody. */
export async function preflight(
  io: Io,
  options: { readonly config?: string; readonly json?: boolean },
): Promise<void> {
  const config = loadConfig({ env: io.env, file: options.config });
  requireKapso(config);
  const checks: Check[] = [];
  const color = paint(io);
  for await (const check of runChecks(config, io.signal)) {
    checks.push(check);
    if (options.json) continue;
    const mark = check.ok
      ? check.hint === undefined
        ? color("✓", "green")
        : color("!", "yellow")
      : color("✗", "red");
    io.stdout.write(`${mark} ${check.name.padEnd(9)}${check.detail}\n`);
    if (check.hint !== undefined) io.stdout.write(`  → ${check.hint}\n`);
  }
  const failed = checks.find((check) => !check.ok);
  const json = {
    ok: failed === undefined,
    checks: checks.map(({ name, ok, detail, hint }) => ({ name, ok, detail, hint })),
  };
  if (failed) throw new CommandError(failed.exitCode, `${failed.name} is not ready`, { report: json });
  const warned = checks.some((check) => check.hint !== undefined);
  print(
    io,
    { json, text: warned ? "Ready, but see the line marked with !" : "Everything is ready" },
    options.json,
  );
}

async function* runChecks(config: Config, signal: AbortSignal): AsyncGenerator<Check> {
  const { open, roles } = config.security;
  yield {
    ...passed("config", config.file ?? "environment only"),
    ...(!open &&
      roles.size === 0 && { hint: "nobody may write yet: set KAPSO_ALLOWED_NUMBERS=+15551234567" }),
  };
  yield await attempt("state", async () => {
    Store.open(config.state.dir)[Symbol.dispose]();
    return config.state.dir;
  });
  await using fetch = createFetch();
  const connection = new ApiConnection(requireKapso(config), { fetch, clock: systemClock });
  const api = new CloudApi(connection);
  yield await attempt("number", async () => describeNumber(await api.number(signal)));
  yield await attempt("listing", async () => {
    await api.list({ direction: "inbound", since: Date.now() - 60_000 }, signal);
    return "the key may read messages";
  });
  yield await checkGateway(config, signal);
  if (config.delivery.mode !== "polling") yield* checkWebhook(config, connection, signal);
}

function describeNumber(found: unknown): string {
  const parsed = number.safeParse(found);
  if (!parsed.success)
    throw new RelayError("The address does not answer like Kapso", {
      hint: "check kapso.base_url (KAPSO_BASE_URL)",
    });
  const { data } = parsed.data;
  if (data.inbound_processing_enabled === false)
    throw new RelayError("Kapso does not process inbound messages of this number", {
      hint: "turn it on in the Kapso dashboard",
    });
  if (data.status && data.status !== "CONNECTED")
    throw new RelayError(`The number is ${data.status}`, { hint: "connect it in the Kapso dashboard" });
  return data.display_phone_number ?? "known to Kapso";
}

async function checkGateway({ gateway, state }: Config, signal: AbortSignal): Promise<Check> {
  try {
    const client = new OpenClawGateway(gateway, {
      loadDevice: () => Device.load(state.dir),
      clock: systemClock,
      log: silentLog,
      onState: () => {},
    });
    const { version, scopes } = await client.connectOnce(
      AbortSignal.any([signal, AbortSignal.timeout(GATEWAY_TIMEOUT_MS)]),
    );
    return passed("gateway", `OpenClaw ${version} at ${showUrl(gateway.url)} grants ${scopes.join(", ")}`);
  } catch (error) {
    const { kind, message, hint } = diagnose(error, gateway.url);
    const exitCode = kind === "refused" || kind === "pairing" ? EXIT.credentials : EXIT.temporary;
    return { name: "gateway", ok: false, detail: message, hint, exitCode };
  }
}

/** The registration, and the way from the internet to the running daemon: by a message to ourselves. */
async function* checkWebhook(
  config: Config,
  connection: ApiConnection,
  signal: AbortSignal,
): AsyncGenerator<Check> {
  using store = Store.open(config.state.dir);
  const url = publicUrl(config, store);
  const { ours: secret } = readWebhookSecrets(config.state.dir, config.webhook);
  if (config.webhook.register && url !== undefined)
    yield await attempt("register", async () => {
      const all = await new KapsoWebhooks(connection).list(signal);
      return describeRegistration(judge(all, knownRegistration(store.facts), { url, secret: secret ?? "" }));
    });
  if (secret === undefined)
    return yield {
      ...passed("webhook", "webhooks are not signed, so each one only starts a poll"),
      hint: "set webhook.secret (KAPSO_WEBHOOK_SECRET), or webhook.url to have one registered",
    };
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

function describeRegistration({ found, needs }: ReturnType<typeof judge>): string {
  const id = found?.id ?? "?";
  if (needs === "unchanged") return `webhook ${id} is active at Kapso`;
  const messages = {
    created: "No webhook of ours is registered with Kapso",
    moved: `Webhook ${id} delivers to another address: ${found?.url ?? "?"}`,
    enabled: `Kapso has paused webhook ${id}`,
    updated: `Webhook ${id} has other events, another payload version or another secret than it needs`,
  };
  throw new RelayError(messages[needs], { hint: "wa-cli webhook register, or start wa-poller" });
}

async function attempt(name: string, check: () => Promise<string>): Promise<Check> {
  try {
    return passed(name, await check());
  } catch (error) {
    const hint = error instanceof RelayError ? error.hint : undefined;
    return {
      name,
      ok: false,
      detail: describeError(error),
      hint: hint ?? "wa-cli status tells more",
      exitCode: error instanceof ApiError ? exitCodeOfFailure(error.failure) : EXIT.failed,
    };
  }
}

function passed(name: string, detail: string): Check {
  return { name, ok: true, detail, exitCode: EXIT.done };
}
