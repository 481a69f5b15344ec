import { requireAccount, requireInbound } from "../src/config/account.ts";
import { type Config } from "../src/config/config.ts";
import { ConfigError, RelayError } from "../src/errors.ts";
import type { ApiConnection } from "../src/whatsapp/connection.ts";
import { MetaAccount, type MetaHealth, type MetaToken } from "../src/whatsapp/meta-account.ts";
import { attempt, type Check, type Passed } from "./check.ts";
import { EXIT } from "./exit-code.ts";
import {
  judgeCallbacks,
  judgeHealth,
  judgeNumber,
  judgeRights,
  judgeToken,
  NEW_TOKEN,
} from "./meta-judgement.ts";
import { probeVerification } from "./probe.ts";

export interface MetaCheckParts {
  readonly config: Config;
  readonly connection: ApiConnection;
  /** Our public address, if it is known. */
  readonly url: string | undefined;
  /** Mend what can be mended from here. */
  readonly fix: boolean;
}

const WRONG_NUMBER =
  "check WHATSAPP_PHONE_NUMBER_ID (the id, not the phone number), and that the token's system user may use its account";

/** What is missing for messages to come in; without it wa-poller does not start. */
export function* checkInbound(config: Config): Generator<Check> {
  try {
    requireInbound(config);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const detail of error.problems)
      yield {
        name: "inbound",
        ok: false,
        detail,
        hint: "set it: wa-poller does not start without it",
        exitCode: EXIT.config,
      };
  }
}

/** What Meta says of the token, of the number and of where its webhooks go. */
export async function* checkMeta(parts: MetaCheckParts, signal: AbortSignal): AsyncGenerator<Check> {
  const { config, connection, url } = parts;
  const account = new MetaAccount(connection);
  const known: { token?: MetaToken; health?: MetaHealth } = {};
  const token = await attempt(
    "token",
    async () => {
      known.token = await account.token(requireAccount(config).apiKey, signal);
      return judgeToken(known.token, Date.now() / 1000);
    },
    NEW_TOKEN,
  );
  yield token;
  // Every other answer would say the same.
  if (token.exitCode === EXIT.credentials || token.exitCode === EXIT.temporary) return;
  if (known.token) {
    const { scopes } = known.token;
    yield await attempt("rights", async () => judgeRights(scopes ?? []));
  }
  yield await attempt("number", async () => judgeNumber(await account.number(signal)), WRONG_NUMBER);
  yield await attempt(
    "health",
    async () => judgeHealth((known.health = await account.health(signal))),
    WRONG_NUMBER,
  );
  if (known.token) {
    const ids = { app: known.token.app_id ?? undefined, account: accountOf(known.token, known.health) };
    yield await attempt("app", async () => checkApp(account, ids, parts.fix, signal), WRONG_NUMBER);
  }
  yield await attempt(
    "callback",
    async () => judgeCallbacks(await account.callbacks(signal), url),
    WRONG_NUMBER,
  );
}

/** Asks our own address what Meta asks when the address is given to it. */
export async function checkVerification(config: Config, url: string, signal: AbortSignal): Promise<Check> {
  const token = config.webhook.verifyTokens.at(-1) ?? "";
  return attempt("verify", async () => probeVerification({ url, token }, signal));
}

/** The WhatsApp Business Account that the number belongs to. */
function accountOf(
  { granular_scopes: rights }: MetaToken,
  health: MetaHealth | undefined,
): string | undefined {
  const told = health?.entities?.find(({ entity_type: type }) => type === "WABA")?.id;
  if (told) return told;
  const ids = (rights ?? []).flatMap(({ scope, target_ids: targets }) =>
    scope?.startsWith("whatsapp_business_") ? (targets ?? []) : [],
  );
  // With more than one, nothing tells whose the number is.
  return new Set(ids).size === 1 ? ids[0] : undefined;
}

async function checkApp(
  account: MetaAccount,
  { app, account: id }: { readonly app: string | undefined; readonly account: string | undefined },
  fix: boolean,
  signal: AbortSignal,
): Promise<Passed> {
  if (app === undefined || id === undefined)
    throw new RelayError(`Meta does not tell the id of our ${app === undefined ? "app" : "account"}`, {
      hint: "give the token's system user the WhatsApp account: Meta's Business settings, System users, Assign assets",
    });
  const isThere = async () => (await account.apps(id, signal)).includes(app);
  if (await isThere()) return { detail: `app ${app} gets the webhooks of account ${id}` };
  if (!fix)
    throw new RelayError(`App ${app} is not subscribed to account ${id}: no message will arrive`, {
      hint: "wa-cli preflight --fix",
    });
  await account.subscribe(id, signal);
  if (!(await isThere()))
    throw new RelayError(`Meta took the subscription of app ${app} to account ${id}, and does not show it`, {
      hint: "try again in a minute",
    });
  return { detail: `app ${app} gets the webhooks of account ${id}: subscribed just now`, fixed: true };
}
