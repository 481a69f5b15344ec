import type { Config } from "./config.ts";

/** Every secret that the configuration holds, so that it can be kept out of what is written. */
export function secretsOf({ account, gateway, bridge, webhook, transcribe }: Config): readonly string[] {
  const found = [
    "missing" in account ? undefined : account.apiKey,
    gateway.token,
    bridge.token,
    webhook.secret,
    ...webhook.oldSecrets,
    ...webhook.verifyTokens,
    transcribe && "apiKey" in transcribe ? transcribe.apiKey : undefined,
  ];
  return found.filter((secret) => secret !== undefined);
}
