import { execFile } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";

const binOf = (program: "cli" | "poller") => fileURLToPath(new URL(`../${program}/bin.ts`, import.meta.url));
/** Nobody of whom this system has heard. */
const UID = 54_321;
type Variables = Readonly<Record<string, string>>;

const ACCOUNT = { KAPSO_API_KEY: "k", KAPSO_PHONE_NUMBER_ID: "1", KAPSO_SECURITY_MODE: "open" };

describe.skipIf(process.getuid?.() !== 0)("as another user", () => {
  /** A state folder of that user, and what the programs say of it. */
  function setUp() {
    const folder = mkdtempSync(join(tmpdir(), "wa-poller-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const state = join(folder, "state");
    mkdirSync(state);
    for (const path of [folder, state]) chownSync(path, UID, UID);
    const run = async (program: "cli" | "poller", args: readonly string[], env: Variables) =>
      new Promise<{ readonly code: unknown; readonly err: string }>((resolve) =>
        execFile(
          process.execPath,
          [binOf(program), ...args],
          { uid: UID, gid: UID, cwd: folder, env: { ...ACCOUNT, KAPSO_STATE_DIR: state, ...env } },
          (error, _, err) => resolve({ code: error?.code ?? 0, err }),
        ),
      );
    return { folder, state, run, check: async (env: Variables) => run("poller", ["--check"], env) };
  }

  test("without a home folder it says what to set", async () => {
    const { folder, check } = setUp();

    expect(await check({})).toEqual({
      code: 3,
      err: "wa-poller: this user has no home folder\nwa-poller: → set HOME\n",
    });
    expect(await check({ HOME: folder })).toEqual({ code: 0, err: "" });
  });

  test("wa-cli needs no more of its user than a home folder", async () => {
    const { folder, run, check } = setUp();
    await check({ HOME: folder });

    expect(await run("cli", ["status", "--check"], { HOME: folder })).toEqual({
      code: 1,
      err: "wa-cli: wa-poller is not running\nwa-cli: → start it with: wa-poller\n",
    });
  });

  test.each(["relay.db", "relay.db-wal", "relay.db-shm", "daemon.lock"])(
    "a %s of somebody else is told as that, not as a full disk",
    async (name) => {
      const { folder, state, run, check } = setUp();
      writeFileSync(join(state, name), "", { mode: 0o600 });

      const ran = [
        await check({ HOME: folder }),
        ...(name === "relay.db" ? [await run("cli", ["status"], { HOME: folder })] : []),
      ];

      for (const { code, err } of ran) {
        expect(code).toBe(1);
        expect(err).toContain(`Cannot use ${join(state, name)}`);
        expect(err).toContain("→ it belongs to another user");
      }
    },
  );
});
