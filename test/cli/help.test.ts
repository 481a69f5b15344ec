import { describe, expect, test } from "vitest";
import { everyCommand } from "./commands.ts";
import { World } from "./world.ts";

/** What they print is for a shell and for an agent's host, which take nothing else. */
const WITHOUT_JSON = new Set(["completions", "mcp"]);

describe("every command", () => {
  test.each(everyCommand())("$path has an example of itself in --help", async ({ path, isDefault }) => {
    await using world = await World.start();

    const { code, out } = await world.run([...path.split(" "), "--help"]);

    expect(code).toBe(0);
    const [, examples = ""] = out.split("\nExamples:\n");
    const calls = isDefault ? `(${path}|${path.replace(/ .*/, "")})` : path;
    expect(examples).toMatch(new RegExp(String.raw`wa-cli ${calls}\b`));
  });

  test.each(everyCommand())("$path has --json, unless what it prints is no answer", ({ path, command }) => {
    expect(command.options.some(({ long }) => long === "--json")).toBe(!WITHOUT_JSON.has(path));
  });
});
