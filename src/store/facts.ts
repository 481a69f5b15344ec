import type { Cursors } from "../pipeline/receive.ts";
import type { z } from "zod";
import { parseJson } from "../json.ts";
import type { Database } from "./database.ts";

/** Small facts by name that survive a restart: cursors, and what the daemon last knew of itself. */
export class SqliteFacts implements Cursors {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(name: string): { readonly value: string; readonly changedAt: number } | undefined {
    const row = this.#db.get("SELECT value, changed_at FROM fact WHERE name = :name", { name });
    return row && { value: String(row["value"]), changedAt: Number(row["changed_at"]) };
  }

  /** A fact that was written as JSON; undefined when there is none of this shape. */
  read<T>(name: string, shape: z.ZodType<T>): T | undefined {
    const fact = this.get(name);
    return fact && shape.safeParse(parseJson(fact.value)).data;
  }

  async set(name: string, value: string, now: number): Promise<void> {
    await this.#db.write(() =>
      this.#db.run(
        `INSERT INTO fact (name, value, changed_at) VALUES (:name, :value, :now)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at`,
        { name, value, now },
      ),
    );
  }

  async forget(names: readonly string[]): Promise<void> {
    await this.#db.write(() => {
      for (const name of names) this.#db.run("DELETE FROM fact WHERE name = :name", { name });
    });
  }

  async cursor(source: string): Promise<number | undefined> {
    const fact = this.get(`cursor.${source}`);
    return fact && Number(fact.value);
  }

  /** Never moves back, unless it is a day ahead of everybody: then a clock was wrong. */
  async moveCursor(source: string, to: number, now: number): Promise<void> {
    await this.#db.write(() =>
      this.#db.run(
        `INSERT INTO fact (name, value, changed_at) VALUES (:name, :to, :now)
         ON CONFLICT (name) DO UPDATE SET changed_at = excluded.changed_at,
           value = CASE WHEN CAST(value AS INTEGER) BETWEEN :to AND :to + 86400000 THEN value ELSE excluded.value END`,
        { name: `cursor.${source}`, to: Math.floor(to), now },
      ),
    );
  }
}
