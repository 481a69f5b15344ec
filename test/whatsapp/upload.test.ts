import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createFetch } from "../../src/http.ts";
import { StandInKapso, type Fault } from "../../src/sandbox/kapso.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import type { StreamedBody } from "../../src/whatsapp/streamed-body.ts";
import { multipartBody, uploadMedia, type UploadCall } from "../../src/whatsapp/upload.ts";
import { accountOf } from "../account.ts";
import { TestClock } from "../clock.ts";

const never = new AbortController().signal;
const BYTES = Buffer.from([0, 255, 13, 10, 45, 45, 13, 10]);

function sample(bytes: Uint8Array | string = BYTES): string {
  const folder = mkdtempSync(join(tmpdir(), "wa-relay-upload-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "file");
  writeFileSync(path, bytes);
  return path;
}

/** The stand-in, and the connection that production has to it. */
async function standIn() {
  const kapso = await StandInKapso.start();
  onTestFinished(() => kapso[Symbol.asyncDispose]());
  const fetch = createFetch();
  onTestFinished(() => fetch[Symbol.asyncDispose]());
  return { kapso, api: new ApiConnection(accountOf(kapso), { fetch, clock: new TestClock(Date.now) }) };
}

/** A provider that gives this answer, and keeps what it was asked. */
function answering(answer: unknown) {
  const calls: UploadCall[] = [];
  const call = async (upload: UploadCall) => {
    calls.push(upload);
    return answer;
  };
  return { calls, api: { call, phoneNumberId: "100", graphPath: (node: string) => `/v24.0/${node}` } };
}

describe("uploadMedia()", () => {
  test("gives the file with its type and name, and returns its id", async () => {
    const { kapso, api } = await standIn();
    const path = sample();

    const id = await uploadMedia({ path, mimeType: "image/png", filename: "chart.png" }, api, never);

    expect(kapso.media.uploads).toEqual([
      { id, bytes: BYTES, mimeType: "image/png", type: "image/png", filename: "chart.png" },
    ]);
    expect(kapso.requests).toEqual([
      { kind: "upload", method: "POST", path: `/meta/whatsapp/v24.0/${kapso.phoneNumberId}/media` },
    ]);
  });

  test.each([
    ['a"; name="type"\r\n\r\nx', "a_name_type_x"],
    ["../../etc/passwd", ".._.._etc_passwd"],
    ["фото 1.jpg", "_1.jpg"],
    ["фото", "file"],
    [undefined, "file"],
    [`${"a".repeat(300)}.pdf`, `${"a".repeat(96)}.pdf`],
  ])("lets a name do no harm: %j", async (filename, shown) => {
    const { kapso, api } = await standIn();
    const upload = { path: sample(), mimeType: "text/plain", ...(filename !== undefined && { filename }) };

    await uploadMedia(upload, api, never);

    expect(kapso.media.uploads).toMatchObject([{ filename: shown, bytes: BYTES, type: "text/plain" }]);
  });

  test("leaves the parameters of a type out", async () => {
    const { kapso, api } = await standIn();

    await uploadMedia({ path: sample(), mimeType: "audio/ogg; codecs=opus" }, api, never);

    expect(kapso.media.uploads).toMatchObject([{ mimeType: "audio/ogg", type: "audio/ogg" }]);
  });

  test("passes the API's refusal on", async () => {
    const { kapso, api } = await standIn();

    await expect(uploadMedia({ path: sample(), mimeType: "image/gif" }, api, never)).rejects.toThrow(
      "HTTP 400: (#100) Param file must be a file with one of the following types: audio/aac",
    );
    expect(kapso.media.uploads).toEqual([]);
  });

  test.each<[string, Fault, boolean]>([
    ["lost before it took effect", { lose: true }, false],
    ["lost after it took effect", { lose: true, afterEffect: true }, true],
    ["refused for the moment", { status: 429, body: '{"error":"Rate limit exceeded"}' }, false],
  ])("rejects when the request is %s", async (_, fault, isThere) => {
    const { kapso, api } = await standIn();
    kapso.fault = () => fault;

    await expect(uploadMedia({ path: sample(), mimeType: "image/png" }, api, never)).rejects.toThrow();
    expect(kapso.media.uploads).toHaveLength(isThere ? 1 : 0);
  });

  test.each([{}, undefined, { id: "" }, { id: "a/../b" }, { id: null }])(
    "takes no id from the answer %j",
    async (answer) => {
      const { api } = answering(answer);
      const upload = uploadMedia({ path: sample(), mimeType: "image/png" }, api, never);

      await expect(upload).rejects.toThrow("The answer names no media id");
    },
  );

  test("takes a number as an id", async () => {
    const { api } = answering({ id: 42 });

    expect(await uploadMedia({ path: sample(), mimeType: "image/png" }, api, never)).toBe("42");
  });

  test("gives a large file more time", async () => {
    const path = sample();
    truncateSync(path, 100_000_000);
    const { api, calls } = answering({ id: "1" });

    await uploadMedia({ path, mimeType: "application/pdf" }, api, never);

    expect(calls[0]?.timeoutMs).toBeGreaterThan(800_000);
  });

  test("uploads as much as WhatsApp takes", async () => {
    const { kapso, api } = await standIn();
    const path = sample();
    truncateSync(path, 100_000_000);

    await uploadMedia({ path, mimeType: "application/pdf" }, api, never);

    expect(kapso.media.uploads[0]?.bytes).toHaveLength(100_000_000);
  });

  test("rejects for a file that is gone", async () => {
    const { api } = await standIn();

    await expect(uploadMedia({ path: "/nowhere/a", mimeType: "image/png" }, api, never)).rejects.toThrow(
      "ENOENT",
    );
  });
});

async function readAll(body: StreamedBody): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("multipartBody()", () => {
  test("tells its exact length, and can be read again", async () => {
    const body = await multipartBody({ path: sample(), mimeType: "image/png", filename: "a.png" });
    const first = await readAll(body);

    expect(first).toHaveLength(body.bytes);
    expect(await readAll(body)).toEqual(first);
    expect(body.contentType).toMatch(/^multipart\/form-data; boundary=wa-relay-[0-9a-f]{24}$/);
  });

  test.each([
    ["shrank", 4],
    ["grew", 9],
  ])("stops at a file that %s", async (_, length) => {
    const path = sample();
    const body = await multipartBody({ path, mimeType: "image/png" });
    truncateSync(path, length);

    await expect(readAll(body)).rejects.toThrow("not 8 bytes long any more");
  });

  test("takes nothing for a type that would break the request", async () => {
    await expect(multipartBody({ path: sample(), mimeType: "image/png\r\nX-A: 1" })).rejects.toThrow(
      TypeError,
    );
  });

  test("reads a large file in small pieces, and leaves it when nobody wants more", async () => {
    const path = sample();
    truncateSync(path, 100_000_000);
    const body = await multipartBody({ path, mimeType: "application/pdf" });
    let [bytes, largest] = [0, 0];
    for await (const chunk of body.open()) {
      bytes += chunk.length;
      largest = Math.max(largest, chunk.length);
    }

    expect(bytes).toBe(body.bytes);
    expect(largest).toBeLessThanOrEqual(65_536);
    for await (const chunk of body.open()) if (chunk.length === 65_536) break;
  });
});

describe("the stand-in", () => {
  test("gives a file by its id, without a key", async () => {
    const { kapso } = await standIn();
    const id = kapso.media.add({ bytes: BYTES, mimeType: "image/png" });
    const headers = { "X-API-Key": kapso.apiKey };

    const answer = await fetch(`${kapso.url}/meta/whatsapp/v24.0/${id}`, { headers });
    const about = (await answer.json()) as { readonly download_url: string };
    const file = await fetch(about.download_url);

    expect(about).toMatchObject({ id, mime_type: "image/png", file_size: "8" });
    expect(file.headers.get("content-type")).toBe("image/png");
    expect(Buffer.from(await file.arrayBuffer())).toEqual(BYTES);
    expect(kapso.requests.map(({ kind }) => kind)).toEqual(["media", "download"]);
    expect((await fetch(`${kapso.url}/meta/whatsapp/v24.0/1`, { headers })).status).toBe(404);
    expect((await fetch(`${kapso.url}/meta/whatsapp/media_download?token=1`)).status).toBe(404);
  });

  test("takes a message with a file, and shows and lists it", async () => {
    const { kapso } = await standIn();
    const id = kapso.media.add({ bytes: BYTES, mimeType: "application/pdf" });
    const send = async (body: object) =>
      fetch(`${kapso.url}/meta/whatsapp/v24.0/${kapso.phoneNumberId}/messages`, {
        method: "POST",
        headers: { "X-API-Key": kapso.apiKey },
        body: JSON.stringify({ messaging_product: "whatsapp", to: "+15550100001", ...body }),
      });
    const document = { id, caption: "Your bill", filename: "bill.pdf" };

    const answer = await send({ type: "document", document });

    expect(answer.status).toBe(200);
    expect(kapso.sent).toMatchObject([
      { to: "15550100001", text: "Your bill", media: { type: "document", id, filename: "bill.pdf" } },
    ]);
    const refused = [
      { type: "image", image: { id: "999" } },
      { type: "audio", audio: { id, caption: "no" } },
      { type: "document", document: { id, caption: "x".repeat(1025) } },
    ];
    for (const body of refused) expect((await send(body)).status).toBe(400);
    expect(kapso.sent).toHaveLength(1);
  });
});
