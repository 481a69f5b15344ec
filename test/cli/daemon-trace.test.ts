import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createWorld, person } from "../poller/world.ts";
import { until } from "../poller/daemon.ts";
import { World } from "./world.ts";

test(
  "a message that a real daemon answered: trace tells each hop, logs tell of it",
  { timeout: 60_000 },
  async () => {
    await using set = await createWorld();
    await using world = await World.start();
    set.daemon.start();
    await until("the gateway", () => set.daemon.log.includes('"gateway connected"'));
    const wamid = set.kapso.receive({ from: person(1), text: "hello", name: "Ann" });
    await until("an answer", () => set.kapso.sent.length === 1);
    await until("it is settled", () => set.daemon.log.includes('"message settled"'));
    const env = {
      KAPSO_STATE_DIR: set.daemon.env["KAPSO_STATE_DIR"] ?? mkdtempSync(join(tmpdir(), "none-")),
    };

    const traced = await world.run(["trace", wamid.slice(-12), "--json"], { env });
    const logged = await world.run(["logs"], { env });

    const { message, parts } = JSON.parse(traced.out) as {
      message: { hops: { hop: string; at: string; detail?: string }[] };
      parts: { state: string }[];
    };
    expect(message).toMatchObject({ name: "Ann", state: "answered" });
    const hops = message.hops.map(({ hop }) => hop);
    for (const hop of ["sent", "received", "judged", "asked", "answered", "settled"])
      expect(hops).toContain(hop);
    expect(message.hops.find(({ hop }) => hop === "judged")?.detail).toBe("let in as member");
    expect(message.hops.find(({ hop }) => hop === "asked")?.detail).toBe(
      `the agent got to work, run …${wamid.slice(-12)}`,
    );
    expect(parts).toMatchObject([{ state: "accepted" }]);
    expect(logged.out).toMatch(/^\S+Z info +answer: message settled wamid=…\S{12} from=\+155…\d{4} /m);
    expect(logged.out).not.toContain(person(1));
  },
);
