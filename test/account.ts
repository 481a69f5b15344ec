import type { StandInKapso } from "../src/sandbox/kapso.ts";

/** The account of a stand-in, as a client takes it. */
export function accountOf({ apiKey, phoneNumberId, url }: StandInKapso) {
  return { provider: "kapso", apiKey, phoneNumberId, baseUrl: url, graphVersion: "v24.0" } as const;
}

/** The account of a stand-in, as programs find it in their environment. */
export function accountEnv({ apiKey, phoneNumberId, url }: StandInKapso) {
  return { KAPSO_API_KEY: apiKey, KAPSO_PHONE_NUMBER_ID: phoneNumberId, KAPSO_BASE_URL: url };
}
