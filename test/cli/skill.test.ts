import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text as readAll } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { runCli } from "../../cli/main.ts";
import { EXIT } from "../../cli/exit-code.ts";
import { everyCommand } from "./commands.ts";

const SOURCE = join(import.meta.dirname, "../../skills/whatsapp/SKILL.md");
const text = readFileSync(SOURCE, "utf8");

function setUp() {
  const home = mkdtempSync(join(tmpdir(), "wa-skill-"));
  const io = (env: Readonly<Record<string, string>> = {}) => ({
    env: { HOME: home, ...env },
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    signal: new AbortController().signal,
    pid: 1,
  });
  const run = async (args: readonly string[], env?: Readonly<Record<string, string>>) => {
    const each = io(env);
    const code = await runCli(each, args);
    for (const stream of [each.stdout, each.stderr]) stream.end();
    return { code, out: await readAll(each.stdout), err: await readAll(each.stderr) };
  };
  const file = (...names: string[]) => join(home, ...names);
  return { home, file, run, io, [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }) };
}

describe("wa-cli skill", () => {
  test.each(["", " "])("install --dir %j puts nothing anywhere", async (dir) => {
    using world = setUp();

    const ran = await world.run(["skill", "install", `--dir=${dir}`]);

    expect(ran).toMatchObject({ code: EXIT.usage, err: expect.stringContaining("--dir") });
    expect(existsSync("whatsapp")).toBe(false);
  });

  test("install puts it into OpenClaw's shared folder, twice changes nothing, and an older one is brought up to date", async () => {
    using world = setUp();
    mkdirSync(world.file(".openclaw"));
    const path = world.file(".openclaw", "skills", "whatsapp", "SKILL.md");

    const first = await world.run(["skill", "install", "--json"]);
    const second = await world.run(["skill", "install", "--json"]);
    writeFileSync(path, text.replace("# WhatsApp", "# Old"));
    const third = await world.run(["skill", "install", "--json"]);

    expect([first, second, third].map(({ code, out }) => [code, JSON.parse(out)])).toEqual([
      [EXIT.done, { path, change: "installed" }],
      [EXIT.done, { path, change: "unchanged" }],
      [EXIT.done, { path, change: "updated" }],
    ]);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("install obeys OPENCLAW_STATE_DIR, and --dir before it", async () => {
    using world = setUp();
    mkdirSync(world.file("state"));
    const env = { OPENCLAW_STATE_DIR: world.file("state") };

    await world.run(["skill", "install"], env);
    await world.run(["skill", "install", "--dir", "~/workspace/skills"], env);

    expect(existsSync(world.file("state", "skills", "whatsapp", "SKILL.md"))).toBe(true);
    expect(existsSync(world.file("workspace", "skills", "whatsapp", "SKILL.md"))).toBe(true);
  });

  test("install without OpenClaw says so and makes no folder", async () => {
    using world = setUp();

    const { code, err } = await world.run(["skill", "install"]);

    expect(code).toBe(EXIT.failed);
    expect(err).toContain("--dir");
    expect(existsSync(world.file(".openclaw"))).toBe(false);
  });

  test("install leaves somebody else's skill alone without --force", async () => {
    using world = setUp();
    const path = world.file("skills", "whatsapp", "SKILL.md");
    mkdirSync(world.file("skills", "whatsapp"), { recursive: true });
    writeFileSync(path, "---\nname: whatsapp\n---\nmine");
    const args = ["skill", "install", "--dir", world.file("skills")];

    const refused = await world.run(args);
    const before = readFileSync(path, "utf8");
    const forced = await world.run([...args, "--force"]);

    expect(refused.code).toBe(EXIT.failed);
    expect(before).toContain("mine");
    expect(forced.code).toBe(EXIT.done);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("a folder that can not be written is one line and no stack", async () => {
    using world = setUp();
    writeFileSync(world.file("file"), "");

    const { code, err } = await world.run(["skill", "install", "--dir", world.file("file", "skills")]);

    expect(code).toBe(EXIT.failed);
    expect(err).toMatch(/^wa-cli: Cannot write .*ENOTDIR.*\nwa-cli: → .*\n$/);
  });

  test("path and show name and print the file that came along", async () => {
    using world = setUp();

    expect(await world.run(["skill", "path"])).toMatchObject({ code: EXIT.done, out: `${SOURCE}\n` });
    expect((await world.run(["skill", "show"])).out).toBe(text);
    expect(await world.run(["skill", "install", "here"])).toMatchObject({ code: EXIT.usage });
  });
});

describe("SKILL.md", () => {
  test("its frontmatter is what OpenClaw reads, within its limits", () => {
    const [, head = ""] = /^---\n(.*?)\n---\n/s.exec(text) ?? [];
    const fields = new Map(
      head.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
    );

    expect(fields.get("name")).toMatch(/^[a-z\d-]+$/);
    expect(fields.get("description")?.length).toBeLessThan(160);
    expect(JSON.parse(fields.get("metadata") ?? "")).toMatchObject({
      openclaw: { requires: { bins: ["wa-cli"] } },
    });
  });

  test("it explains every exit code, and is short", () => {
    for (const code of Object.values(EXIT)) expect(text).toMatch(new RegExp(`^\\| ${code} `, "m"));
    expect(text.length).toBeLessThan(5000);
  });

  test("its commands and options are ones of this program; an option alone is one of send", () => {
    const pieces = [...text.matchAll(/`([^`\n]+)`|^(wa-cli .+)$/gm)].map(
      ([, span, line]) => span ?? line ?? "",
    );
    const calls = pieces.filter((piece) => piece.startsWith("wa-cli "));
    const alone = pieces.filter((piece) => piece.startsWith("--"));

    expect(calls.length).toBeGreaterThan(5);
    expect(alone.length).toBeGreaterThan(2);
    for (const piece of [...calls, ...alone.map((option) => `wa-cli send ${option}`)])
      expect(unknownOf(piece), piece).toEqual([]);
    expect(unknownOf("wa-cli sent --to x")).toEqual(["sent"]);
    expect(unknownOf("wa-cli outbox --to x --all")).toEqual(["--to"]);
  });
});

/** What of a call this program does not know. */
function unknownOf(call: string): readonly string[] {
  const [, name = ""] = call.split(" ");
  const found = everyCommand().find(
    ({ path, isDefault }) => path === name || (isDefault && path.startsWith(`${name} `)),
  );
  if (!found) return [name];
  const known = new Set(["--help", ...found.command.options.map(({ long }) => long)]);
  return call.split(/\s/).filter((word) => /^--[a-z]/.test(word) && !known.has(word));
}
