import type { NewOutgoing } from "../../src/pipeline/outbox.ts";
import { outgoingBody } from "../../src/whatsapp/outgoing.ts";
import type { Answer } from "../io.ts";

/** Exactly what would leave; a file's id is given when it is uploaded, and the tracking id when it is queued. */
export function preview(
  messages: readonly NewOutgoing[],
  { heldFrom, note }: { readonly heldFrom: number | undefined; readonly note: string | undefined },
): Answer {
  const bodies = messages.map((message) => {
    const mediaId = message.media && `(${message.media.filename ?? "file"}, ${message.media.mimeType})`;
    const { biz_opaque_callback_data: _, ...body } = outgoingBody({ ...message, trackingId: "" }, mediaId);
    return body;
  });
  const lines = bodies.map((body, index) => {
    const isHeld = heldFrom !== undefined && index >= heldFrom;
    return `${isHeld ? "Waits until the person writes:\n" : ""}${JSON.stringify(body, null, 2)}`;
  });
  return {
    json: {
      status: "dry-run",
      messages: bodies,
      ...(heldFrom !== undefined && { heldFrom }),
      ...(note !== undefined && { note }),
    },
    text: ["Nothing was sent. This would leave:", ...lines, ...(note === undefined ? [] : [note])].join("\n"),
  };
}
