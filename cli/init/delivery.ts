import { randomBytes } from "node:crypto";
import { childEnvironment } from "../../src/child-environment.ts";
import { withPath } from "../../src/config/webhook.ts";
import { Tailscale } from "../../src/funnel/tailscale.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { choose } from "./choose.ts";
import { faultOfSecret, readSecretFile, type Setup } from "./setup.ts";

/** What the command line says of it. @throws CommandError */
export function takeDelivery({ draft, options }: Setup): void {
  const { mode, url: address, appSecretFile, verifyTokenFile } = options;
  if (mode !== undefined) draft.set("delivery.mode", mode);
  const url = address === undefined ? undefined : readUrl(address);
  if (url !== undefined) draft.set("webhook.url", url);
  else if (address !== undefined) throw new CommandError(EXIT.usage, `--url: "${address}" ${NO_URL}`);
  if (appSecretFile !== undefined)
    draft.set("meta.app_secret", readSecretFile(appSecretFile, "--app-secret-file"));
  if (verifyTokenFile !== undefined)
    draft.set("meta.verify_token", readSecretFile(verifyTokenFile, "--verify-token-file"));
}

/** How messages come in, and what that needs. */
export async function settleDelivery(setup: Setup): Promise<void> {
  const { draft } = setup;
  const isMeta = draft.provider === "meta";
  const isSaid = draft.isSaid("delivery.mode") && !(isMeta && draft.text("delivery.mode") === "polling");
  if (!isSaid) draft.set("delivery.mode", await askMode(setup, isMeta));
  if (draft.text("delivery.mode") === "domain") await settleUrl(setup);
  if (isMeta) await settleMetaWebhook(setup);
}

async function askMode(setup: Setup, isMeta: boolean): Promise<string> {
  const { prompt } = setup;
  const found = await findTailscale(setup);
  const polling = { value: "polling", label: "polling: nothing else is needed, takes up to 30 s" };
  const choices = [
    { value: "tailscale", label: `tailscale: at once, through a Funnel (${found.text})` },
    { value: "domain", label: "domain: at once, through an https address of yours that leads here" },
  ];
  const fallback = isMeta ? (found.isRunning ? "tailscale" : undefined) : "polling";
  const question = { text: "How do messages come in?", flag: "--mode", fallback };
  const mode = await choose(prompt, question, isMeta ? choices : [polling, ...choices]);
  if (mode === "tailscale" && found.hint !== undefined)
    prompt.say(`! tailscale ${found.text}\n  → ${found.hint}`);
  return mode;
}

async function findTailscale({ draft, io }: Setup) {
  const bin = Tailscale.find(draft.text("tailscale.bin"), io.env["PATH"] ?? "");
  if (bin === undefined)
    return {
      isRunning: false,
      text: "not on this machine yet",
      hint: "install it: https://tailscale.com/download",
    };
  const state = await new Tailscale(bin, childEnvironment(io.env)).status(io.signal);
  if (state.kind !== "running") return { isRunning: false, text: state.message, hint: state.hint };
  return { isRunning: true, text: `this machine is ${state.dnsName}`, hint: undefined };
}

async function settleUrl({ draft, prompt }: Setup): Promise<void> {
  while (draft.text("webhook.url") === undefined) {
    const text = "Public address, such as https://bot.example.com/webhook";
    const answer = await prompt.ask({ text, flag: "--url" });
    const url = readUrl(answer);
    if (url === undefined) prompt.say(`  "${answer}" ${NO_URL}`);
    else draft.set("webhook.url", url);
  }
}

const NO_URL = "is no https address";

function readUrl(text: string): string | undefined {
  const url = text.includes("://") ? text : `https://${text}`;
  return URL.canParse(url) && url.startsWith("https://") && text !== "" ? withPath(url) : undefined;
}

/** What signs Meta's webhooks, and the word that Meta's dashboard wants. */
async function settleMetaWebhook({ draft, prompt }: Setup): Promise<void> {
  const secrets = [
    {
      name: "meta.app_secret",
      question: {
        text: "App secret (Meta's app dashboard, App settings, Basic); it is not shown",
        flag: "--app-secret-file",
      },
    },
    {
      name: "meta.verify_token",
      question: {
        text: "A verify token: a word of your own, or Enter for one that is made",
        flag: "--verify-token-file",
        fallback: "",
      },
    },
  ];
  for (const { name, question } of secrets)
    while (draft.text(name) === undefined) {
      const answer = await prompt.ask({ ...question, isSecret: true });
      const secret = answer === "" && name === "meta.verify_token" ? randomBytes(16).toString("hex") : answer;
      const fault = faultOfSecret(secret);
      if (fault === undefined) draft.set(name, secret);
      else prompt.say(`  It ${fault}`);
    }
}
