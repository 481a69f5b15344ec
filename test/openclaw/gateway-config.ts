import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

import { z } from "zod";

import { freePort } from "../free-port.ts";
import type { Model } from "./model.ts";
import { NODE_BIN_DIR } from "./version.ts";

const StoredConfig = z.looseObject({
  gateway: z.looseObject({ port: z.number(), auth: z.looseObject({ token: z.string() }) }),
});

/** Read when the state folder is new; one that is carried on with keeps what it has. */
export interface ConfigOptions {
  readonly model: Pick<Model, "url">;
  readonly port?: number;
  readonly token?: string;
  /** Merged over the configuration. */
  readonly extraConfig?: JsonObject;
}

interface JsonObject {
  readonly [name: string]: unknown;
}

interface Endpoint {
  readonly port: number;
  readonly token: string;
}

/** Makes sure that the state folder has an openclaw.json, and says what it holds. */
export async function prepareConfig(dir: string, options: ConfigOptions): Promise<Endpoint> {
  const file = configFile(dir);
  if (existsSync(file)) {
    const { gateway } = StoredConfig.parse(JSON.parse(readFileSync(file, "utf8")));
    return { port: gateway.port, token: gateway.auth.token };
  }
  const port = options.port ?? (await freePort());
  const token = options.token ?? randomBytes(16).toString("hex");
  const config = merge(defaultConfig(dir, { port, token }, options.model.url), {
    ...options.extraConfig,
  });
  for (const name of ["home", "tmp"]) mkdirSync(join(dir, name), { recursive: true });
  // Written only once: OpenClaw keeps a copy and may put it back when others change the file.
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
  return { port, token };
}

/** Built from nothing, because OpenClaw obeys many variables and some of vitest's and npm's too. */
export function environment(dir: string, bin?: string): NodeJS.ProcessEnv {
  return {
    PATH: [...(bin === undefined ? [] : [bin]), NODE_BIN_DIR, process.env["PATH"] ?? ""].join(delimiter),
    HOME: join(dir, "home"),
    TMPDIR: join(dir, "tmp"),
    TZ: "UTC",
    NO_COLOR: "1",
    OPENCLAW_STATE_DIR: dir,
    OPENCLAW_CONFIG_PATH: configFile(dir),
    OPENCLAW_NO_RESPAWN: "1",
  };
}

export function logFile(dir: string): string {
  return join(dir, "gateway.log");
}

export function configFile(dir: string): string {
  return join(dir, "openclaw.json");
}

function defaultConfig(dir: string, { port, token }: Endpoint, modelUrl: string): JsonObject {
  const model = {
    id: "echo-1",
    name: "Echo",
    reasoning: false,
    input: ["text", "image"],
    cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
    contextWindow: 200_000,
    maxTokens: 8192,
  };
  const provider = { baseUrl: modelUrl, apiKey: "none", api: "openai-completions" };
  return {
    gateway: {
      mode: "local",
      port,
      bind: "loopback",
      auth: { mode: "token", token },
      controlUi: { enabled: false },
    },
    discovery: { mdns: { mode: "off" } },
    logging: { file: join(dir, "openclaw.log") },
    agents: {
      defaults: {
        workspace: join(dir, "workspace"),
        skipBootstrap: true,
        model: { primary: "mock/echo-1" },
        heartbeat: { every: "0m" },
      },
    },
    models: { mode: "merge", providers: { mock: { ...provider, models: [model] } } },
  };
}

function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const current = merged[name];
    merged[name] = isObject(current) && isObject(value) ? merge(current, value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
