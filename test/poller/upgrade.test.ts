import { mkdirSync, mkdtempDisposableSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { MIGRATIONS } from "../../src/store/schema.ts";
import { Store } from "../../src/store/store.ts";
import { pause, until } from "./daemon.ts";
import { createWorld } from "./world.ts";

const SCHEMA_1 = readFileSync(new URL("../store/schema-1.sql", import.meta.url), "utf8");

/** A state folder as the first version left it. */
function writeOldState(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  using old = new DatabaseSync(join(folder, "relay.db"));
  old.exec(SCHEMA_1);
}

/** What SQLite knows of its tables, without the spaces and notes in their text. */
function shape(sqlite: DatabaseSync): unknown {
  return sqlite
    .prepare(
      `SELECT tables.name AS "table", columns.name, columns.type, columns."notnull", columns.dflt_value, columns.pk
       FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
       WHERE tables.type = 'table' ORDER BY 1, columns.cid`,
    )
    .all();
}

test("the first step of the schema is still the one that the first version did", () => {
  using released = new DatabaseSync(":memory:");
  released.exec(SCHEMA_1);
  using now = new DatabaseSync(":memory:");
  now.exec(MIGRATIONS[0] ?? "");

  expect(shape(now)).toEqual(shape(released));
});

test("P1, P2: after an upgrade from the first version everything that waited is answered and sent, once", async () => {
  await using world = await createWorld();
  const { kapso, daemon } = world;
  const folder = daemon.env["KAPSO_STATE_DIR"] ?? "";
  writeOldState(folder);
  const sentAt = Date.now() - 60_000;
  // Kapso still lists what the old version took: one that it answered, one that waits.
  kapso.receive({ from: "15550100002", wamid: "wamid.ben", text: "answered long ago", sentAt });
  kapso.receive({ from: "15550100001", wamid: "wamid.ann1", text: "one", sentAt });

  daemon.start();
  await until("the answers", () => kapso.sent.length >= 5);
  await daemon.stop("SIGKILL");
  daemon.start();
  await until("another look", () => world.lists() >= 3);
  await pause(3000); // longer than WA_SETTLE
  await daemon.stop("SIGTERM");

  const sent = Map.groupBy(kapso.sent, ({ to }) => to);
  const texts = (to: string) => sent.get(to)?.map(({ text }) => text);
  expect(texts("15550100001")).toEqual(["re one", "re two"]);
  expect(texts("15550100002")).toEqual(["part 2", "part 3"]);
  expect(texts("15550100003")).toEqual(["by wa-cli"]);
  expect(kapso.sent).toHaveLength(5);
  using store = Store.open(folder);
  expect(store.inbox.counts()).toEqual({ answered: 3 });
  expect(store.outbox.get(5)).toMatchObject({ text: "given up", state: "dead" });
});

test("an upgrade that was cut off after any of its steps goes on from there", () => {
  for (let done = 1; done < MIGRATIONS.length; done++) {
    using folder = mkdtempDisposableSync(join(tmpdir(), "wa-upgrade-"));
    writeOldState(folder.path);
    {
      using half = new DatabaseSync(join(folder.path, "relay.db"));
      half.exec(`${MIGRATIONS.slice(1, done).join(";")}; PRAGMA user_version = ${done}`);
    }

    using store = Store.open(folder.path);

    expect(store.inbox.counts()).toEqual({ answered: 1, pending: 2 });
  }
});
