import { z } from "zod";
import { text } from "./inbound.ts";

const words = z.looseObject({ body: text, caption: text });
const number = z.union([z.number(), z.string()]).transform(Number);
const location = z.looseObject({ latitude: number, longitude: number });
const contacts = z.array(z.looseObject({ name: z.looseObject({ formatted_name: text }) }));
const reaction = z.looseObject({ message_id: z.string(), emoji: text });
const interactive = z.looseObject({ body: z.looseObject({ text: z.string() }) });
const template = z.looseObject({
  name: z.string(),
  components: z
    .array(z.looseObject({ parameters: z.array(z.looseObject({ text })).catch([]) }))
    .nullish()
    .catch(undefined),
});

/**
 * By what one message is told from another of its type to the same person; `body` is what stands under the type's name,
 * as we send it or as the provider lists it. Undefined when that can not be read.
 */
export function markOf(type: string, body: unknown): string | undefined {
  switch (type) {
    case "location": {
      const { data } = location.safeParse(body);
      return data && `${data.latitude},${data.longitude}`;
    }
    case "contacts":
      return contacts
        .safeParse(body)
        .data?.map(({ name }) => name.formatted_name ?? "")
        .join("\n");
    case "reaction": {
      const { data } = reaction.safeParse(body);
      return data && `${data.message_id} ${data.emoji ?? ""}`;
    }
    case "interactive":
      return interactive.safeParse(body).data?.body.text.trim();
    case "template": {
      const { data } = template.safeParse(body);
      const values = data?.components?.flatMap(({ parameters }) => parameters.map((one) => one.text ?? ""));
      return data && [data.name, ...(values ?? [])].join("\n");
    }
    default: {
      const { data } = words.safeParse(body);
      return (data?.body ?? data?.caption ?? "").trim();
    }
  }
}
