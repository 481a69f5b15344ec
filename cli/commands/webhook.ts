import { systemClock } from "../../src/clock.ts";
import { requireAccount } from "../../src/config/account.ts";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { withPath } from "../../src/config/webhook.ts";
import { createFetch } from "../../src/http.ts";
import { publicUrl } from "../public-url.ts";
import {
  forgetRegistration,
  knownRegistration,
  register as registerWebhook,
} from "../../src/source/registration.ts";
import { Store } from "../../src/store/store.ts";
import { DaemonLock } from "../../src/store/lock.ts";
import { makeWebhookSecret, readWebhookSecrets } from "../../src/store/webhook-secret.ts";
import { showUrl } from "../../src/url.ts";
import { ApiConnection, ApiError } from "../../src/whatsapp/connection.ts";
import { KapsoWebhooks } from "../../src/whatsapp/kapso-webhooks.ts";
import { CommandError, EXIT, exitCodeOfFailure } from "../exit-code.ts";
import { print, type Io } from "../io.ts";

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

/** Everybody's webhooks of our number, ours marked; secrets are not shown. */
export async function list(io: Io, options: Options): Promise<void> {
  await withWebhooks(io, options, async ({ webhooks, store }) => {
    const ours = knownRegistration(store.facts)?.id;
    const rows = (await webhooks.list(io.signal)).map(
      ({ id, url, kind, active, events, payload_version: version }) => ({
        id,
        ours: id === ours,
        url: url ? showUrl(url) : undefined,
        kind: kind ?? "kapso",
        active: active ?? undefined,
        payloadVersion: version ?? undefined,
        events: events ?? [],
      }),
    );
    const text = rows.flatMap((row) => [
      `${row.ours ? "*" : " "} ${row.id}  ${row.active === false ? "PAUSED" : "active"}  ${row.url ?? "?"}`,
      `    ${row.kind} ${row.payloadVersion ?? ""}: ${row.events.join(", ")}`,
    ]);
    const legend = ours === undefined ? [] : ["* is ours"];
    print(
      io,
      {
        json: rows,
        text: [...text, ...(rows.length === 0 ? ["No webhook is registered"] : legend)],
      },
      options.json,
    );
  });
}

/** Registers ours, moves it, or switches it on again. */
export async function register(io: Io, options: Options & { readonly url?: string }): Promise<void> {
  await withWebhooks(io, options, async ({ webhooks, store, config }) => {
    const given =
      options.url !== undefined && URL.canParse(options.url) ? withPath(options.url) : options.url;
    const url = given ?? publicUrl(config, store);
    if (url === undefined)
      throw new CommandError(EXIT.usage, "The public address is not known", {
        hint: 'give it: --url https://bot.example.com/webhook; or set webhook.url, or start wa-poller with delivery.mode = "tailscale"',
      });
    if (!/^https:\/\/[^/]+\/./.test(url))
      throw new CommandError(
        EXIT.usage,
        `"${url}" is no https address, such as https://bot.example.com/webhook`,
      );
    const { ours } = readWebhookSecrets(config.state.dir, config.webhook);
    const secret = ours ?? makeWebhookSecret(config.state.dir);
    const isNews = ours === undefined && DaemonLock.isHeld(config.state.dir);
    const { id, done } = await registerWebhook(
      { webhooks, facts: store.facts, now: Date.now() },
      { url, secret },
      io.signal,
    );
    const shown = showUrl(url);
    const line = `Webhook ${id} ${done === "unchanged" ? "is registered" : done}: ${shown}`;
    const next = isNews ? ["→ restart wa-poller: it does not know the new secret yet"] : [];
    print(io, { json: { id, url: shown, done, restart: isNews }, text: [line, ...next] }, options.json);
  });
}

/** Takes ours away; without one of ours nothing happens. */
export async function remove(io: Io, options: Options): Promise<void> {
  await withWebhooks(io, options, async ({ webhooks, store, config }) => {
    const ours = knownRegistration(store.facts);
    if (ours === undefined)
      return print(io, { json: { id: null }, text: "No webhook of this number is ours" }, options.json);
    // Somebody may have removed it in the dashboard.
    const isThere = (await webhooks.list(io.signal)).some(({ id }) => id === ours.id);
    if (isThere) await webhooks.remove(ours.id, io.signal);
    await forgetRegistration(store.facts);
    const hint = config.webhook.register
      ? "; wa-poller registers it again, unless delivery.register = false"
      : "";
    print(io, { json: { id: ours.id }, text: [`Webhook ${ours.id} removed${hint}`] }, options.json);
  });
}

interface Tools {
  readonly config: Config;
  readonly store: Store;
  readonly webhooks: KapsoWebhooks;
}

async function withWebhooks(
  io: Io,
  { config: file }: Options,
  run: (tools: Tools) => Promise<void>,
): Promise<void> {
  const config = loadConfig({ env: io.env, file });
  const account = requireAccount(config);
  if (account.provider === "meta")
    throw new CommandError(EXIT.usage, 'With provider = "meta" there are no webhooks to manage from here', {
      hint: "give Meta the address and the verify token in its app dashboard (WhatsApp, Configuration); wa-cli preflight checks it",
    });
  using store = Store.open(config.state.dir);
  await using fetch = createFetch();
  const webhooks = new KapsoWebhooks(new ApiConnection(account, { fetch, clock: systemClock }));
  try {
    await run({ config, store, webhooks });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new CommandError(exitCodeOfFailure(error.failure), error.message, { hint: error.hint });
  }
}
