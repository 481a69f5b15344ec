import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { KEY, World } from "./world.ts";

const SECRETS = {
  KAPSO_API_KEY: KEY,
  KAPSO_TRANSCRIBE_API_KEY: KEY,
  OPENCLAW_TOKEN: KEY,
  WHATSAPP_ACCESS_TOKEN: KEY,
  NODE_OPTIONS: "--no-warnings",
};

function local(world: World, given: Readonly<Record<string, unknown>> = {}) {
  const options = { provider: "local", apiKey: undefined, modelPath: world.model(), ...given } as const;
  return world.transcriber(options, { PATH: world.folder, LANG: "C.UTF-8", ...SECRETS });
}

function isAlive(pid: number | undefined): boolean {
  try {
    return process.kill(pid ?? 0, 0);
  } catch {
    return false;
  }
}

describe("whisper.cpp", () => {
  test("hears what ffmpeg made of the recording", async () => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli");
    const file = world.recording("a voice");

    const transcript = await local(world).transcribe(file, world.signal.signal);

    expect(transcript).toEqual({ kind: "text", text: "16 kHz of a voice" });
    const [ffmpeg, whisper] = world.calls();
    expect(ffmpeg?.args.join(" ")).toMatch(/ -i file:\/\S+ .*-ac 1 -ar 16000 .* -f wav -y \S+\.wav$/);
    expect(ffmpeg?.args.join(" ")).toContain("-protocol_whitelist file -format_whitelist ogg,");
    expect(whisper?.args.join(" ")).toMatch(/^-m \S+model\.bin -f \S+\.wav -l auto -nt -otxt -of \S+$/);
  });

  test("is told the language and found by its path when they are set", async () => {
    await using world = new World();
    world.command("ffmpeg");
    const binaryPath = world.command("whisper-cli", { does: "works", text: " hallo\n welt\n" });

    const transcript = await local(world, { binaryPath, language: "de" }).transcribe(
      world.recording(),
      world.signal.signal,
    );

    expect(transcript).toEqual({ kind: "text", text: "hallo\n welt" });
    expect(world.calls()[1]?.args.join(" ")).toContain("-l de");
  });

  test("neither command sees a key, and nothing of theirs is left behind", async () => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli");

    await local(world).transcribe(world.recording(), world.signal.signal);

    expect(world.calls()).toHaveLength(2);
    for (const { env, cwd } of world.calls()) {
      expect(
        Object.keys(env)
          .filter((name) => name !== "__CF_USER_TEXT_ENCODING")
          .toSorted(),
      ).toEqual(["LANG", "PATH"]);
      expect(JSON.stringify(env)).not.toContain(KEY);
      expect(existsSync(cwd)).toBe(false);
    }
  });

  test.each(["", "\n", " [BLANK_AUDIO]\n", "[ Silence ]\n(silence)\n"])("%j is no speech", async (text) => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli", { does: "works", text });

    const transcript = await local(world).transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason: "no speech was recognised in it" });
  });

  test.each([
    ["ffmpeg", "speech recognition is not set up on this machine: ffmpeg is missing"],
    ["whisper-cli", "speech recognition is not set up on this machine: whisper-cli is missing"],
    ["model.bin", "speech recognition is not set up on this machine: its model file is missing"],
  ])("without %s there is a reason, and a hint in the log", async (name, reason) => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli");
    const transcriber = local(world);
    rmSync(join(world.folder, name));

    const transcript = await transcriber.transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason });
    expect(world.lines.at(-1)).toMatchObject({ level: "error", fields: { hint: expect.any(String) } });
  });

  test.each([
    ["ffmpeg", { does: "fails", complaint: "Invalid data found" }, "the recording could not be decoded"],
    ["whisper-cli", { does: "fails", complaint: "no memory" }, "speech recognition on this machine failed"],
    ["whisper-cli", { does: "nothing" }, "speech recognition on this machine failed"],
    ["whisper-cli", { does: "dies" }, "the system ended speech recognition before it was done"],
  ] as const)("%s: %j has a reason without the command's own words", async (name, manner, reason) => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli");
    world.command(name, manner);

    const transcript = await local(world).transcribe(world.recording(), world.signal.signal);

    expect(transcript).toEqual({ kind: "none", reason });
    expect(world.clock.sleeps).toEqual([]);
    expect(world.calls().every(({ cwd }) => !existsSync(cwd))).toBe(true);
    if ("complaint" in manner) expect(world.logged).toContain(manner.complaint);
  });

  test("a long complaint is cut", async () => {
    await using world = new World();
    world.command("ffmpeg", { does: "fails", complaint: "the end", chatter: 3_000_000 });

    await local(world).transcribe(world.recording(), world.signal.signal);

    expect(world.logged).toContain("the end");
    expect(world.logged.length).toBeLessThan(2000);
  });

  test.concurrent.each([
    ["ffmpeg", {}],
    ["whisper-cli", {}],
    ["whisper-cli", { ignoresTerm: true }],
    ["whisper-cli", { leavesChild: true }],
  ] as const)("%s that hangs %j is ended in time", async (name, how) => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli");
    world.command(name, { does: "hangs", ...how });

    const transcript = await local(world, { timeoutMs: 3000 }).transcribe(
      world.recording(),
      world.signal.signal,
    );

    expect(transcript).toEqual({ kind: "none", reason: "it could not be transcribed within 3 s" });
    const last = world.calls().at(-1);
    expect(last?.name).toBe(name);
    expect(isAlive(last?.pid)).toBe(false);
    expect(existsSync(last?.cwd ?? "/")).toBe(false);
  });

  test("an abort ends the command first, then rejects", async () => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli", { does: "hangs" });

    const outcome = local(world).transcribe(world.recording(), world.signal.signal);
    const rejected = expect(outcome).rejects.toThrow("stop");
    await vi.waitFor(() => expect(world.calls()).toHaveLength(2), { timeout: 10_000 });
    world.signal.abort(new Error("stop"));
    await rejected;

    const last = world.calls().at(-1);
    expect(isAlive(last?.pid)).toBe(false);
    expect(existsSync(last?.cwd ?? "/")).toBe(false);
  });

  test("a recording that is called like an option or an address is a file", async () => {
    await using world = new World();
    world.command("ffmpeg");
    world.command("whisper-cli");

    await local(world).transcribe(world.recording(), world.signal.signal);

    const [ffmpeg] = world.calls();
    expect(ffmpeg?.args[ffmpeg.args.indexOf("-i") + 1]).toMatch(/^file:\//);
  });
});
