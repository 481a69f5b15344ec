import { join } from "node:path";
import { z } from "zod";
import { readSmallFile } from "../small-file.ts";
import type { Environment } from "./read.ts";

const file = z.looseObject({
  gateway: z.looseObject({
    port: z.int().optional().catch(undefined),
    auth: z
      .looseObject({ token: z.string().optional().catch(undefined) })
      .optional()
      .catch(undefined),
  }),
});

/**
 * Port and token of an OpenClaw gateway on this machine, from its own configuration, so that a bridge beside it needs
 * no setting. https://docs.openclaw.ai/gateway/configuration
 */
export function readOpenClawFile(
  env: Environment,
  home: string,
): { readonly url: string | undefined; readonly token: string | undefined } | undefined {
  const folder = env["OPENCLAW_STATE_DIR"] || join(home, ".openclaw");
  const path = env["OPENCLAW_CONFIG_PATH"] || join(folder, "openclaw.json");
  try {
    const { gateway } = file.parse(JSON.parse(readSmallFile(path).toString("utf8")));
    const token = env["OPENCLAW_GATEWAY_TOKEN"] || gateway.auth?.token;
    return {
      url: gateway.port === undefined ? undefined : `ws://127.0.0.1:${gateway.port}`,
      // "${NAME}" stands for a variable that only the gateway may know.
      token: token?.includes("${") ? undefined : token,
    };
  } catch {
    // Not there, not ours to read, or JSON5 with comments: then the token has to be configured.
    return env["OPENCLAW_GATEWAY_TOKEN"]
      ? { url: undefined, token: env["OPENCLAW_GATEWAY_TOKEN"] }
      : undefined;
  }
}
