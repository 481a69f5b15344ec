import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Store } from "../../src/store/store.ts";
import { enqueue } from "../store/enqueue.ts";
import { DIGITS, read, TO, World } from "./world.ts";

/** From the moment at which WhatsApp has taken a message nobody can write to the state; returns how to end that. */
function lockOnSend(world: World): () => void {
  const database = new DatabaseSync(join(world.state, "relay.db"));
  world.kapso.fault = ({ kind }) => {
    if (kind === "send" && !database.isTransaction) database.exec("BEGIN IMMEDIATE");
    return undefined;
  };
  return () => {
    world.heal();
    database.close();
  };
}

const keyed = ["send", "--to", TO, "--text", "Paid", "--json", "--idempotency-key", "k"];

describe("wa-cli send when the state can not be written to", { timeout: 60_000 }, () => {
  test("P7: it is unlocked in time: accepted", async () => {
    await using world = await World.start();
    await world.send("warm");
    const unlock = lockOnSend(world);

    const sending = world.run([...keyed, "--timeout", "20"]);
    await sleep(6500);
    unlock();

    expect(read(await sending)).toMatchObject({ status: "accepted" });
    expect(world.texts).toEqual(["warm", "Paid"]);
  });

  test("P7, P10: it stays locked: unknown soon after the time is up, settled by the same command later, sent once", async () => {
    await using world = await World.start();
    await world.send("warm");
    const unlock = lockOnSend(world);
    const startedAt = Date.now();

    const { pid } = spawnSync(process.execPath, ["-e", "0"]);
    const sent = await world.run([...keyed, "--timeout", "2"], { pid });
    const tookMs = Date.now() - startedAt;
    unlock();
    const again = await world.run(keyed);

    expect([sent.code, read(sent)["status"]]).toEqual([6, "unknown"]);
    // Each try to write waits up to five seconds for the lock.
    expect(tookMs).toBeLessThan(40_000);
    expect(read(again)).toMatchObject({ status: "accepted", repeated: true });
    expect(world.texts).toEqual(["warm", "Paid"]);
  });

  test("P10: a daemon that claims the message and dies holds the command up no longer than its timeout", async () => {
    await using world = await World.start();
    using store = Store.open(world.state);
    await enqueue(store.outbox, [{ to: { phone: DIGITS }, text: "before" }], Date.now());
    const before = await store.outbox.claim(DIGITS, "daemon", Date.now());

    const ended = world.run(["send", "--to", TO, "--text", "hi", "--json", "--timeout", "3"]);
    while (store.outbox.list({ all: true, limit: 5 }).length < 2) await sleep(10);
    const startedAt = Date.now();
    // Both in one transaction: the command has no chance to claim its message in between.
    const [, claim] = await Promise.all([
      before && store.outbox.accepted(before, { wamid: "wamid.BEFORE" }, startedAt),
      store.outbox.claim(DIGITS, "daemon", startedAt),
    ]);
    const ran = await ended;

    expect(claim?.text).toBe("hi");
    expect([ran.code, read(ran)["status"]]).toEqual([6, "unknown"]);
    expect(Date.now() - startedAt).toBeLessThan(20_000);
    expect(world.texts).toEqual([]);
  });
});
