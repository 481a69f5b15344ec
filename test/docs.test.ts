import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Command } from "commander";
import { marked, type Token } from "marked";
import { expect, test } from "vitest";
import { writeTables } from "../docs/write-configure.ts";
import { shownProgram } from "./cli/commands.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PAGES = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

function read(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

/** Every token of a page, those within others too. */
function tokensOf(page: string): Token[] {
  const tokens: Token[] = [];
  void marked.walkTokens(marked.lexer(read(page)), (token) => void tokens.push(token));
  return tokens;
}

/** Lines of code, and code within text. */
function codeOf(page: string): string[] {
  return tokensOf(page).flatMap((token) =>
    token.type === "code" || token.type === "codespan" ? (token["text"] as string).split("\n") : [],
  );
}

/** As GitHub makes the address of a heading. */
function anchorsOf(page: string): string[] {
  return tokensOf(page).flatMap((token) =>
    token.type === "heading"
      ? [
          (token["text"] as string)
            .toLowerCase()
            .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
            .replaceAll(" ", "-"),
        ]
      : [],
  );
}

test("docs/configure.md has the settings as they are: `npm run docs` writes them", () => {
  const page = read("docs/configure.md");

  expect(page, "run: npm run docs").toBe(writeTables(page));
});

test("writeTables() keeps what was written by hand, and drops tables of settings that are gone", () => {
  const page = read("docs/configure.md");

  expect(writeTables(`${page}| \`gone\` |`)).toBe(page);
  expect(writeTables(page.replace("# Configuration", "# Another title"))).toContain("# Another title");
});

test("docs/wa-cli.md counts the keys as the program does", async () => {
  const home = mkdtempSync(join(tmpdir(), "wa-docs-"));
  // As many are set as in the page.
  const env = {
    HOME: home,
    KAPSO_API_KEY: "sk",
    KAPSO_PHONE_NUMBER_ID: "1",
    KAPSO_ALLOWED_NUMBERS: "+15551234567",
  };
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, "cli/bin.ts"), "config"], {
    env,
  });
  rmSync(home, { recursive: true });

  const [told] = /^\d+ keys have their default.*$/m.exec(stdout) ?? [];
  expect(told).toBeDefined();
  expect(read("docs/wa-cli.md")).toContain(told);
});

test.each(PAGES)("%s has nothing left of a merge", (page) => {
  expect(read(page)).not.toMatch(/^(?:<{7} |={7}$|>{7} |(?:> ?){7})/m);
});

test.each(PAGES)("every link of %s that stays in the project leads somewhere", (page) => {
  const links = tokensOf(page).flatMap((token) => (token.type === "link" ? [token["href"] as string] : []));

  const broken = links
    .filter((link) => !/^(https?|mailto):/.test(link))
    .filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });

  expect(broken).toEqual([]);
});

test.each(PAGES)("every file of the project that %s names is there", (page) => {
  const named = codeOf(page).flatMap((code) =>
    [...code.matchAll(/(?<![\w./~-])(?:src|cli|poller|test|skills|docs|nix)\/[\w./-]*[\w/]/g)].map(
      ([path]) => path,
    ),
  );

  // Names of tests may begin in the folder of the tests.
  const isThere = (path: string) => [path, `test/${path}`].some((each) => existsSync(join(ROOT, each)));
  expect(named.filter((path) => !isThere(path))).toEqual([]);
});

interface Call {
  readonly line: string;
  readonly words: readonly string[];
}

/** Every call of a program that stands in the code of a page. */
function callsOf(page: string, program: string): Call[] {
  const call = new RegExp(`(?<![\\w./-])${program} +([^|;&>#()]*)`, "g");
  return codeOf(page).flatMap((line) =>
    [...line.matchAll(call)].map(([, words = ""]) => ({ line, words: words.split(/[\s[\]]+/) })),
  );
}

/** What commander would not know of a call: a command, or an option. */
function unknownOf({ words }: Call, program: Command): string | undefined {
  let command = program;
  const rest = [...words];
  const next = () =>
    command.commands.find((known) => [known.name(), ...known.aliases()].includes(rest[0] ?? ""));
  if (/^[a-z]+$/.test(rest[0] ?? "") && !next()) return rest[0];
  for (let found = next(); found; found = next()) {
    command = found;
    rest.shift();
  }
  // A command of several may leave out which: then it is the usual one.
  const options = [command, ...command.commands].flatMap((each) => each.options.map(({ long }) => long));
  const known = new Set(["--help", "--version", ...options]);
  return rest
    .filter((word) => /^--[a-z]/.test(word))
    .map((word) => word.replace(/[^a-z-].*$/, ""))
    .find((option) => !known.has(option));
}

test.each(PAGES)("every command and option of wa-cli that %s shows exists", (page) => {
  const program = shownProgram();

  const unknown = callsOf(page, "wa-cli").filter((call) => unknownOf(call, program) !== undefined);

  expect(unknown.map(({ line }) => line)).toEqual([]);
});

test("every option of wa-poller that a page shows exists", async () => {
  const { stdout: help } = await promisify(execFile)(process.execPath, [
    join(ROOT, "poller/bin.ts"),
    "--help",
  ]);

  for (const page of PAGES)
    for (const { line, words } of callsOf(page, "wa-poller"))
      // A command of its own has options of its own.
      if (words[0]?.startsWith("--"))
        for (const word of words.filter((each) => each.startsWith("--")))
          expect(help, `${page}: ${line}`).toContain(word);
});
