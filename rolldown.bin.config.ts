import { execFileSync } from "node:child_process";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig, type Plugin } from "rolldown";
import { EXTERNAL, licences } from "./rolldown.config.ts";

const FOLDER = resolve("bin");

const licencesOf = (name: string) => `${name}.licences.txt`;

/** Puts the bundle into a copy of the Node that runs this. https://nodejs.org/api/single-executable-applications.html */
function executable(name: string, assets: Readonly<Record<string, string>>): Plugin {
  return {
    name: "executable",
    writeBundle() {
      const main = join(FOLDER, `${name}.mjs`);
      const output = join(FOLDER, name);
      const config = join(FOLDER, `${name}.json`);
      const settings = { main, mainFormat: "module", output, assets, useCodeCache: true };
      writeFileSync(config, JSON.stringify({ ...settings, disableExperimentalSEAWarning: true }));
      execFileSync(process.execPath, ["--build-sea", config], { stdio: ["ignore", "ignore", "inherit"] });
      // What was added broke Node's own signature, and macOS runs nothing without one on Apple's processors.
      if (process.platform === "darwin") execFileSync("codesign", ["--force", "--sign", "-", output]);
      for (const path of [main, config]) rmSync(path);
      appendFileSync(
        join(FOLDER, licencesOf(name)),
        `\n${"-".repeat(80)}\n\nNode.js ${process.version} and what it is made of: https://github.com/nodejs/node/blob/${process.version}/LICENSE\n`,
      );
    },
  };
}

/** One program in one file, with the Node that runs it, for the kind of machine that builds it. */
function program(name: string, input: string, assets: Readonly<Record<string, string>> = {}) {
  return defineConfig({
    input,
    platform: "node",
    external: EXTERNAL,
    output: {
      file: join(FOLDER, `${name}.mjs`),
      format: "esm",
      codeSplitting: false,
      minify: { mangle: false, compress: true },
    },
    plugins: [licences(licencesOf(name)), executable(name, assets)],
  });
}

export default [
  program("wa-cli", "cli/bin.ts", { "SKILL.md": "skills/whatsapp/SKILL.md" }),
  program("wa-poller", "poller/bin.ts"),
];
