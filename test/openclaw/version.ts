import { join } from "node:path";

/** The OpenClaw release these tests run against. */
export const OPENCLAW_VERSION = "2026.9.6";

/** The Node.js line OpenClaw runs on, whatever runs the tests. */
export const NODE_VERSION = "24";

export const CACHE_DIR = join(import.meta.dirname, "../../.cache/openclaw");
export const NODE_PACKAGE_DIR = join(CACHE_DIR, "node");
export const OPENCLAW_PACKAGE_DIR = join(CACHE_DIR, "gateway");

export const NODE_BIN_DIR = join(NODE_PACKAGE_DIR, "node_modules/node/bin");
export const NODE_BIN = join(NODE_BIN_DIR, "node");
export const OPENCLAW_SCRIPT = join(OPENCLAW_PACKAGE_DIR, "node_modules/openclaw/openclaw.mjs");
