import type { Identity } from "../message.ts";
import { kindOf, type OutgoingCard, type OutgoingTemplate, type RichContent } from "../outgoing.ts";
import type { Outgoing } from "../pipeline/outbox.ts";

type Json = Readonly<Record<string, unknown>>;
type Body = Json | readonly Json[];

/** WhatsApp's word for what is sent. */
export function outgoingType(message: Pick<Outgoing, "media" | "content">): string {
  const kind = kindOf(message);
  if (kind === "voice") return "audio";
  return kind === "buttons" || kind === "list" || kind === "link" ? "interactive" : kind;
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
    [type]: payload(message, mediaId),
    biz_opaque_callback_data: message.trackingId,
  };
}

/** What stands under the type's name. */
export function payload(message: Outgoing, mediaId: string | undefined): Body {
  if (message.content) return richBody(message.content);
  return mediaId === undefined ? { body: message.text, preview_url: false } : mediaBody(message, mediaId);
}

function mediaBody({ text, media }: Outgoing, id: string): Json {
  return {
    id,
    ...(text !== "" && { caption: text }),
    ...(media?.as === "document" && media.filename !== undefined && { filename: media.filename }),
    // Shown with the sender's picture and a waveform.
    ...(media?.as === "voice" && { voice: true }),
  };
}

function richBody(content: RichContent): Body {
  switch (content.type) {
    case "location": {
      const { type: _, ...place } = content;
      return place;
    }
    case "contacts":
      // The one type whose body is a list.
      return content.cards.map(cardBody);
    case "reaction":
      return { message_id: content.target, emoji: content.emoji };
    case "buttons":
      return interactive("button", content, {
        buttons: content.buttons.map(({ id, title }) => ({ type: "reply", reply: { id, title } })),
      });
    case "list":
      return interactive("list", content, { button: content.button, sections: content.sections });
    case "link":
      return interactive("cta_url", content, {
        name: "cta_url",
        parameters: { display_text: content.title, url: content.url },
      });
    case "template":
      return templateBody(content);
  }
}

function interactive(
  type: string,
  { text, header, footer }: { readonly text: string; readonly header?: string; readonly footer?: string },
  action: Json,
): Json {
  return {
    type,
    ...(header !== undefined && { header: { type: "text", text: header } }),
    body: { text },
    ...(footer !== undefined && { footer: { text: footer } }),
    action,
  };
}

function cardBody({ name, firstName, lastName, phones, emails, organisation }: OutgoingCard): Json {
  return {
    name: {
      formatted_name: name,
      // One part of the name has to be there.
      first_name: firstName ?? name,
      ...(lastName !== undefined && { last_name: lastName }),
    },
    ...(phones.length > 0 && { phones }),
    ...(emails.length > 0 && { emails: emails.map((email) => ({ email })) }),
    ...(organisation !== undefined && { org: { company: organisation } }),
  };
}

function templateBody({ name, language, header, body, buttons }: OutgoingTemplate): Json {
  const components: Json[] = [];
  if (header)
    components.push({
      type: "header",
      parameters: [
        header.kind === "text"
          ? { type: "text", text: header.value }
          : { type: header.kind, [header.kind]: { link: header.value } },
      ],
    });
  if (body.length > 0)
    components.push({
      type: "body",
      parameters: body.map((parameter) => ({
        type: "text",
        ...(parameter.name !== undefined && { parameter_name: parameter.name }),
        text: parameter.text,
      })),
    });
  for (const { index, text } of buttons)
    components.push({
      type: "button",
      sub_type: "url",
      index: String(index),
      parameters: [{ type: "text", text }],
    });
  return { name, language: { code: language }, ...(components.length > 0 && { components }) };
}

/** A BSUID goes into `recipient`: in `to` it gets a 200 and is never delivered. `to` needs its `+`. */
function address({
  phone,
  bsuid,
}: Identity): { readonly to: string } | { readonly recipient: string | undefined } {
  return phone === undefined ? { recipient: bsuid } : { to: `+${phone}` };
}
