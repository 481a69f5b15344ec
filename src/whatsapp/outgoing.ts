import type { Identity } from "../message.ts";
import type { Outgoing } from "../pipeline/outbox.ts";

/** WhatsApp's word for what is sent. */
export function outgoingType({ media }: Outgoing): string {
  if (!media) return "text";
  return media.as === "voice" ? "audio" : media.as;
}

/**
 * The body of `POST /{phone_number_id}/messages`.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
 */
export function outgoingBody(message: Outgoing, mediaId: string | undefined): Record<string, unknown> {
  const type = outgoingType(message);
  return {
    messaging_product: "whatsapp",
    recipient_type: "individual",
    ...address(message.to),
    ...(message.quotes !== undefined && { context: { message_id: message.quotes } }),
    type,
    [type]: mediaId === undefined ? { body: message.text, preview_url: false } : mediaBody(message, mediaId),
    biz_opaque_callback_data: message.trackingId,
  };
}

function mediaBody({ text, media }: Outgoing, id: string): Record<string, unknown> {
  return {
    id,
    ...(text !== "" && { caption: text }),
    ...(media?.as === "document" && media.filename !== undefined && { filename: media.filename }),
    // Shown with the sender's picture and a waveform.
    ...(media?.as === "voice" && { voice: true }),
  };
}

/** A BSUID goes into `recipient`: in `to` it gets a 200 and is never delivered. `to` needs its `+`. */
function address({
  phone,
  bsuid,
}: Identity): { readonly to: string } | { readonly recipient: string | undefined } {
  return phone === undefined ? { recipient: bsuid } : { to: `+${phone}` };
}
