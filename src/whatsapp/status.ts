import { z } from "zod";
import { DELIVERY_STATES } from "../pipeline/delivery-state.ts";
import type { DeliveryStatus } from "../pipeline/outbox.ts";
import { describeCode } from "./failure.ts";
import { readTimestamp, text } from "./inbound.ts";

const fault = z.looseObject({
  code: z.union([z.number(), z.string()]).nullish().catch(undefined),
  title: text,
  message: text,
  error_data: z.looseObject({ details: text }).nullish().catch(undefined),
});

const statusRow = z.looseObject({
  id: text,
  status: z.enum(DELIVERY_STATES),
  timestamp: z.union([z.string(), z.number()]).nullish().catch(undefined),
  biz_opaque_callback_data: text,
  errors: z.array(fault.catch({})).nullish().catch(undefined),
});

/** What a status that lies inside a Kapso event takes from the message around it. */
export interface StatusAside {
  readonly wamid?: string | undefined;
  readonly trackingId?: string | undefined;
}

/**
 * One entry of `statuses[]`, the same from Meta and from Kapso; undefined for what is none of ours, such as a call's.
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
 */
export function readStatus(raw: unknown, aside: StatusAside = {}): DeliveryStatus | undefined {
  const parsed = statusRow.safeParse(raw);
  if (!parsed.success) return undefined;
  const { id, status, timestamp, biz_opaque_callback_data: trackingId, errors } = parsed.data;
  const wamid = id || aside.wamid;
  if (!wamid) return undefined;
  return {
    wamid,
    status,
    at: readTimestamp(timestamp ?? ""),
    trackingId: trackingId ?? aside.trackingId,
    ...(status === "failed" && { failure: readFault(errors?.[0]) }),
  };
}

function readFault(found: z.output<typeof fault> | undefined): DeliveryStatus["failure"] {
  const code = found?.code === undefined || found.code === null ? undefined : String(found.code);
  const words = found?.error_data?.details || found?.message || found?.title || "WhatsApp gave no reason";
  return { code, error: describeCode(code, words) };
}
