import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";

/** Optional: speed-ups of ws, which it looks for at run time, and what converts pictures. */
export const EXTERNAL = ["bufferutil", "utf-8-validate", "sharp"];

/** Puts the licences of everything that is bundled beside it, as they ask for. */
export function licences(fileName = "licences.txt"): Plugin {
  return {
    name: "licences",
    generateBundle() {
      const folders = new Set(
        [...this.getModuleIds()].flatMap((id) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? []),
      );
      const texts = [...folders].toSorted().map((folder) => {
        const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
        if (file === undefined || !existsSync(join(folder, file)))
          throw new Error(`${name} has no licence file`);
        return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
      });
      this.emitFile({
        type: "asset",
        fileName,
        source: texts.join(`\n${"-".repeat(80)}\n\n`),
      });
    },
  };
}

/**
 * One bundle with everything in it, because `wa-cli` is started again and again: reading a few files instead of two
 * hundred takes a third off its start.
 */
export default defineConfig({
  input: { "cli/bin": "cli/bin.ts", "poller/bin": "poller/bin.ts" },
  platform: "node",
  external: EXTERNAL,
  output: {
    dir: "dist",
    format: "esm",
    minify: { mangle: false, compress: true },
    chunkFileNames: "chunks/[name].js",
  },
  plugins: [licences()],
});
