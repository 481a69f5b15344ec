import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Script } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../src/version.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../", import.meta.url));

describe("the packed program", () => {
  const folder = mkdtempSync(join(tmpdir(), "wa-relay-pack-"));
  const env = { PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`, HOME: folder };
  const program = (name: string) => join(folder, "prefix/bin", name);
  let files: string[];

  const old = join(ROOT, "wa-relay-0.0.1.tgz");

  beforeAll(async () => {
    writeFileSync(old, "of an older version");
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: ROOT });
    const [{ filename, files: packed }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
    files = packed.map(({ path }: { readonly path: string }) => path);
    await run("npm", ["install", "-g", "--prefix", join(folder, "prefix"), join(folder, filename)], { env });
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("it holds the built programs, the skill and what people read, and nothing of how they are made", () => {
    const rest = files.filter(
      (path) => !/^(?:dist\/(?:chunks|cli|poller)\/[\w-]+\.js|docs\/[\w-]+\.md)$/.test(path),
    );

    expect(rest.toSorted()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "config.example.toml",
      "dist/licences.txt",
      "package.json",
      "skills/whatsapp/SKILL.md",
    ]);
  });

  test("what an older version left in the folder is gone: `./wa-relay-*.tgz` names one file", () => {
    expect(existsSync(old)).toBe(false);
  });

  test("both programs say the version of package.json, from any folder", async () => {
    for (const name of ["wa-poller", "wa-cli"])
      expect((await run(program(name), ["--version"], { env, cwd: "/" })).stdout).toBe(`${VERSION}\n`);
  });

  test("wa-poller --sandbox takes a message through the whole bridge", async () => {
    const child = run(program("wa-poller"), ["--sandbox"], { env });
    child.child.stdin?.end("hello **there**\n");

    expect((await child).stdout).toContain("agent › You said: hello *there*");
  });

  test("without an account wa-poller stops with code 3 and names what is missing", async () => {
    const failure = await run(program("wa-poller"), [], { env }).catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: 3, stderr: expect.stringContaining("KAPSO_API_KEY_FILE") });
  });

  test.runIf(process.platform === "linux")(
    "the service would run the installed program by its own name",
    async () => {
      const home = join(folder, "home");
      mkdirSync(join(home, ".config/wa-relay"), { recursive: true });
      writeFileSync(
        join(home, ".config/wa-relay/config.toml"),
        `[kapso]\napi_key = "sk"\nphone_number_id = "1"\n`,
      );

      const args = ["service", "install", "--dry-run"];
      const { stdout } = await run(program("wa-poller"), args, { env: { ...env, HOME: home } });

      expect(stdout).toContain(`node" "${program("wa-poller")}"\n`);
    },
  );

  test("wa-cli finds the skill that came along, and installs it", async () => {
    const skills = join(folder, "skills");

    const { stdout } = await run(program("wa-cli"), ["skill", "path"], { env });
    await run(program("wa-cli"), ["skill", "install", "--dir", skills], { env });

    expect(stdout.trim()).toMatch(/node_modules\/wa-relay\/skills\/whatsapp\/SKILL\.md$/);
    expect(readFileSync(join(skills, "whatsapp", "SKILL.md"))).toEqual(readFileSync(stdout.trim()));
  });

  // Node 20, 16 and 12 were tried by hand; here the newest one says that it is one of them.
  test.each(["wa-poller", "wa-cli"])(
    "on an older Node %s says what it needs, and the next step",
    async (name) => {
      const pretend = `Object.defineProperty(process, "versions", { value: { node: "20.19.0" } })`;
      const failure = await run(
        process.execPath,
        ["--import", `data:text/javascript,${pretend}`, program(name)],
        {
          env,
        },
      ).catch((error: unknown) => error);

      expect(failure).toMatchObject({
        code: 1,
        stderr: `${name} needs Node 24 or newer: this is ${process.version}\n→ install that, or use the single-file programs (docs/install.md)\n`,
      });
    },
  );

  test.each(["wa-poller", "wa-cli"])("an older Node can read %s up to there", (name) => {
    const text = readFileSync(program(name), "utf8")
      .replace(/^#!.*/, "")
      .replace(/export *\{\};?\s*$/, "");

    // A script has no static import, and no await at its top, which came with Node 14.8.
    expect(() => new Script(text)).not.toThrow();
    expect(text).not.toMatch(/\?\?|\?\.|#|\bstatic\b/);
  });

  test("it carries the licences of what is bundled", () => {
    const texts = readFileSync(join(folder, "prefix/lib/node_modules/wa-relay/dist/licences.txt"), "utf8");

    for (const name of [
      "undici",
      "zod",
      "ws",
      "pino",
      "commander",
      "smol-toml",
      "marked",
      "@modelcontextprotocol/server",
    ])
      expect(texts).toMatch(new RegExp(`^${name} \\d`, "m"));
  });
});

describe("the version", () => {
  const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

  test("stands in package.json, and whatever must repeat it agrees", () => {
    const lock = JSON.parse(read("package-lock.json"));

    expect([lock.version, lock.packages[""].version]).toEqual([VERSION, VERSION]);
    expect(/^## (\S+)/m.exec(read("CHANGELOG.md"))?.[1]).toBe(VERSION);
  });

  test("is written nowhere else, but where the docs show what was printed", async () => {
    const places = [".", ":!docs", ":!test"];
    const { stdout } = await run("git", ["grep", "-lwF", VERSION, "--", ...places], { cwd: ROOT });

    expect(stdout.trim().split("\n")).toEqual(["CHANGELOG.md", "package-lock.json", "package.json"]);
  });
});
