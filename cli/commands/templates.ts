import { listTemplates } from "../../src/whatsapp/business-account.ts";
import { paint, print, type Io } from "../io.ts";
import { withProvider } from "../provider.ts";

/** Templates that may be sent when the 24-hour window is closed, with what they need. */
export async function templates(
  io: Io,
  options: { readonly config?: string; readonly json?: boolean },
): Promise<void> {
  await withProvider(io, options, async (connection) => {
    const rows = await listTemplates(connection, io.signal);
    const color = paint(io);
    const lines = rows.map(({ name, language, status, category, parameters }) => {
      const state = status ?? "?";
      const needs = parameters.length === 0 ? "no parameters" : parameters.join(", ");
      return `${name}  ${language ?? "?"}  ${color(state, state === "APPROVED" ? "green" : "yellow")}  ${category ?? "?"}  ${needs}`;
    });
    const none = "There are no templates; make one in WhatsApp Manager, Message templates";
    print(io, { json: rows, text: lines.length === 0 ? none : lines }, options.json);
  });
}
