import { systemClock } from "../../src/clock.ts";
import type { Provider } from "../../src/config/account.ts";
import { ApiConnection, ApiError } from "../../src/whatsapp/connection.ts";
import { MetaAccount } from "../../src/whatsapp/meta-account.ts";
import { listKapsoNumbers, listMetaNumbers, type ListedNumber } from "../../src/whatsapp/numbers.ts";
import { attempt, passed, type Check } from "../check.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { checkKapso } from "../kapso-checks.ts";
import { judgeHealth, judgeNumber, judgeRights, judgeToken, NEW_TOKEN } from "../meta-judgement.ts";
import { choose } from "./choose.ts";
import { faultOfSecret, readSecretFile, refuseUnlessAsked, verify, type Setup } from "./setup.ts";

const KEY = {
  kapso: { name: "kapso.api_key", text: "Kapso's project API key (dashboard, Integrations, API keys)" },
  meta: {
    name: "meta.access_token",
    text: "Access token of a system user (Meta's Business settings, System users, Generate token)",
  },
} as const;
const COPY = "copy it again: Kapso dashboard, Integrations, API keys";
const WRONG_NUMBER =
  "it is the id, not the phone number: 15 digits or so, in the dashboard beside the number";

/** What the command line says of it. Whose key and number those are can be asked later. @throws CommandError */
export function takeAccount({ draft, options }: Setup): void {
  const { provider, keyFile, phoneNumberId: id } = options;
  if (provider !== undefined) draft.set(".provider", provider);
  if (keyFile !== undefined) readSecretFile(keyFile, "--key-file");
  if (id !== undefined && asId(id) === undefined)
    throw new CommandError(EXIT.usage, `--phone-number-id: "${id}" is none`, { hint: WRONG_NUMBER });
}

/** Who carries the messages, the key, and our number. */
export async function settleAccount(setup: Setup): Promise<void> {
  const provider = await settleProvider(setup);
  const numbers = await settleKey(setup, provider);
  await settleNumber(setup, provider, numbers);
}

async function settleProvider({ draft, prompt }: Setup): Promise<Provider> {
  const credentials = Object.values(KEY).filter(({ name }) => draft.text(name) !== undefined);
  if (draft.text(".provider") === undefined && credentials.length !== 1)
    draft.set(
      ".provider",
      await choose(prompt, { text: "Who carries the messages?", flag: "--provider", fallback: "kapso" }, [
        { value: "kapso", label: "Kapso (kapso.ai): polling works, nothing has to be reachable" },
        { value: "meta", label: "Meta's own Cloud API: needs Tailscale or a domain" },
      ]),
    );
  return draft.provider;
}

/** Asks for a key until one is taken. Returns the numbers that it can see. */
async function settleKey(setup: Setup, provider: Provider): Promise<readonly ListedNumber[]> {
  const { draft, options } = setup;
  const { name } = KEY[provider];
  if (options.keyFile !== undefined) draft.set(name, readSecretFile(options.keyFile, "--key-file"));
  for (;;) {
    const known = draft.text(name);
    const key = known ?? (await askKey(setup, provider));
    let numbers: readonly ListedNumber[] = [];
    const failed = await verify(setup, async () => {
      const found = await checkKey(setup, provider, key);
      ({ numbers } = found);
      return [found.check];
    });
    if (failed === undefined) {
      if (known === undefined) draft.set(name, key);
      return numbers;
    }
    if (known !== undefined) refuseUnlessAsked(setup, name, failed);
  }
}

async function askKey({ prompt }: Setup, provider: Provider): Promise<string> {
  for (;;) {
    const text = `${KEY[provider].text}; it is not shown`;
    const key = await prompt.ask({ text, flag: "--key-file", isSecret: true });
    const fault = faultOfSecret(key);
    if (fault === undefined) return key;
    prompt.say(`  It ${fault}`);
  }
}

async function checkKey(
  setup: Setup,
  provider: Provider,
  key: string,
): Promise<{ readonly check: Check; readonly numbers: readonly ListedNumber[] }> {
  const { signal } = setup.io;
  const connection = connect(setup, provider, key, "0");
  let numbers: readonly ListedNumber[] = [];
  const check = await attempt(
    "key",
    async () => {
      if (provider === "kapso") {
        numbers = await listKapsoNumbers(connection, signal);
        return `Kapso takes it, and shows ${count(numbers)}`;
      }
      const token = await new MetaAccount(connection).token(key, signal);
      const judged = judgeToken(token, Date.now() / 1000);
      judgeRights(token.scopes ?? []);
      const accounts = (token.granular_scopes ?? []).flatMap(({ target_ids: ids }) => ids ?? []);
      numbers = await numbersOf(connection, [...new Set(accounts)], signal);
      return judged;
    },
    provider === "meta" ? NEW_TOKEN : COPY,
  );
  signal.throwIfAborted();
  const { exitCode } = check;
  // A key that may not list numbers may still be of use: the number itself is asked for next.
  if (exitCode === EXIT.credentials && provider === "kapso")
    return { check: { ...check, hint: COPY }, numbers };
  if (check.ok || exitCode !== EXIT.failed) return { check, numbers };
  return { check: passed("key", `not refused, but it lists no numbers: ${check.detail}`), numbers };
}

async function numbersOf(
  connection: ApiConnection,
  accounts: readonly string[],
  signal: AbortSignal,
): Promise<readonly ListedNumber[]> {
  const all = await Promise.all(
    accounts.map(async (account) =>
      listMetaNumbers(connection, account, signal).catch((error: unknown) => {
        // An app is a target too, and has no numbers.
        if (error instanceof ApiError) return [];
        throw error;
      }),
    ),
  );
  return all.flat();
}

async function settleNumber(
  setup: Setup,
  provider: Provider,
  numbers: readonly ListedNumber[],
): Promise<void> {
  const { draft, options } = setup;
  const name = `${provider}.phone_number_id`;
  if (options.phoneNumberId !== undefined) draft.set(name, options.phoneNumberId);
  for (;;) {
    const known = draft.text(name);
    const id = known ?? (await askNumber(setup, provider, numbers));
    const failed = await verify(setup, async () => checkNumber(setup, provider, id));
    // What is wrong with a number that the key can see is not the answer.
    if (failed === undefined || numbers.some((one) => one.id === id)) {
      if (known === undefined) draft.set(name, id);
      return;
    }
    if (known !== undefined) refuseUnlessAsked(setup, name, failed);
  }
}

async function askNumber(
  { prompt }: Setup,
  provider: Provider,
  numbers: readonly ListedNumber[],
): Promise<string> {
  const where =
    provider === "kapso"
      ? "Kapso dashboard, WhatsApp, your number"
      : "Meta's app dashboard, WhatsApp, API setup";
  const flag = "--phone-number-id";
  const choices = numbers.map(({ id, phone, name }) => ({
    value: id,
    label: [phone, name, `(id ${id})`].filter((part) => part !== undefined).join(" "),
  }));
  if (choices.length > 0) {
    const fallback = choices.length === 1 ? choices[0]?.value : undefined;
    return choose(prompt, { text: "Which number?", flag, fallback }, choices, asId);
  }
  for (;;) {
    const id = asId(await prompt.ask({ text: `Phone number id (${where})`, flag }));
    if (id !== undefined) return id;
    prompt.say(`  ${WRONG_NUMBER}`);
  }
}

async function checkNumber(setup: Setup, provider: Provider, id: string): Promise<readonly Check[]> {
  const { signal } = setup.io;
  const connection = connect(setup, provider, setup.draft.text(KEY[provider].name) ?? "", id);
  const checks: Check[] = [];
  if (provider === "kapso") for await (const check of checkKapso(connection, signal)) checks.push(check);
  else {
    const account = new MetaAccount(connection);
    const number = await attempt(
      "number",
      async () => judgeNumber(await account.number(signal)),
      WRONG_NUMBER,
    );
    checks.push(number);
    if (number.ok)
      checks.push(await attempt("health", async () => judgeHealth(await account.health(signal))));
  }
  signal.throwIfAborted();
  // Each says the same of a number that there is not.
  const failed = checks.findIndex(({ ok }) => !ok);
  return failed === -1 ? checks : checks.slice(0, failed + 1);
}

function asId(text: string): string | undefined {
  return /^\d{5,20}$/.test(text) ? text : undefined;
}

function connect(
  { draft, fetch }: Setup,
  provider: Provider,
  apiKey: string,
  phoneNumberId: string,
): ApiConnection {
  const baseUrl = draft.text(`${provider}.base_url`) ?? "";
  const graphVersion = (provider === "meta" ? draft.text("meta.graph_version") : undefined) ?? "v24.0";
  return new ApiConnection(
    { provider, apiKey, phoneNumberId, baseUrl, graphVersion },
    { fetch, clock: systemClock },
  );
}

function count(numbers: readonly unknown[]): string {
  return numbers.length === 1 ? "one number" : `${numbers.length} numbers`;
}
