import { maskContact } from "../../src/message.ts";
import { listNumbers } from "../../src/whatsapp/business-account.ts";
import { paint, print, type Io } from "../io.ts";
import { withProvider } from "../provider.ts";
import type { LookOptions } from "../records.ts";

/** Numbers of the account that ours belongs to. */
export async function numbers(io: Io, options: LookOptions): Promise<void> {
  await withProvider(io, options, async (connection) => {
    const found = await listNumbers(connection, io.signal);
    const rows = found.map((row) => {
      const shown = row.display_phone_number ?? undefined;
      return {
        ours: row.id === connection.phoneNumberId,
        phoneNumberId: options.reveal ? row.id : `…${row.id.slice(-4)}`,
        phone: shown === undefined || options.reveal ? shown : maskContact(shown.replaceAll(/\D/g, "")),
        name: row.verified_name ?? undefined,
        quality: row.quality_rating ?? undefined,
        status: row.status ?? row.code_verification_status ?? undefined,
      };
    });
    const color = paint(io);
    const lines = rows.map(({ ours, phoneNumberId, phone, name, quality, status }) => {
      const facts = [name, quality && `quality ${quality}`, status && color(status, "dim")].filter(Boolean);
      return `${ours ? "*" : " "} ${phone ?? "?"}  ${facts.join(", ")}  (id ${phoneNumberId})`;
    });
    const text = lines.length === 0 ? "The account has no numbers" : [...lines, "* is ours"];
    print(io, { json: rows, text }, options.json);
  });
}
