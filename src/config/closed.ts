import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { configFolders, expandHome, type Environment } from "./read.ts";

/** What nobody may be sent, whoever asks for it. */
export interface Closed {
  /** Files, and folders with all that is in them. */
  readonly closed: readonly string[];
  /** Folders in those of which files may be sent all the same. */
  readonly open: readonly string[];
}

/** What agents write for others in OpenClaw's state folder; the rest of it are keys and everybody's conversations. */
const OPEN = /^(workspace.*|media|sandboxes|canvas)$/;

/** Keys, settings and conversations: ours, and those of an OpenClaw on this machine. */
export function readClosed(
  env: Environment,
  home: string,
  ours: { readonly stateDir: string; readonly file: string | undefined; readonly secrets: readonly string[] },
): Closed {
  // https://docs.openclaw.ai/help/faq/where-things-live-on-disk
  const openClaw = resolve(expandHome(env["OPENCLAW_STATE_DIR"] || "~/.openclaw", home));
  const named = [ours.file, env["OPENCLAW_CONFIG_PATH"]].flatMap((path) =>
    path ? [resolve(expandHome(path, home))] : [],
  );
  return {
    closed: [ours.stateDir, ...configFolders(env, home), ...named, ...ours.secrets, openClaw],
    open: namesIn(openClaw)
      .filter((name) => OPEN.test(name))
      .map((name) => join(openClaw, name)),
  };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not there, or not ours to read.
    return [];
  }
}
