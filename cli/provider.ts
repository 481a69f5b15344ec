import { systemClock } from "../src/clock.ts";
import { requireAccount } from "../src/config/account.ts";
import { loadConfig, type Config } from "../src/config/config.ts";
import { createFetch } from "../src/http.ts";
import { ApiConnection, ApiError } from "../src/whatsapp/connection.ts";
import { CommandError, exitCodeOfFailure } from "./exit-code.ts";
import type { Io } from "./io.ts";

/** Runs with a line to the configured provider; what it refuses ends with the exit code for that. */
export async function withProvider<T>(
  io: Io,
  { config: file }: { readonly config?: string },
  run: (connection: ApiConnection, config: Config) => Promise<T>,
): Promise<T> {
  const config = loadConfig({ env: io.env, file });
  const account = requireAccount(config);
  await using fetch = createFetch();
  try {
    return await run(new ApiConnection(account, { fetch, clock: systemClock }), config);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new CommandError(exitCodeOfFailure(error.failure), error.message, { hint: error.hint });
  }
}
