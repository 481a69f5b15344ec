import { z } from "zod";
import { systemClock } from "../../src/clock.ts";
import { loadConfig, requireKapso, type Config } from "../../src/config/config.ts";
import { describeError, RelayError } from "../../src/errors.ts";
import { Device } from "../../src/gateway/device.ts";
import { OpenClawGateway } from "../../src/gateway/openclaw.ts";
import { diagnose } from "../../src/gateway/diagnosis.ts";
import { createFetch } from "../../src/http.ts";
import { silentLog } from "../../src/log.ts";
import { knownRegistration } from "../../src/source/registration.ts";
import { Store } from "../../src/store/store.ts";
import { readWebhookSecret } from "../../src/store/webhook-secret.ts";
import { showUrl } from "../../src/url.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection, ApiError } from "../../src/whatsapp/connection.ts";
import { KapsoWebhooks, type KapsoWebhook } from "../../src/whatsapp/kapso-webhooks.ts";
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
  if (config.delivery.register)
    yield await attempt("register", async () => {
      const webhooks = new KapsoWebhooks(connection);
      return describeRegistration(await webhooks.list(signal), knownRegistration(store.facts)?.id, url);
    });
  yield await attempt("webhook", async () => {
    if (url === undefined)
      throw new RelayError("The public address of the webhook is not known", {
        hint:
          config.delivery.mode === "tailscale"
            ? "start wa-poller, which starts the Funnel; wa-cli status tells what it waits for"
            : "set webhook.url (WA_WEBHOOK_URL)",
      });
    const secret = config.webhook.secret ?? readWebhookSecret(config.state.dir);
    return probeWebhook({ url, secret, facts: store.facts }, signal);
  });
}

function describeRegistration(
  all: readonly KapsoWebhook[],
  knownId: string | undefined,
  url: string | undefined,
): string {
  const ours = all.find(({ id }) => id === knownId) ?? all.find((webhook) => webhook.url === url);
  const hint = "wa-cli webhook register, or start wa-poller";
  if (!ours) throw new RelayError("No webhook of ours is registered with Kapso", { hint });
  if (ours.active === false) throw new RelayError(`Kapso has paused webhook ${ours.id}`, { hint });
  if (url !== undefined && ours.url !== url)
    throw new RelayError(`Webhook ${ours.id} delivers to another address: ${ours.url ?? "?"}`, { hint });
  return `webhook ${ours.id} is active at Kapso`;
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
      hint: hint ?? "check the network, and kapso.base_url (KAPSO_BASE_URL)",
      exitCode: error instanceof ApiError ? exitCodeOfFailure(error.failure) : EXIT.failed,
    };
  }
}

function passed(name: string, detail: string): Check {
  return { name, ok: true, detail, exitCode: EXIT.done };
}
