import { Pool } from "undici";
import { sign } from "../../src/whatsapp/signature.ts";
import { kapsoConversation, kapsoEvent, kapsoMessage, RECEIVED } from "../webhook-bodies.ts";

export interface Written {
  readonly from: string;
  readonly text: string;
  readonly wamid: string;
}

/** One event as Kapso sends it, without buffering. */
export function kapsoText({ from, text, wamid }: Written, phoneNumberId: string): string {
  const timestamp = String(Math.floor(Date.now() / 1000));
  return JSON.stringify(
    kapsoEvent({
      message: kapsoMessage({ id: wamid, from, timestamp, text: { body: text } }),
      conversation: kapsoConversation({ phone_number: `+${from}`, phone_number_id: phoneNumberId }),
      phone_number_id: phoneNumberId,
    }),
  );
}

export interface SenderOptions {
  readonly port: number;
  readonly secret: string;
  readonly connections?: number;
}

/** Delivers webhooks to a daemon of this machine. */
export class WebhookSender implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #secret: string;

  constructor({ port, secret, connections = 32 }: SenderOptions) {
    this.#pool = new Pool(`http://127.0.0.1:${port}`, { connections });
    this.#secret = secret;
  }

  /** Resolves with the status; rejects when there is no answer. */
  async post(body: string, event = RECEIVED): Promise<number> {
    const { statusCode, body: answer } = await this.#pool.request({
      method: "POST",
      path: "/webhook",
      headers: {
        "content-type": "application/json",
        "x-webhook-event": event,
        "x-webhook-signature": sign(body, this.#secret),
      },
      body,
    });
    await answer.dump();
    return statusCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}
