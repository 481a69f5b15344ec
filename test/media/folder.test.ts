import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MediaFolder, type FolderLimits } from "../../src/media/folder.ts";
import { voiceMessage } from "./ogg.ts";
import { listeningLog, PNG, tempFolder } from "./stand-in.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("MediaFolder", () => {
  let state: ReturnType<typeof tempFolder>;
  let log: ReturnType<typeof listeningLog>;
  beforeEach(() => {
    state = tempFolder();
    log = listeningLog();
  });
  afterEach(() => state[Symbol.dispose]());

  const open = (limits: Partial<FolderLimits> = {}) =>
    new MediaFolder(state.path, { log, limits: { retentionMs: 7 * DAY, quotaBytes: 1_000_000, ...limits } });
  const hash = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

  /** Takes a file in, as if it had come so long ago. */
  async function add(folder: MediaFolder, wamid: string, bytes: Buffer | string, ageMs = 0) {
    const draft = await folder.draft(wamid);
    writeFileSync(draft, bytes, { mode: 0o600, flag: "wx" });
    const file = await folder.keep(wamid, draft, hash(bytes));
    age(file.path, ageMs);
    return file;
  }

  function age(path: string, ageMs: number): void {
    const at = new Date(Date.now() - ageMs);
    utimesSync(path, at, at);
  }

  test("a file is named after its message and its bytes, in a folder closed to others", async () => {
    const folder = open();

    const file = await add(folder, "wamid.1", PNG);

    expect(file).toEqual({ path: file.path, mimeType: "image/png", bytes: PNG.length, sha256: hash(PNG) });
    expect(file.path).toMatch(/\/media\/[0-9a-f]{32}\.png$/);
    expect(readFileSync(file.path)).toEqual(PNG);
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(statSync(folder.path).mode & 0o777).toBe(0o700);
  });

  test("a folder that was open to others is closed", async () => {
    const folder = open();
    mkdirSync(folder.path);
    chmodSync(folder.path, 0o755);

    await folder.draft("wamid.1");

    expect(statSync(folder.path).mode & 0o777).toBe(0o700);
  });

  test.each(["../../x", "/etc/passwd", "a\0b", "x".repeat(10_000), "..", ""])(
    "a message called %j has its file in the folder too",
    async (wamid) => {
      const folder = open();

      const file = await add(folder, wamid, "text");

      expect(dirname(file.path)).toBe(folder.path);
      expect(await folder.find(wamid)).toEqual(file);
    },
  );

  test("the length of a voice message is told", async () => {
    expect(await add(open(), "wamid.1", voiceMessage(3))).toMatchObject({
      mimeType: "audio/ogg",
      seconds: 3,
    });
  });

  test("a file is found again by another process, with all that is known of it", async () => {
    const file = await add(open(), "wamid.1", voiceMessage(3), 5 * DAY);

    expect(await open().find("wamid.1")).toEqual(file);
    expect(Date.now() - statSync(file.path).mtimeMs).toBeLessThan(HOUR);
    expect(await open().find("wamid.2")).toBeUndefined();
  });

  test("neither a draft nor a link is a file", async () => {
    const folder = open();
    const draft = await folder.draft("wamid.1");
    writeFileSync(draft, "half");
    const file = await add(folder, "wamid.2", "text");
    const stem = draft.replace(/\.[^/]*$/, "");
    symlinkSync(file.path, join(dirname(file.path), `${stem.split("/").at(-1)}.txt`));

    expect(await folder.find("wamid.1")).toBeUndefined();
  });

  test("nothing is found where there is no folder", async () => {
    expect(await open().find("wamid.1")).toBeUndefined();
    await open().sweep(Date.now());
  });

  test("a draft that can not be kept does not stay", async () => {
    const folder = open();
    const draft = await folder.draft("wamid.1");

    await expect(folder.keep("wamid.1", draft, "")).rejects.toThrow("ENOENT");
  });

  test("sweep() removes what is older than the retention", async () => {
    const folder = open();
    const old = await add(folder, "wamid.1", "old", 7 * DAY + 1000);
    const young = await add(folder, "wamid.2", "young", 7 * DAY - 60_000);

    await folder.sweep(Date.now());

    expect(existsSync(old.path)).toBe(false);
    expect(existsSync(young.path)).toBe(true);
    expect(log.lines).toEqual([{ message: "old media files removed", fields: { removed: 1, bytes: 5 } }]);
  });

  test("sweep() removes the oldest until the rest is within the quota", async () => {
    const folder = open({ quotaBytes: 250 });
    const files = [];
    for (const hours of [2, 5, 3, 4])
      files.push(await add(folder, `wamid.${hours}`, "x".repeat(100), hours * HOUR));

    await folder.sweep(Date.now());

    expect(files.map(({ path }) => existsSync(path))).toEqual([true, false, true, false]);
  });

  test("sweep() takes no file that still has to be sent, however old", async () => {
    const inUse = new Set<string>();
    const folder = new MediaFolder(state.path, {
      log,
      limits: { retentionMs: DAY, quotaBytes: 1 },
      inUse: () => inUse,
    });
    const waiting = await add(folder, "wamid.1", PNG, 30 * DAY);
    const done = await add(folder, "wamid.2", PNG, 30 * DAY);
    inUse.add(waiting.path);

    await folder.sweep(Date.now());

    expect([existsSync(waiting.path), existsSync(done.path)]).toEqual([true, false]);
  });

  test("sweep() takes no file of the last hour, and says that the quota is exceeded", async () => {
    const folder = open({ quotaBytes: 250, retentionMs: 1 });
    for (const id of [1, 2, 3]) await add(folder, `wamid.${id}`, "x".repeat(100), HOUR - 60_000);

    await folder.sweep(Date.now());

    expect(state.files()).toHaveLength(3);
    expect(log.lines.map(({ message }) => message)).toEqual([
      "media files of the last hour exceed their quota",
    ]);
  });

  test("sweep() removes what broken downloads left, and leaves one that is under way", async () => {
    const folder = open();
    const left = await folder.draft("wamid.1");
    const underWay = await folder.draft("wamid.1");
    for (const path of [left, underWay]) writeFileSync(path, "half");
    age(left, 11 * 60_000);

    await folder.sweep(Date.now());

    expect([existsSync(left), existsSync(underWay)]).toEqual([false, true]);
  });

  test("sweep() leaves what is not ours", async () => {
    const folder = open();
    mkdirSync(join(folder.path, "sub"), { recursive: true });
    const notes = join(folder.path, "notes.txt");
    writeFileSync(notes, "mine");
    age(notes, 30 * DAY);

    await folder.sweep(Date.now());

    expect(existsSync(notes)).toBe(true);
  });

  test("a file that is asked for again is young again", async () => {
    const folder = open();
    const file = await add(folder, "wamid.1", "text", 8 * DAY);

    await folder.find("wamid.1");
    await folder.sweep(Date.now());

    expect(existsSync(file.path)).toBe(true);
  });

  test("hasRoom() makes room if it can, and looks no more than once a minute", async () => {
    const folder = open({ quotaBytes: 150 });
    const now = Date.now();
    expect(await folder.hasRoom(now)).toBe(true);
    await add(folder, "wamid.1", "x".repeat(100), 2 * HOUR);
    expect(await folder.hasRoom(now)).toBe(true);
    const second = await add(folder, "wamid.2", "x".repeat(100));

    expect(await folder.hasRoom(now + 1000)).toBe(false);
    expect(await folder.hasRoom(now + 61_000)).toBe(true);
    expect(state.files()).toHaveLength(1);
    await add(folder, "wamid.3", "x".repeat(100));
    expect(await folder.hasRoom(now + 130_000)).toBe(false);
    expect(existsSync(second.path)).toBe(true);
  });
});
