import { z } from "zod";

/**
 * Frames of OpenClaw's gateway protocol as far as they are used. Frames are loose: unknown fields, events and methods
 * are the gateway's business. https://docs.openclaw.ai/gateway/protocol
 */
export const PROTOCOL_VERSION = 4;

const rpcError = z.looseObject({
  code: z.string().catch("UNKNOWN"),
  message: z.string().catch(""),
  retryable: z.boolean().optional().catch(undefined),
  retryAfterMs: z.number().optional().catch(undefined),
  details: z
    .looseObject({
      code: z.string().optional().catch(undefined),
      reason: z.string().optional().catch(undefined),
      requestId: z.string().optional().catch(undefined),
      expectedProtocol: z.number().optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type RpcErrorShape = z.output<typeof rpcError>;

export const frame = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("event"), event: z.string(), payload: z.unknown().optional() }),
  z.looseObject({
    type: z.literal("res"),
    id: z.string(),
    ok: z.boolean(),
    // The gateway leaves the key out of an error.
    payload: z.unknown().optional(),
    error: rpcError.optional().catch(undefined),
  }),
]);
export type Frame = z.output<typeof frame>;
export type ResponseFrame = Extract<Frame, { type: "res" }>;

export const challenge = z.looseObject({ nonce: z.string().min(1), ts: z.number() });

/** Of a gateway that does not tell. */
const MAX_IMAGE_BYTES = 6_291_456;

export const hello = z.looseObject({
  type: z.literal("hello-ok"),
  protocol: z.number(),
  server: z.looseObject({ version: z.string().catch("unknown") }),
  auth: z.looseObject({
    scopes: z.array(z.string()).catch([]),
    deviceToken: z.string().optional().catch(undefined),
  }),
  policy: z.looseObject({
    tickIntervalMs: z.number().positive().catch(30_000),
    maxPayload: z.number().positive().catch(26_214_400),
    attachments: z
      .looseObject({ maxImageBytes: z.number().positive().catch(MAX_IMAGE_BYTES) })
      .catch({ maxImageBytes: MAX_IMAGE_BYTES }),
  }),
});
export type Hello = z.output<typeof hello>;

export const agentStatus = z.looseObject({ status: z.string() });

const payload = z.looseObject({
  text: z.string().nullish(),
  isError: z.boolean().nullish(),
  /** A path or an address as the agent wrote it, unchecked. */
  mediaUrl: z.string().nullish().catch(undefined),
  mediaUrls: z.array(z.string()).nullish().catch(undefined),
  audioAsVoice: z.boolean().nullish().catch(undefined),
});
export const agentResult = z.looseObject({
  status: z.string(),
  summary: z.string().optional().catch(undefined),
  stopReason: z.string().optional().catch(undefined),
  result: z
    .looseObject({
      // A payload that can not be read must not take the others with it.
      payloads: z.array(payload.catch({})).catch([]),
      meta: z
        .looseObject({
          finalAssistantVisibleText: z.string().optional().catch(undefined),
          error: z
            .looseObject({ kind: z.string().optional().catch(undefined) })
            .optional()
            .catch(undefined),
        })
        .optional()
        .catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type AgentResult = z.output<typeof agentResult>;

const contentPart = z.looseObject({ type: z.string(), text: z.string().optional().catch(undefined) });
const historyRow = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(contentPart)]).catch(""),
  idempotencyKey: z.string().optional().catch(undefined),
  stopReason: z.string().optional().catch(undefined),
  provenance: z
    .looseObject({ kind: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
  __openclaw: z
    .looseObject({
      runId: z.string().optional().catch(undefined),
      truncated: z.boolean().optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type HistoryRow = z.output<typeof historyRow>;

export const history = z.looseObject({
  messages: z.array(historyRow).catch([]),
  sessionInfo: z
    .looseObject({
      activeRunIds: z.array(z.string()).optional().catch(undefined),
      hasActiveRun: z.boolean().optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});
export type History = z.output<typeof history>;
