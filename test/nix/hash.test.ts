import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { narHash } from "../../nix/nar.ts";
import { isThere, nix } from "./home.ts";

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, "../../nix/hash.ts");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wa-relay-nix-hash-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Everything that a folder can hold: files of every length modulo eight, an executable, a link, names out of order. */
function fill(root: string): string {
  const at = join(root, "libraries");
  mkdirSync(join(at, "b/empty"), { recursive: true });
  for (let length = 0; length < 9; length++) writeFileSync(join(at, `b/${length}`), "x".repeat(length));
  writeFileSync(join(at, "B.js"), "capital letters come first");
  writeFileSync(join(at, "ä.js"), "and others last");
  writeFileSync(join(at, "run"), "#!/bin/sh\n");
  chmodSync(join(at, "run"), 0o755);
  symlinkSync("../nowhere", join(at, "link"));
  return at;
}

describe("narHash", () => {
  test("is what Nix 2.8 said of the same folder", async () => {
    expect(await narHash(fill(folder))).toBe("sha256-4x+4JRTK8Bd5X2NZ4ZfCjHd3Cz6bRd9TIfNpo+utHdc=");
  });

  test.skipIf(!isThere("nix-hash"))("is what the Nix of this machine says", async () => {
    const path = fill(folder);
    const hex = await nix("nix-hash", ["--type", "sha256", path]);

    expect(await narHash(path)).toBe(`sha256-${Buffer.from(hex.trim(), "hex").toString("base64")}`);
  });

  test("does not depend on when, nor on rights besides that to run", async () => {
    const path = fill(folder);
    const before = await narHash(path);
    chmodSync(join(path, "B.js"), 0o600);
    chmodSync(join(path, "run"), 0o700);

    expect(await narHash(path)).toBe(before);
  });
});

describe("npm run nix:hash", () => {
  /** With one library, which is a link, so that nothing is fetched. */
  function write(hash: string): void {
    mkdirSync(join(folder, "nix"));
    writeFileSync(join(folder, "nix/package.nix"), `{\n  outputHash = "${hash}";\n}\n`);
    const root = { name: "x", version: "1.0.0", dependencies: { y: "file:y" } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(root));
    const packages = { "": root, "node_modules/y": { resolved: "y", link: true }, y: {} };
    writeFileSync(
      join(folder, "package-lock.json"),
      JSON.stringify({ ...root, lockfileVersion: 3, packages }),
    );
  }
  const hash = async (...args: readonly string[]) =>
    run(process.execPath, [SCRIPT, "--project", folder, ...args]);

  test("names the line that is wrong, and what has to stand there", async () => {
    write("sha256-wrong");

    const failure = await hash().catch((error: unknown) => error);

    expect(failure).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/package\.nix:2: .*\n {4}outputHash = "sha256-.{43}="/),
    });
  });

  test("--write mends it", async () => {
    write("sha256-wrong");

    await hash("--write");

    expect((await hash()).stdout).toContain("is right");
    expect(readFileSync(join(folder, "nix/package.nix"), "utf8")).toMatch(
      /^\{\n {2}outputHash = "sha256-.{43}=";\n\}\n$/,
    );
  });
});
