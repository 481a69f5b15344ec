import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { getAsset, isSea } from "node:sea";
import { homeFolder } from "../../src/config/home.ts";
import { expandHome, type Environment } from "../../src/config/read.ts";
import { describeError } from "../../src/errors.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { print, type Io } from "../io.ts";

interface SkillOptions {
  readonly json?: boolean;
}

const NAME = "whatsapp";
/**
 * The same way up from the sources (`cli/commands`) and from the built program (`dist/chunks`). The single-file program
 * has it inside, so there is no path.
 */
const SKILL = isSea() ? undefined : resolve(import.meta.dirname, "../../skills", NAME, "SKILL.md");
/** No other skill of this name is about our command. */
const OURS = /^metadata:.*"wa-cli"/m;

/** Prints where the skill is that came with this program. */
export function skillPath(io: Io, { json }: SkillOptions): void {
  if (SKILL === undefined)
    throw new CommandError(EXIT.failed, "The skill is inside this program, in no file of its own", {
      hint: "wa-cli skill show prints it, wa-cli skill install puts it where OpenClaw looks",
    });
  print(io, { json: { path: SKILL, folder: dirname(SKILL) }, text: SKILL }, json);
}

export function skillShow(io: Io, { json }: SkillOptions): void {
  const text = readSkill();
  print(io, { json: { path: SKILL, text }, text: text.trimEnd() }, json);
}

/** Puts the skill where OpenClaw looks, or into another folder of skills; what is there of ours is brought up to date. */
export function skillInstall(
  io: Io,
  { dir, force, json }: SkillOptions & { readonly dir?: string; readonly force?: boolean },
): void {
  if (dir?.trim() === "")
    throw new CommandError(EXIT.usage, "--dir: the name of the folder is missing", {
      hint: "without --dir it goes to OpenClaw's skills",
    });
  const text = readSkill();
  const path = join(dir === undefined ? openClawSkills(io.env) : folderOf(dir, io.env), NAME, "SKILL.md");
  try {
    const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
    if (before !== undefined && !OURS.test(before) && force !== true)
      throw new CommandError(EXIT.failed, `${path} is another skill of this name`, {
        hint: "give --force to replace it, or --dir with another folder",
      });
    const change = before === undefined ? "installed" : before === text ? "unchanged" : "updated";
    if (change !== "unchanged") write(path, text);
    print(io, { json: { path, change }, text: `${describe(change)} ${path}` }, json);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(EXIT.failed, `Cannot write ${path}: ${describeError(error)}`, {
      hint: "give --dir a folder that you may write to",
    });
  }
}

function describe(change: "installed" | "unchanged" | "updated"): string {
  if (change === "unchanged") return "Already there:";
  return change === "updated" ? "Updated:" : "Installed (OpenClaw's next session has it):";
}

/** Whole or not at all: a gateway watches the folder. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.new`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

/** The folder of skills that all agents of this machine's OpenClaw share. https://docs.openclaw.ai/tools/skills */
function openClawSkills(env: Environment): string {
  const state = folderOf(env["OPENCLAW_STATE_DIR"] || "~/.openclaw", env);
  if (!existsSync(state))
    throw new CommandError(EXIT.failed, `There is no OpenClaw here: ${state} does not exist`, {
      hint: "give --dir with the folder of skills, such as ~/.openclaw/workspace/skills",
    });
  return join(state, "skills");
}

function folderOf(path: string, env: Environment): string {
  return resolve(expandHome(path, homeFolder(env)));
}

function readSkill(): string {
  try {
    return SKILL === undefined ? getAsset("SKILL.md", "utf8") : readFileSync(SKILL, "utf8");
  } catch (error) {
    throw new CommandError(EXIT.failed, `The skill is missing in this installation: ${describeError(error)}`);
  }
}
