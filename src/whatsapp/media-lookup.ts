import { z } from "zod";
import { ApiError, type ApiConnection } from "./connection.ts";
import { text } from "./inbound.ts";

/** Where a file of a message can be had now. */
export type MediaAddress =
  | {
      readonly kind: "found";
      readonly url: string;
      /** Hexadecimal or base64, as claimed. */
      readonly sha256?: string;
      readonly bytes?: number;
    }
  /** The id is unknown, or not any more: Meta keeps a file for 7 days. */
  | { readonly kind: "gone" }
  | { readonly kind: "later" | "failed"; readonly error: string };

const answer = z.looseObject({
  url: text,
  /** Kapso's own, which needs no key. */
  download_url: text,
  sha256: text,
  file_size: z.coerce.number().optional().catch(undefined),
});
/** Meta: object does not exist, or may not be seen. */
const GONE = new Set(["100", "33"]);

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media */
export async function lookUpMedia(
  connection: ApiConnection,
  id: string,
  signal: AbortSignal,
): Promise<MediaAddress> {
  const query = `phone_number_id=${connection.phoneNumberId}`;
  try {
    const path = connection.graphPath(`${encodeURIComponent(id)}?${query}`);
    const { data } = answer.safeParse(await connection.call({ path }, signal));
    const url = data?.download_url || data?.url;
    if (!url) return { kind: "failed", error: "The answer names no address" };
    return {
      kind: "found",
      url,
      ...(data?.sha256 && { sha256: data.sha256 }),
      ...(data?.file_size !== undefined && { bytes: data.file_size }),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ApiError)) throw error;
    const { kind, error: reason, code } = { code: undefined, ...error.failure };
    if (kind === "refused" && GONE.has(code ?? "")) return { kind: "gone" };
    return { kind: kind === "later" || kind === "unknown" ? "later" : "failed", error: reason };
  }
}
