import { execFile } from "node:child_process";
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempDisposableSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

describe(".ci/release-notes", () => {
  const CHANGELOG = `# Changelog

## 1.2.3 (2026-12-01)

- New.

## 1.2.2 (2026-11-01)

- Old.
`;

  async function notes(tag: string, changelog = CHANGELOG) {
    using folder = mkdtempDisposableSync(join(tmpdir(), "wa-release-"));
    mkdirSync(join(folder.path, ".ci"));
    copyFileSync(join(ROOT, ".ci/release-notes"), join(folder.path, ".ci/release-notes"));
    writeFileSync(join(folder.path, "package.json"), '{"version":"1.2.3"}');
    writeFileSync(join(folder.path, "CHANGELOG.md"), changelog);
    return await promisify(execFile)(join(folder.path, ".ci/release-notes"), [tag]);
  }

  test("prints the version's own section", async () => {
    expect((await notes("v1.2.3")).stdout.trim()).toBe("- New.");
  });

  test.each([
    ["another tag", "v1.2.2", CHANGELOG, "The tag is v1.2.2, but package.json says 1.2.3"],
    ["no date yet", "v1.2.3", CHANGELOG.replace("2026-12-01", "unreleased"), "has no section"],
    ["no section", "v1.2.3", CHANGELOG.replace("1.2.3", "1x2.3"), "has no section"],
    ["an empty one", "v1.2.3", CHANGELOG.replace("- New.", ""), "says nothing of 1.2.3"],
  ])("stops a release with %s", async (_, tag, changelog, stderr) => {
    await expect(notes(tag, changelog)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(stderr),
    });
  });
});

describe("workflows", () => {
  const files = globSync(".github/workflows/*.yml", { cwd: ROOT });
  const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

  test("are there", () => {
    expect(files.map((file) => file.replace(/^.*\//, "")).toSorted()).toEqual(["release.yml", "test.yml"]);
  });

  test.each(files)(
    "%s names every action by its commit, and may only read unless a job asks for more",
    (file) => {
      const text = read(file);

      for (const [, action] of text.matchAll(/^\s*(?:- )?uses: (.*)$/gm))
        expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
      expect(text).toMatch(/^permissions:\n {2}contents: read\n/m);
      expect(text).not.toMatch(/\bsecrets\b|pull_request_target/);
    },
  );

  test.each(files)("%s runs only scripts that are there", (file) => {
    const { scripts } = JSON.parse(read("package.json"));

    for (const [, name] of read(file).matchAll(/npm run ([\w:]+)/g))
      expect(scripts).toHaveProperty(name ?? "");
  });
});
