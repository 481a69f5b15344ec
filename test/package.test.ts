import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../src/version.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../", import.meta.url));

describe("the packed program", () => {
  const folder = mkdtempSync(join(tmpdir(), "wa-relay-pack-"));
  const env = { PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`, HOME: folder };
  const program = (name: string) => join(folder, "prefix/bin", name);

  beforeAll(async () => {
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: ROOT });
    const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
    await run("npm", ["install", "-g", "--prefix", join(folder, "prefix"), join(folder, filename)], { env });
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("VERSION is the one of package.json, and both programs say it", async () => {
    expect(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).version).toBe(VERSION);
    for (const name of ["wa-poller", "wa-cli"])
      expect((await run(program(name), ["--version"], { env })).stdout).toBe(`${VERSION}\n`);
  });

  test("wa-poller --sandbox takes a message through the whole bridge", async () => {
    const child = run(program("wa-poller"), ["--sandbox"], { env });
    child.child.stdin?.end("hello **there**\n");

    expect((await child).stdout).toContain("agent › You said: hello *there*");
  });

  test("without an account wa-poller stops with code 3 and names what is missing", async () => {
    const failure = await run(program("wa-poller"), [], { env }).catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: 3, stderr: expect.stringContaining("set KAPSO_API_KEY") });
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
