import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { DeliveryState } from "../../src/pipeline/delivery-state.ts";
import type { DeliveryStatus } from "../../src/pipeline/outbox.ts";
import { Store } from "../../src/store/store.ts";
import { ANN, NOW } from "../inbound.ts";
import { enqueue } from "./enqueue.ts";

function openStore() {
  const folder = mkdtempSync(join(tmpdir(), "wa-store-test-"));
  const store = Store.open(folder);
  return {
    store,
    /** One text on its way to Ann, claimed. */
    sending: async () => {
      const [id = 0] = await enqueue(store.outbox, [{ to: { phone: ANN }, text: "hello" }], NOW);
      const claim = await store.outbox.claim(ANN, "daemon", NOW);
      if (!claim) throw new Error("Nothing was claimed");
      return { id, claim };
    },
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const heard = (status: DeliveryState, given: Partial<DeliveryStatus> = {}): DeliveryStatus => ({
  wamid: "wamid.OUT",
  status,
  at: NOW,
  ...(status === "failed" && { failure: { code: "131026", error: "131026: Undeliverable" } }),
  ...given,
});

describe("SqliteStatuses", () => {
  test.each<readonly [readonly DeliveryState[], string, string]>([
    [["sent"], "accepted", "sent"],
    [["sent", "delivered", "read"], "accepted", "read"],
    [["read", "delivered", "sent"], "accepted", "read"],
    [["sent", "sent", "delivered", "delivered"], "accepted", "delivered"],
    [["delivered", "read", "played"], "accepted", "played"],
    [["sent", "failed"], "dead", "failed"],
    [["failed", "sent"], "dead", "failed"],
    [["failed", "failed"], "dead", "failed"],
    // WhatsApp's words in the wrong order: what arrived did not fail.
    [["delivered", "failed"], "accepted", "delivered"],
    [["read", "failed"], "accepted", "read"],
    [["failed", "delivered"], "accepted", "delivered"],
  ])("of an accepted message, %j ends as %s, %s", async (statuses, state, status) => {
    using world = openStore();
    const { id, claim } = await world.sending();
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT" }, NOW);

    for (const each of statuses) await world.store.statuses.note([heard(each)], NOW + 1);

    expect(world.store.outbox.get(id)).toMatchObject({ state, status });
  });

  test("a failure takes the parts behind it along, as long as they have not left", async () => {
    using world = openStore();
    const { store } = world;
    const answer = ["first", "second", "third"].map((text) => ({ to: { phone: ANN }, text }));
    await enqueue(store.outbox, answer, NOW);
    await enqueue(store.outbox, [{ to: { phone: ANN }, text: "another answer" }], NOW);
    const first = await store.outbox.claim(ANN, "daemon", NOW);
    if (first) await store.outbox.accepted(first, { wamid: "wamid.OUT" }, NOW);
    await store.outbox.claim(ANN, "daemon", NOW);

    await store.statuses.note([heard("failed")], NOW);

    expect(store.outbox.list({ all: true, limit: 9 })).toMatchObject([
      { text: "first", state: "dead", code: "131026" },
      { text: "second", state: "sending" },
      { text: "third", state: "dead", code: "131026", error: expect.stringContaining("earlier part") },
      { text: "another answer", state: "queued" },
    ]);
  });

  test("P8: what may have left and did brings the parts behind it back", async () => {
    using world = openStore();
    const { store } = world;
    const answer = ["first", "second"].map((text) => ({ to: { phone: ANN }, text }));
    await enqueue(store.outbox, answer, NOW);
    const first = await store.outbox.claim(ANN, "daemon", NOW);
    if (first) await store.outbox.dead(first, { code: "unknown", error: "It may have left" }, NOW);

    await store.statuses.note([heard("delivered", { trackingId: first?.trackingId })], NOW + 1);

    expect(store.outbox.list({ all: true, limit: 9 })).toMatchObject([
      { text: "first", state: "accepted", status: "delivered" },
      { text: "second", state: "queued", error: null },
    ]);
  });

  test("tells of a failure once, with its code and reason in the row", async () => {
    using world = openStore();
    const { id, claim } = await world.sending();
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT" }, NOW);

    const first = await world.store.statuses.note([heard("failed")], NOW);
    const second = await world.store.statuses.note([heard("failed")], NOW);

    expect(first).toEqual([
      { id, contact: ANN, wamid: "wamid.OUT", kind: "failed", error: "131026: Undeliverable" },
    ]);
    expect(second).toEqual([]);
    expect(world.store.outbox.get(id)).toMatchObject({ code: "131026", error: "131026: Undeliverable" });
  });

  test("a status that outruns the answer to its send settles it, and the answer changes nothing", async () => {
    using world = openStore();
    const { id, claim } = await world.sending();

    await world.store.statuses.note([heard("sent", { trackingId: claim.trackingId })], NOW);
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT" }, NOW + 5);
    await world.store.outbox.doubtUntil(claim, NOW + 10, "timeout");

    expect(world.store.outbox.get(id)).toMatchObject({
      state: "accepted",
      status: "sent",
      wamid: "wamid.OUT",
    });
  });

  test("a failure that outruns the answer to its send stays a failure", async () => {
    using world = openStore();
    const { id, claim } = await world.sending();

    await world.store.statuses.note([heard("failed", { trackingId: claim.trackingId })], NOW);
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT" }, NOW + 5);

    expect(world.store.outbox.get(id)).toMatchObject({ state: "dead", status: "failed", code: "131026" });
  });

  test("settles a send of unknown outcome by its tracking id, and says so", async () => {
    using world = openStore();
    const { id, claim } = await world.sending();
    await world.store.outbox.doubtUntil(claim, NOW + 1000, "timeout");

    const news = await world.store.statuses.note([heard("delivered", { trackingId: claim.trackingId })], NOW);

    expect(news).toEqual([{ id, contact: ANN, wamid: "wamid.OUT", kind: "settled" }]);
    expect(world.store.outbox.get(id)).toMatchObject({ state: "accepted", error: null });
    expect(await world.store.outbox.claim(ANN, "daemon", NOW + 5000)).toBeUndefined();
  });

  test("tells once that a message left twice when its first send was taken for lost", async () => {
    using world = openStore();
    const { id, claim } = await world.sending();
    await world.store.outbox.accepted(claim, { wamid: "wamid.SECOND" }, NOW);

    const news = await world.store.statuses.note([heard("sent", { trackingId: claim.trackingId })], NOW);

    const later = await world.store.statuses.note(
      [heard("delivered", { trackingId: claim.trackingId })],
      NOW + 1000,
    );

    expect(news).toEqual([{ id, contact: ANN, wamid: "wamid.OUT", kind: "doubled" }]);
    expect(later).toEqual([]);
    expect(world.store.outbox.get(id)).toMatchObject({ wamid: "wamid.SECOND", state: "accepted" });
  });

  test("a message that is sent anew after it failed hears nothing of its first try", async () => {
    using world = openStore();
    const { id, claim } = await world.sending();
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT" }, NOW);
    await world.store.statuses.note([heard("failed")], NOW);

    expect(await world.store.outbox.revive(id, NOW)).toBe(true);
    const news = await world.store.statuses.note([heard("failed", { trackingId: claim.trackingId })], NOW);

    expect(news).toEqual([]);
    expect(world.store.outbox.get(id)).toMatchObject({ state: "queued", wamid: null, status: null });
    expect((await world.store.outbox.claim(ANN, "daemon", NOW))?.trackingId).not.toBe(claim.trackingId);
  });

  test("a failed message whose text is deleted can not be sent anew", async () => {
    using world = openStore();
    const { id, claim } = await world.sending();
    await world.store.outbox.accepted(claim, { wamid: "wamid.OUT" }, NOW);
    await world.store.sweep(NOW + 1000, 0);
    await world.store.statuses.note([heard("failed")], NOW + 2000);

    expect(await world.store.outbox.revive(id, NOW)).toBe(false);
    expect(world.store.outbox.get(id)?.state).toBe("dead");
  });

  test("statuses of messages that are not ours change nothing", async () => {
    using world = openStore();
    const { id } = await world.sending();

    expect(
      await world.store.statuses.note([heard("read", { wamid: "wamid.X", trackingId: "theirs" })], NOW),
    ).toEqual([]);
    expect(world.store.outbox.get(id)).toMatchObject({ state: "sending", status: null });
  });
});
