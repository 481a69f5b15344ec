import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadConfig, type Config } from "../../src/config/config.ts";
import { ConfigError } from "../../src/errors.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** A home folder of its own, so that nothing of the machine's real one counts. */
export class Home implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "wa-relay-home-"));

  /** Returns the whole path. */
  write(path: string, text: string): string {
    const whole = join(this.path, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    return whole;
  }

  load(env: Variables = {}, file?: string): Config {
    return loadConfig({ env: { HOME: this.path, ...env }, file });
  }

  /** Loads with this text as the configuration file. */
  loadText(toml: string, env: Variables = {}): Config {
    return this.load(env, this.write("test.toml", toml));
  }

  /** The faults that the program stops with. */
  problems(toml: string, env: Variables = {}): readonly string[] {
    return problemsOf(() => this.loadText(toml, env));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function problemsOf(load: () => unknown): readonly string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
