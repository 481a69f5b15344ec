// Installs the OpenClaw gateway and a Node.js of its own into .cache/openclaw, from the npm registry.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

import {
  CACHE_DIR,
  NODE_BIN,
  NODE_BIN_DIR,
  NODE_PACKAGE_DIR,
  NODE_VERSION,
  OPENCLAW_PACKAGE_DIR,
  OPENCLAW_SCRIPT,
  OPENCLAW_VERSION,
} from "./version.ts";

const WANTED = JSON.stringify({ openclaw: OPENCLAW_VERSION, node: NODE_VERSION });
// Written last, so that its presence means that everything before it worked.
const DONE_FILE = join(CACHE_DIR, "installed.json");

// How to reach the registry. Everything else an outer `npm run` exports (global, prefix, omit, …)
// describes that run and would misdirect this one.
const KEPT_NPM_SETTINGS =
  /^npm_config_(registry|userconfig|cache|ca|cafile|strict_ssl|proxy|https_proxy|noproxy)$/i;

if (isInstalled()) {
  console.log(`openclaw ${OPENCLAW_VERSION} is installed in .cache/openclaw`);
} else {
  console.log(`installing openclaw ${OPENCLAW_VERSION} into .cache/openclaw, about a minute`);
  install();
}

function isInstalled(): boolean {
  if (![DONE_FILE, NODE_BIN, OPENCLAW_SCRIPT].every((file) => existsSync(file))) return false;
  return readFileSync(DONE_FILE, "utf8") === WANTED;
}

function install(): void {
  const env = installEnvironment();
  rmSync(DONE_FILE, { force: true });
  installPackage(NODE_PACKAGE_DIR, "node", NODE_VERSION, env);
  const openclawEnv = { ...env, PATH: `${NODE_BIN_DIR}${delimiter}${env["PATH"] ?? ""}` };
  installPackage(OPENCLAW_PACKAGE_DIR, "openclaw", OPENCLAW_VERSION, openclawEnv);

  const version = execFileSync(NODE_BIN, [OPENCLAW_SCRIPT, "--version"], {
    encoding: "utf8",
    env: { ...openclawEnv, OPENCLAW_STATE_DIR: join(CACHE_DIR, "version-check") },
  });
  writeFileSync(DONE_FILE, WANTED);
  console.log(`installed ${version.trim()}`);
}

function installEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) || KEPT_NPM_SETTINGS.test(name),
  );
  return Object.fromEntries(entries);
}

function installPackage(dir: string, name: string, version: string, env: NodeJS.ProcessEnv): void {
  // The `node` package fetches the binary of this platform in an install script, and npm 12 runs
  // only the scripts that package.json allows.
  const manifest = { private: true, allowScripts: { [name]: true } };
  const args = ["install", "--prefix", dir, "--ignore-scripts=false", "--save-exact"];
  args.push("--no-fund", "--no-audit", "--loglevel=error", `${name}@${version}`);

  for (let attempt = 1; ; attempt++) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "package.json"), JSON.stringify(manifest));
    const npm = spawnSync("npm", args, { cwd: dir, env, stdio: ["ignore", "inherit", "inherit"] });
    if (npm.status === 0) return;
    const reason = npm.error?.message ?? `exit code ${npm.status ?? npm.signal}`;
    if (attempt === 2) throw new Error(`Cannot install ${name}@${version}: npm ${reason}`);
    console.error(`npm install ${name}@${version} failed (${reason}), trying once more`);
  }
}
