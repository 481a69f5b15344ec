import { withDeadline } from "../../src/deadline.ts";
import type { Identity } from "../../src/message.ts";
import { WINDOW_MS } from "../../src/pipeline/window.ts";
import type { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiError, type ApiConnection } from "../../src/whatsapp/connection.ts";
import { findLastInbound } from "../../src/whatsapp/last-inbound.ts";
import { CommandError, exitCodeOfFailure } from "../exit-code.ts";

const ASK_MS = 3000;

/** When the person last wrote, by Kapso's own list: no daemon may have run here. @throws CommandError when the key is refused */
export async function askLastInbound(
  person: Identity,
  { api, connection }: { readonly api: CloudApi; readonly connection: ApiConnection },
  signal: AbortSignal,
): Promise<number | undefined> {
  if (connection.provider !== "kapso") return undefined;
  const { phoneNumberId } = connection;
  const found = withDeadline(ASK_MS, signal, async (limit) =>
    findLastInbound(api, { person, phoneNumberId, since: Date.now() - WINDOW_MS }, limit),
  );
  return found.catch((error: unknown) => {
    // Whatever else is wrong, WhatsApp may take the message all the same.
    if (!(error instanceof ApiError) || error.failure.kind !== "blocked") return undefined;
    throw new CommandError(exitCodeOfFailure(error.failure), error.message, { hint: error.hint });
  });
}
