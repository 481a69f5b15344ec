import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createBridgeServer, openBridge } from "../../poller/bridge.ts";
import { HealthBoard } from "../../poller/health.ts";
import { systemClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config/config.ts";
import { createFetch } from "../../src/http.ts";
import { silentLog } from "../../src/log.ts";
import { MediaFolder } from "../../src/media/folder.ts";
import { Deliverer } from "../../src/pipeline/deliver.ts";
import { Lanes } from "../../src/pipeline/lanes.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { Store } from "../../src/store/store.ts";
import { CloudApi } from "../../src/whatsapp/client.ts";
import { ApiConnection } from "../../src/whatsapp/connection.ts";
import { accountEnv, accountOf } from "../account.ts";
import { freePort } from "../free-port.ts";
import { PDF } from "../media/samples.ts";
import { downloader, FileServer, PNG, tempFolder } from "../media/stand-in.ts";
import { person } from "./world.ts";

/** The bridge alone, which may ask one server of files on this machine. */
async function setUp(given: Readonly<Record<string, string>> = {}) {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack[Symbol.asyncDispose]());
  const temp = stack.use(tempFolder());
  const kapso = stack.use(await StandInKapso.start());
  const server = stack.use(
    await FileServer.start((request, response) => response.end(request.url === "/a.png" ? PNG : PDF)),
  );
  const port = await freePort();
  const env = {
    HOME: temp.path,
    KAPSO_STATE_DIR: join(temp.path, "state"),
    GATEWAY_TYPE: "http",
    GATEWAY_URL: "http://127.0.0.1:1/",
    WA_BRIDGE_ADDR: `127.0.0.1:${port}`,
    WA_SEND_ALLOW_TO: "*",
    ...accountEnv(kapso),
    ...given,
  };
  const config = loadConfig({ env });
  const store = stack.use(Store.open(config.state.dir));
  const surroundings = { clock: systemClock, log: silentLog, process };
  const api = new CloudApi(
    new ApiConnection(accountOf(kapso), { fetch: stack.use(createFetch()), clock: systemClock }),
  );
  const base = { ...surroundings, config, store, api };
  const board = new HealthBoard(store, surroundings);
  const bridge = await openBridge(base, board, stack);
  if (!bridge) throw new Error("The bridge is not open");
  const abort = new AbortController();
  stack.defer(() => abort.abort());
  const deliverer = new Deliverer(
    { outbox: store.outbox, sender: api, lanes: new Lanes(4), clock: systemClock, log: silentLog },
    { by: "test", settleMs: 1000 },
    abort.signal,
  );
  const folder = new MediaFolder(config.state.dir, { log: silentLog });
  const outgoing = {
    allowed: { roots: [] },
    folder,
    downloader: stack.use(downloader([server])),
    clock: systemClock,
    log: silentLog,
  };
  stack.use(createBridgeServer(base, bridge, { board, deliverer, folder, outgoing }).serve(abort.signal));
  const post = async (body: object, headers: Readonly<Record<string, string>> = {}) => {
    const url = `http://127.0.0.1:${port}/send-media`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
  };
  return { kapso, server, post, files: () => readdirSync(folder.path) };
}

test("a file by address goes with its own name, or the one that is asked for", async () => {
  const { kapso, server, post } = await setUp();
  const to = person(1);

  const answers = [
    await post({ to, url: `${server.origin}/a.png`, caption: "Sales" }),
    await post({ to, media: { url: `${server.origin}/report.pdf` } }),
    await post({ to, url: `${server.origin}/1`, filename: "../May.pdf" }),
  ];

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(kapso.sent.map(({ text, media }) => [text, media?.type, media?.filename])).toEqual([
    ["Sales", "image", undefined],
    ["", "document", "report.pdf"],
    ["", "document", "May.pdf"],
  ]);
  expect(kapso.media.uploads.map(({ bytes }) => bytes)).toEqual([PNG, PDF, PDF]);
});

test("a caption that is too long for one follows as a text, and the agent gets both ids", async () => {
  const { kapso, server, post } = await setUp();
  const caption = "word ".repeat(300).trim();

  const { status, answer } = await post({ to: person(1), url: `${server.origin}/a.png`, caption });

  expect(status).toBe(200);
  expect(kapso.sent.map(({ text, media }) => [text, media?.type])).toEqual([
    ["", "image"],
    [caption, undefined],
  ]);
  expect(answer["messageIds"]).toEqual(kapso.sent.map(({ wamid }) => wamid));
});

test("a file that a cap is against, or that was sent before, leaves no copy", async () => {
  const { kapso, server, post, files } = await setUp({ WA_SEND_PER_RECIPIENT: "1" });
  const order = { to: person(1), url: `${server.origin}/a.png` };
  const key = { "Idempotency-Key": "k" };

  const first = await Promise.all([post(order, key), post(order, key)]);
  const kept = files();
  const refused = [await post(order), await post(order)];

  expect(first.map(({ status }) => status)).toEqual([200, 200]);
  expect(refused.map(({ status }) => status)).toEqual([429, 429]);
  expect(kept).toHaveLength(1);
  expect(files()).toEqual(kept);
  expect(kapso.sent).toHaveLength(1);
});
