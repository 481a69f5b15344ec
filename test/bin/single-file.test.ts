import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempDisposableSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { VERSION } from "../../src/version.ts";
import { until } from "../poller/daemon.ts";
import { createWorld, person } from "../poller/world.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NAMES = ["wa-poller", "wa-cli"] as const;

/** The programs alone in a folder: no Node on the PATH, no node_modules above. */
function install() {
  const folder = mkdtempDisposableSync(join(tmpdir(), "wa-single-file-"));
  for (const name of NAMES) copyFileSync(join(ROOT, "bin", name), join(folder.path, name));
  mkdirSync(join(folder.path, "empty"));
  return {
    program: (name: (typeof NAMES)[number]) => join(folder.path, name),
    env: { PATH: join(folder.path, "empty"), HOME: folder.path },
    path: folder.path,
    remove: () => folder.remove(),
  };
}

describe("the single-file programs, with neither Node nor node_modules", () => {
  const { program, env, path, remove } = install();
  const cli = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    run(program("wa-cli"), args, { env: { ...env, ...more }, cwd: join(path, "empty") });
  afterAll(remove);

  test.each(NAMES)("%s says its version, and that it is no Node", async (name) => {
    const { stdout } = await run(program(name), ["--version"], { env });
    const asNode = run(program(name), ["-e", "console.log(6 * 7)"], { env });

    expect(stdout).toBe(`${VERSION}\n`);
    await expect(asNode).rejects.toMatchObject({ code: 2, stdout: "" });
  });

  test("a message reaches the agent and its answer comes back; wa-cli sends and shows beside it; SIGTERM ends it", async () => {
    await using world = await createWorld({ command: [program("wa-poller")], env: { PATH: env.PATH } });
    const { kapso, daemon } = world;
    kapso.receive({ from: person(1), text: "hello **there**" });

    daemon.start();
    await until("the answer", () => kapso.sent.length === 1);
    await cli(["send", "--to", `+${person(1)}`, "--text", "by hand"], daemon.env);
    const { stdout } = await cli(["status", "--json"], daemon.env);
    const code = await daemon.stop("SIGTERM");

    expect(kapso.sent.map(({ to, text }) => [to, text])).toEqual([
      [person(1), "re hello *there*"],
      [person(1), "by hand"],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ daemon: { version: VERSION } });
    expect(code).toBe(0);
  });

  test("the skill is inside: shown and installed as it is, with no path to tell", async () => {
    const text = readFileSync(join(ROOT, "skills/whatsapp/SKILL.md"), "utf8");

    const shown = await cli(["skill", "show"]);
    await cli(["skill", "install", "--dir", join(path, "skills")]);
    const asked = cli(["skill", "path"]);

    expect(shown.stdout.trimEnd()).toBe(text.trimEnd());
    expect(readFileSync(join(path, "skills/whatsapp/SKILL.md"), "utf8")).toBe(text);
    await expect(asked).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("wa-cli skill show"),
    });
  });

  test("what is loaded only when it is asked for is inside too: the sandbox, MCP", async () => {
    const params = {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    };
    const mcp = cli(["mcp"]);
    mcp.child.stdin?.end(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`);
    const sandbox = run(program("wa-poller"), ["--sandbox"], { env });
    sandbox.child.stdin?.end("hello **there**\n");

    expect(JSON.parse((await mcp).stdout)).toMatchObject({ result: { serverInfo: { name: "wa-cli" } } });
    expect((await sandbox).stdout).toContain("agent › You said: hello *there*");
  });

  test("licences lie beside them, and nothing of the build", () => {
    for (const name of NAMES) {
      expect(statSync(program(name)).mode & 0o111).toBe(0o111);
      const licences = readFileSync(join(ROOT, "bin", `${name}.licences.txt`), "utf8");
      for (const part of [/^commander \d/m, /^Node\.js v\d/m]) expect(licences).toMatch(part);
      expect(existsSync(join(ROOT, "bin", `${name}.mjs`))).toBe(false);
    }
  });
});
