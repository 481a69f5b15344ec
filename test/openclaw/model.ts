import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

import { z } from "zod";

const Message = z.looseObject({
  role: z.string(),
  content: z
    .union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))])
    .nullish(),
});
const ChatRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().default(false),
  messages: z.array(Message),
});

export type ModelMessage = z.infer<typeof Message>;

/** What the gateway sent to the model for one answer. */
export interface ModelRequest {
  /** What the person wrote, without what OpenClaw puts around it. */
  readonly lastUser: string;
  readonly system: string;
  readonly images: number;
  /** What the tools said since. */
  readonly toolResults: readonly string[];
  readonly messages: readonly ModelMessage[];
}

export interface Model extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly ModelRequest[];
}

interface Answer {
  readonly kind: "text" | "tool" | "error" | "hang";
  readonly delayMs: number;
  /** For a tool, the command that it is to run. */
  readonly text: string;
  readonly status: number;
}

/**
 * Starts an OpenAI-compatible model which answers `ECHO: <what the person wrote>`, unless that
 * text holds directives: `[[slow=MS]]`, `[[reply=TEXT]]` (`\n` is a line break, `<<x>>` is
 * `[[x]]`), `[[repeat=N TEXT]]`, `[[empty]]`, `[[error=STATUS]]`, `[[hang]]`. `[[exec=COMMAND]]` has the tool `exec`
 * run the command, and answers `TOOL: ` and what that said.
 */
export async function startModel(): Promise<Model> {
  const requests: ModelRequest[] = [];
  const server = createServer((request, response) => {
    handle(request, response, requests).catch((cause: unknown) => {
      response.destroy(new Error("Cannot answer as the model", { cause }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  requests: ModelRequest[],
): Promise<void> {
  if (request.method !== "POST" || request.url !== "/v1/chat/completions") {
    sendJson(response, 404, { error: { message: "not found" } });
    return;
  }
  const chat = ChatRequest.parse(JSON.parse(await text(request)));
  const modelRequest = describe(chat.messages);
  requests.push(modelRequest);
  const answer = chooseAnswer(modelRequest);
  if (answer.kind === "hang") return;
  await sleep(answer.delayMs);
  if (response.destroyed) return;
  if (answer.kind === "error") {
    const error = { message: `mock error ${answer.status}`, type: "mock_error", code: "mock" };
    sendJson(response, answer.status, { error });
  } else if (chat.stream) sendStream(response, chat.model, answer);
  else sendCompletion(response, chat.model, answer);
}

function describe(messages: readonly ModelMessage[]): ModelRequest {
  const users = messages.filter(({ role }) => role === "user");
  const last = users.findLast((message) => personText(message) !== "" || countImages(message) > 0);
  return {
    lastUser: last ? personText(last) : "",
    system: messages
      .filter(({ role }) => role === "system" || role === "developer")
      .map(contentText)
      .join("\n"),
    images: last ? countImages(last) : 0,
    toolResults: messages
      .slice(last ? messages.lastIndexOf(last) : 0)
      .filter(({ role }) => role === "tool")
      .map(contentText),
    messages,
  };
}

/** What a person wrote in a user message; empty for the ones that OpenClaw writes by itself. */
function personText({ content }: ModelMessage): string {
  const parts = Array.isArray(content) ? content.map(({ text: part = "" }) => part) : [content ?? ""];
  // OpenClaw may merge unanswered messages into one, a part for each; the last one is the newest.
  return parts.map(stripFraming).findLast((part) => part !== "") ?? "";
}

function stripFraming(part: string): string {
  const prompt = part
    .replace(/<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>.*?<<<END_OPENCLAW_INTERNAL_CONTEXT>>>/gs, "")
    .replace(/^\s*\[[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d [^\]]+\]\s*/, "")
    .replace(/(^|\n)Runtime: agent=[^\n]*\s*$/, "")
    .replace(/^The previous attempt did not produce a user-visible answer\..*$/s, "")
    .trim();
  const person = prompt.replace(/(^|\n)\[System\] Your previous turn was interrupted.*$/s, "");
  const isResumed = person !== prompt;
  // Only a resumed turn is about the message in the queue; else its own prompt follows.
  const queued = isResumed
    ? /^\[Queued user message [^\]]*\]\n/
    : /^\[Queued user message [^\]]*\]\n.*?\n\n/s;
  return person.replace(queued, "").trim();
}

function contentText({ content }: ModelMessage): string {
  if (!Array.isArray(content)) return content ?? "";
  return content.flatMap((part) => part.text ?? []).join("\n");
}

function countImages({ content }: ModelMessage): number {
  if (!Array.isArray(content)) return 0;
  return content.filter(({ type }) => type === "image_url").length;
}

function chooseAnswer({ lastUser, images, toolResults }: ModelRequest): Answer {
  const echo = `ECHO: ${lastUser}${images > 0 ? ` (+${images} image)` : ""}`;
  let answer: Answer = { kind: "text", delayMs: 0, text: echo, status: 200 };
  for (const [, name, value = ""] of lastUser.matchAll(/\[\[([a-z]+)(?:=(.*?))?\]\]/gs)) {
    answer = { ...answer, ...obey(name, value) };
  }
  if (answer.kind !== "tool" || toolResults.length === 0) return answer;
  return { ...answer, kind: "text", text: `TOOL: ${toolResults.join("\n")}` };
}

function obey(directive: string | undefined, value: string): Partial<Answer> {
  switch (directive) {
    case "slow":
      return { delayMs: Number(value) };
    case "reply":
      return {
        text: value.replaceAll("\\n", "\n").replaceAll("<<", "[[").replaceAll(">>", "]]"),
      };
    case "repeat": {
      const [, count, unit = ""] = /^(\d+)\s*(.*)$/s.exec(value) ?? [];
      return { text: unit.repeat(Number(count)) };
    }
    case "empty":
      return { text: "" };
    case "error":
      return { kind: "error", status: Number(value) };
    case "hang":
      return { kind: "hang" };
    case "exec":
      return { kind: "tool", text: value };
    default:
      return {};
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

function toolCall(command: string) {
  const call = { name: "exec", arguments: JSON.stringify({ command }) };
  return { index: 0, id: `call_${crypto.randomUUID()}`, type: "function", function: call };
}

function sendCompletion(response: ServerResponse, model: string, { kind, text: content }: Answer): void {
  const choice =
    kind === "tool"
      ? {
          index: 0,
          message: { role: "assistant", content: null, tool_calls: [toolCall(content)] },
          finish_reason: "tool_calls",
        }
      : { index: 0, message: { role: "assistant", content }, finish_reason: "stop" };
  const completion = { id: "chatcmpl-1", object: "chat.completion", created: 0, model };
  sendJson(response, 200, { ...completion, choices: [choice], usage: USAGE });
}

function sendStream(response: ServerResponse, model: string, { kind, text: content }: Answer): void {
  const chunk = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 0, model };
  const send = (fields: object): void => {
    response.write(`data: ${JSON.stringify({ ...chunk, ...fields })}\n\n`);
  };
  const sendDelta = (delta: object, finishReason: string | null = null): void => {
    send({ choices: [{ index: 0, delta, finish_reason: finishReason }] });
  };
  response.writeHead(200, { "content-type": "text/event-stream" });
  sendDelta({ role: "assistant", content: "" });
  if (kind === "tool") sendDelta({ tool_calls: [toolCall(content)] });
  else for (const [piece] of content.matchAll(/.{1,400}/gsu)) sendDelta({ content: piece });
  sendDelta({}, kind === "tool" ? "tool_calls" : "stop");
  send({ choices: [], usage: USAGE });
  response.end("data: [DONE]\n\n");
}
