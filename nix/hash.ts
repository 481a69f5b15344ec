/**
 * Tells whether the hash of the libraries in `nix/package.nix` is right: `npm run nix:hash`, with `-- --write` to mend it.
 * It needs npm and no Nix, and is the same on every machine.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { narHash } from "./nar.ts";

const { values } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    /** Folder with package.json, package-lock.json and nix/package.nix. */
    project: { type: "string", default: join(import.meta.dirname, "..") },
  },
});

const LINE = /outputHash = "(sha256-[^"]+)"/;
const file = join(values.project, "nix/package.nix");
const text = readFileSync(file, "utf8");
const stated = LINE.exec(text)?.[1];
if (stated === undefined) throw new Error(`${file} has no line outputHash = "sha256-…"`);
const right = await hashOfLibraries(values.project);
const name = relative(process.cwd(), file);

if (stated === right) process.stdout.write(`${name}: the hash of the libraries is right\n`);
else if (values.write) {
  writeFileSync(file, text.replace(stated, right));
  process.stdout.write(`${name}: outputHash = "${right}" written\n`);
} else {
  const line = text.slice(0, text.indexOf(stated)).split("\n").length;
  process.stderr.write(
    `${name}:${line}: package-lock.json brings other libraries; this line has to be\n    outputHash = "${right}";\n→ npm run nix:hash -- --write\n`,
  );
  process.exitCode = 1;
}

async function hashOfLibraries(project: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "wa-relay-libraries-"));
  try {
    for (const part of ["package.json", "package-lock.json"])
      copyFileSync(join(project, part), join(folder, part));
    const script = join(import.meta.dirname, "libraries.sh");
    const out = join(folder, "out");
    execFileSync("sh", [script, out], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    return await narHash(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
