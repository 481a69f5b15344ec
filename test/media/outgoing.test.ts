import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import type { RequestListener } from "node:http";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import sharp from "sharp";
import { describe, expect, onTestFinished, test } from "vitest";
import { openAllowed } from "../../src/media/allowed-file.ts";
import { Downloader } from "../../src/media/download.ts";
import { MediaFolder } from "../../src/media/folder.ts";
import {
  createPreparer,
  prepareOutgoing,
  type OutgoingOptions,
  type OutgoingParts,
} from "../../src/media/outgoing.ts";
import { TestClock } from "../clock.ts";
import { CFB, MP3, MP4, opus, PDF, webp } from "./samples.ts";
import { FileServer, listeningLog, never, PNG, tempFolder } from "./stand-in.ts";

const SECRET = "-----BEGIN OPENSSH PRIVATE KEY-----";
const OUTSIDE = "it is outside of the folders that files may be sent from";

/** Makes a folder a link and a folder again, as quickly as it can. */
const SWAP = `
  const { parentPort, workerData: root } = require("node:worker_threads");
  const { renameSync } = require("node:fs");
  const move = (from, to) => renameSync(root + "/" + from, root + "/" + to);
  const swap = () => {
    for (let times = 0; times < 100; times++) {
      move("out", "away");
      move("link", "out");
      move("out", "link");
      move("away", "out");
    }
    setImmediate(swap);
  };
  swap();
  parentPort.postMessage("swapping");
`;

/** A folder of the agent's with a second root, a secret beside them, and a state folder of ours. */
function world(given: Partial<OutgoingParts> = {}) {
  const temp = tempFolder();
  onTestFinished(() => temp[Symbol.dispose]());
  const [root, other, outside, state] = ["workspace", "shared", "home", "state"].map((name) => {
    mkdirSync(join(temp.path, name));
    return join(temp.path, name);
  }) as [string, string, string, string];
  writeFileSync(join(outside, "id_ed25519"), SECRET);
  const log = listeningLog();
  const parts: OutgoingParts = {
    allowed: { roots: [root, other] },
    folder: new MediaFolder(state, { log }),
    downloader: {
      get: async () => ({ kind: "network", code: "", reason: "the connection to the server failed" }),
    },
    clock: new TestClock(),
    log,
    ...given,
  };
  const write = (name: string, bytes: Uint8Array | string, folder = root) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const kept = () =>
    readdirSync(state, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  const prepare = (reference: string, options: OutgoingOptions = {}) =>
    prepareOutgoing(reference, options, parts, never);
  return { root, other, outside, state, parts, log, write, kept, prepare };
}

const refused = (reason: unknown = OUTSIDE) => ({ kind: "refused", reason });

describe("prepareOutgoing() of a file", () => {
  test("copies it, so that it can change or go afterwards", async () => {
    const { write, prepare, state } = world();
    const path = write("out/chart.png", PNG);

    const outgoing = await prepare("out/chart.png");
    writeFileSync(path, "other");

    expect(outgoing).toMatchObject({
      kind: "file",
      as: "image",
      filename: "chart.png",
      file: { mimeType: "image/png", bytes: PNG.length },
    });
    if (outgoing.kind !== "file") throw new Error();
    expect(dirname(outgoing.file.path)).toBe(join(state, "media"));
    expect(readFileSync(outgoing.file.path)).toEqual(PNG);
  });

  test("takes relative references from the first root, absolute ones from any, and file URLs", async () => {
    const { write, prepare, root, other } = world();
    write("a b.pdf", PDF);
    write("b.pdf", PDF, other);

    expect(await prepare("./x/../a b.pdf")).toMatchObject({ filename: "a b.pdf" });
    expect(await prepare(join(root, "a b.pdf"))).toMatchObject({ filename: "a b.pdf" });
    expect(await prepare(join(other, "b.pdf"))).toMatchObject({ filename: "b.pdf" });
    expect(await prepare(`file://${root}/a%20b.pdf`)).toMatchObject({ filename: "a b.pdf" });
    expect(await prepare("b.pdf")).toEqual(refused("there is no such file"));
  });

  test.each([
    ["/etc/passwd", OUTSIDE],
    ["/etc/no-such-file", OUTSIDE],
    ["../home/id_ed25519", OUTSIDE],
    ["../../.ssh/id_ed25519", OUTSIDE],
    ["out/../../home/id_ed25519", OUTSIDE],
    ["file:///etc/passwd", OUTSIDE],
    ["/proc/self/environ", OUTSIDE],
    ["/dev/zero", OUTSIDE],
    ["..", OUTSIDE],
    [".", OUTSIDE],
    ["", OUTSIDE],
    ["a\0b", OUTSIDE],
    ["file://server/share/a.png", "only files of this machine and addresses of the web can be sent"],
    ["file://%", "only files of this machine and addresses of the web can be sent"],
    ["data:image/png;base64,AAAA", "only files of this machine and addresses of the web can be sent"],
    ["ftp://example.com/a.png", "only files of this machine and addresses of the web can be sent"],
    ["~/.ssh/id_ed25519", "there is no such file"],
    ["nothing.png", "there is no such file"],
    ["a/".repeat(5000), "there is no such file"],
    ["a".repeat(300), "there is no such file"],
  ])("refuses %j", async (reference, reason) => {
    const { prepare, kept } = world();

    expect(await prepare(reference)).toEqual(refused(reason));
    expect(kept()).toEqual([]);
  });

  test("refuses everything when there is no root", async () => {
    const { prepare } = world({ allowed: { roots: [] } });

    expect(await prepare("/etc/passwd")).toEqual(refused());
    expect(await prepare("a.png")).toEqual(refused());
  });

  test("follows links inside, and none that lead out", async () => {
    const { write, prepare, root, other, outside } = world();
    write("b.pdf", PDF, other);
    symlinkSync(join(other, "b.pdf"), join(root, "inside.pdf"));
    symlinkSync(join(outside, "id_ed25519"), join(root, "key.png"));
    symlinkSync(outside, join(root, "folder"));
    symlinkSync("loop.png", join(root, "loop.png"));
    symlinkSync("/dev/zero", join(root, "zero.png"));

    expect(await prepare("inside.pdf")).toMatchObject({ kind: "file", as: "document" });
    for (const name of ["key.png", "folder/id_ed25519", "loop.png", "zero.png"])
      expect(await prepare(name)).toEqual(refused());
  });

  test("takes a root that is a link itself, under either name", async () => {
    const { write, prepare, root, parts } = world();
    write("a.pdf", PDF);
    const link = `${root}-link`;
    symlinkSync(root, link);
    const through = { ...parts, allowed: { roots: [link] } };

    expect(await prepareOutgoing("a.pdf", {}, through, never)).toMatchObject({ kind: "file" });
    expect(await prepareOutgoing(join(link, "a.pdf"), {}, through, never)).toMatchObject({ kind: "file" });
    expect(await prepareOutgoing(join(root, "a.pdf"), {}, through, never)).toMatchObject({ kind: "file" });
    expect(await prepare(join(link, "a.pdf"))).toEqual(refused());
  });

  test("refuses folders, pipes and sockets without waiting for anybody", async () => {
    const { prepare, root } = world();
    mkdirSync(join(root, "folder.png"));
    execFileSync("/usr/bin/env", ["mkfifo", join(root, "pipe.png")]);
    const server = createServer().listen(join(root, "s"));
    onTestFinished(() => void server.close());

    for (const name of ["folder.png", "pipe.png", "s"])
      expect(await prepare(name)).toEqual(refused("it is not a file"));
  });

  test("refuses what is too large before it reads it", async () => {
    const { prepare, write, kept } = world();
    truncateSync(write("huge.pdf", PDF), 10_000_000_000);

    expect(await prepare("huge.pdf")).toEqual(
      refused("it is larger than the 100 MB that WhatsApp takes (10000 MB)"),
    );
    expect(kept()).toEqual([]);
  });

  test("refuses what WhatsApp does not take, and keeps no copy", async () => {
    const { prepare, write, kept } = world();
    write("empty.txt", "");
    write("program.pdf", Buffer.from("\u007fELF\u0002\u0001\u0001\u0000", "latin1"));

    expect(await prepare("empty.txt")).toEqual(refused("it is empty"));
    expect(await prepare("program.pdf")).toMatchObject(refused(expect.stringContaining("of this type")));
    expect(kept()).toEqual([]);
  });

  test.skipIf(process.getuid?.() === 0)("refuses what it may not read", async () => {
    const { prepare, write } = world();
    chmodSync(write("a.png", PNG), 0);

    expect(await prepare("a.png")).toEqual(refused("it can not be read"));
  });

  test.each([
    ["song.mp3", MP3, "audio", "audio/mpeg"],
    ["film.mp4", MP4, "video", "video/mp4"],
    ["bill.pdf", PDF, "document", "application/pdf"],
    ["voice.ogg", opus(), "audio", "audio/ogg"],
    ["moves.webp", webp({ moves: true }), "document", "image/webp"],
    ["table.csv", "a,b\n1,2\n", "document", "text/plain"],
    ["notes.md", "# Notes\n", "document", "text/plain"],
    ["old.xls", CFB, "document", "application/vnd.ms-excel"],
    ["really-a-picture.txt", PNG, "image", "image/png"],
  ])("goes by what is in %s", async (name, bytes, as, mimeType) => {
    const { prepare, write } = world();
    write(name, bytes);

    expect(await prepare(name)).toMatchObject({ as, filename: name, file: { mimeType } });
  });

  test("makes a voice message or a sticker when asked to", async () => {
    const { prepare, write } = world();
    write("voice.ogg", opus());
    write("smile.webp", webp());

    expect(await prepare("voice.ogg", { asVoice: true })).toMatchObject({ as: "voice" });
    expect(await prepare("smile.webp", { asSticker: true })).toMatchObject({ as: "sticker" });
  });

  test("gives a caption along where WhatsApp shows it", async () => {
    const { prepare, write } = world();
    write("a.png", PNG);
    write("a.mp3", MP3);
    const long = "x".repeat(1025);

    expect(await prepare("a.png", { caption: "Look" })).toMatchObject({ caption: "Look" });
    expect(await prepare("a.png", { caption: long })).toMatchObject({ text: long });
    expect(await prepare("a.mp3", { caption: "Listen" })).toMatchObject({ text: "Listen" });
    expect(await prepare("a.png")).not.toHaveProperty("caption");
  });

  test("gives a file without an ending the one of its type", async () => {
    const { prepare, write } = world();
    write("bill", PDF);

    expect(await prepare("bill")).toMatchObject({ filename: "bill.pdf" });
  });

  test("says so when there is no room, or the disk fails", async () => {
    const full = world();
    full.write("a.png", PNG);
    const folder = {
      hasRoom: async () => false,
      draft: async () => join(full.state, "no", "such", "folder"),
      keep: async () => Promise.reject(new Error()),
    };

    expect(await prepareOutgoing("a.png", {}, { ...full.parts, folder }, never)).toMatchObject(
      refused(expect.stringContaining("no room")),
    );
    const broken = { ...folder, hasRoom: async () => true };
    expect(await prepareOutgoing("a.png", {}, { ...full.parts, folder: broken }, never)).toEqual(
      refused("it could not be stored"),
    );
    expect(full.log.lines.map(({ message }) => message)).toEqual(["file to be sent not stored"]);
  });

  test("stops with its signal", async () => {
    const { parts, write } = world();
    write("a.png", PNG);

    await expect(
      prepareOutgoing("a.png", {}, parts, AbortSignal.abort(new Error("stopping"))),
    ).rejects.toThrow("stopping");
  });
});

describe("openAllowed()", () => {
  test("P5: gives nothing below a closed folder, whatever the roots are and wherever links lead", async () => {
    const { root, write } = world();
    const closed = join(root, "state");
    write("state/media/secret.png", PNG);
    symlinkSync(closed, join(root, "shortcut"));

    for (const path of ["state/media/secret.png", "shortcut/media/secret.png", "x/../state/media/secret.png"])
      expect(await openAllowed(path, { roots: [root], closed: [closed] })).toMatchObject({ kind: "refused" });
  });

  test("is not fooled by a folder that becomes a link while it looks", async () => {
    const { root, outside, write } = world();
    write("out/id_ed25519", "harmless");
    symlinkSync(outside, join(root, "link"));
    await using swapping = new Worker(SWAP, { eval: true, workerData: root });
    await once(swapping, "message");
    const seen = new Set<string>();
    const until = performance.now() + 1000;
    while (performance.now() < until) {
      const opened = await openAllowed("out/id_ed25519", { roots: [root] });
      if (opened.kind === "refused") continue;
      await using handle = opened.handle;
      seen.add(await handle.readFile("utf8"));
    }

    expect([...seen]).toEqual(["harmless"]);
  });

  test("keeps what it opened when the name leads elsewhere afterwards", async () => {
    const { root, outside, write } = world();
    const path = write("a.txt", "harmless");
    const opened = await openAllowed("a.txt", { roots: [root] });
    if (opened.kind === "refused") throw new Error(opened.reason);
    await using handle = opened.handle;
    renameSync(path, `${path}.old`);
    linkSync(join(outside, "id_ed25519"), path);

    expect(await handle.readFile("utf8")).toBe("harmless");
    expect(opened.bytes).toBe(8);
  });
});

describe("prepareOutgoing() of an address", () => {
  /** A server that may be asked as if it were a public one; everything else is as in production. */
  async function web(answer: Uint8Array | string | RequestListener, status = 200) {
    const listener: RequestListener =
      typeof answer === "function" ? answer : (_, response) => response.writeHead(status).end(answer);
    const server = await FileServer.start(listener);
    const resolve = async () => [{ address: "10.0.0.1", family: 4 }];
    const loader = new Downloader({ hosts: "any", allowPrivate: [server.host] }, { resolve });
    onTestFinished(async () => {
      await loader[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });
    return { server, ...world({ downloader: loader }) };
  }

  test("fetches it, names it, and goes by what is in it", async () => {
    const { server, prepare } = await web(PDF);

    expect(await prepare(`${server.origin}/files/My%20bill?token=1#x`)).toMatchObject({
      as: "document",
      filename: "My bill.pdf",
      file: { mimeType: "application/pdf", bytes: PDF.length },
    });
    expect(await prepare(`${server.origin}/`)).toMatchObject({ filename: "file.pdf" });
    expect(await prepare(`${server.origin}/%E0%A4%A`)).toMatchObject({ kind: "file" });
  });

  test.each([
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:1/",
    "http://localhost:18789/",
    "https://[::1]/",
    "https://user:password@example.com/a.png",
    "https://10.0.0.1/a.png",
    "https://intranet.example/a.png",
    "http://0x7f.1/a.png",
    "http://",
  ])("refuses %s without asking it", async (reference) => {
    const { server, prepare, kept } = await web(PNG);

    expect(await prepare(reference)).toEqual(refused("its server is none that may be asked"));
    expect(server.requests).toEqual([]);
    expect(kept()).toEqual([]);
  });

  test("follows no redirect into the network", async () => {
    const { server, prepare } = await web((_, response) =>
      response.writeHead(302, { Location: "http://169.254.169.254/latest/meta-data/" }).end(),
    );

    expect(await prepare(`${server.origin}/a.png`)).toEqual(refused("its server is none that may be asked"));
    expect(server.requests).toHaveLength(1);
  });

  test("says why there is none", async () => {
    const { server, prepare } = await web("", 404);

    expect(await prepare(`${server.origin}/a.png`)).toEqual(refused("no longer available"));
  });

  test("refuses what is longer than WhatsApp takes", async () => {
    const { server, prepare, kept } = await web(Buffer.alloc(100_000_001));

    expect(await prepare(`${server.origin}/a.pdf`)).toEqual(
      refused("it is larger than the 100 MB that WhatsApp takes"),
    );
    expect(kept()).toEqual([]);
  });

  test("refuses when our disk fails", async () => {
    const disk = async () => ({ kind: "disk", error: new Error("full"), reason: "" }) as const;
    const { prepare } = world({ downloader: { get: disk } });

    expect(await prepare("https://example.com/a.png")).toEqual(refused("it could not be stored"));
  });
});

describe("pictures", () => {
  /** Noise does not get smaller. */
  const picture = (side: number, channels: 3 | 4 = 3) =>
    sharp({
      create: {
        width: side,
        height: side,
        channels,
        background: { r: 200, g: 0, b: 0, alpha: 0.5 },
        noise: { type: "gaussian", mean: 128, sigma: 60 },
      },
    });

  test.each(["webp", "avif", "tiff"] as const)("are converted from %s", async (format) => {
    const { prepare, write, kept } = world();
    write(`photo.${format}`, await picture(64).toFormat(format).toBuffer());

    const outgoing = await prepare(`photo.${format}`);

    expect(outgoing).toMatchObject({ as: "image", filename: "photo.jpg", file: { mimeType: "image/jpeg" } });
    expect(outgoing).not.toHaveProperty("note");
    expect(kept()).toHaveLength(1);
  });

  test("keep what can be seen through", async () => {
    const { prepare, write } = world();
    const clear = sharp({ create: { width: 9, height: 9, channels: 4, background: "#f008" } });
    write("logo.webp", await clear.webp().toBuffer());

    expect(await prepare("logo.webp")).toMatchObject({ as: "image", filename: "logo.png" });
  });

  test("are made smaller when they are too large", async () => {
    const { prepare, write } = world();
    const large = await picture(3000).png({ compressionLevel: 0 }).toBuffer();
    write("large.png", large);

    const outgoing = await prepare("large.png");

    expect(large.length).toBeGreaterThan(5_000_000);
    expect(outgoing).toMatchObject({ as: "image", filename: "large.jpg" });
    if (outgoing.kind !== "file") throw new Error();
    expect(outgoing.file.bytes).toBeLessThan(5_000_000);
    expect((await sharp(outgoing.file.path).metadata()).width).toBeLessThanOrEqual(2560);
  });

  test("are files, with a note, when sharp is not installed or can not read them", async () => {
    const { prepare, write, parts } = world();
    const bytes = await picture(16).webp().toBuffer();
    write("photo.webp", bytes);
    write("broken.webp", webp());
    const note = "sent as a file: WhatsApp shows only JPEG and PNG as pictures";

    expect(await prepare("broken.webp")).toMatchObject({ as: "document", note });
    expect(
      await prepareOutgoing("photo.webp", {}, { ...parts, convert: async () => undefined }, never),
    ).toMatchObject({ as: "document", filename: "photo.webp", note, file: { bytes: bytes.length } });
  });
});

test("createPreparer() gives what the pipeline sends, and logs what was asked for otherwise", async () => {
  const { parts, log, write } = world();
  write("song.mp3", MP3);
  const preparer = createPreparer(parts);

  const prepared = await preparer.prepare({ reference: "song.mp3", asVoice: true }, never);

  expect(prepared).toEqual({
    kind: "file",
    media: {
      as: "audio",
      path: expect.stringMatching(/\.mp3$/),
      mimeType: "audio/mpeg",
      filename: "song.mp3",
    },
  });
  expect(log.lines).toEqual([
    {
      message: "file not sent as asked",
      fields: { as: "audio", mimeType: "audio/mpeg", reason: "a voice message must be Opus in Ogg" },
    },
  ]);
  expect(await preparer.prepare({ reference: "/etc/passwd", asVoice: false }, never)).toEqual(refused());
});
