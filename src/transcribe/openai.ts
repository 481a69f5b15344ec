import { z } from "zod";
import { parseJson } from "../json.ts";
import type { MediaFile } from "../pipeline/media.ts";
import { describeAudio } from "./audio-type.ts";
import { encodeMultipart } from "./multipart.ts";
import type { Heard, Provider } from "./provider.ts";
import { isOk, readRefusal, unreadable, upload, type Answer, type Service } from "./request.ts";
import { readRecording } from "./recording.ts";

/**
 * OpenAI's API, which Groq and most servers of one's own speak too.
 * https://platform.openai.com/docs/api-reference/audio/createTranscription
 */
export class OpenAi implements Provider {
  readonly #service: Service;
  /** Only the longer answer tells where nobody speaks; OpenAI's gpt models do not have it. */
  #format: "verbose_json" | "json" = "verbose_json";

  constructor(service: Service) {
    this.#service = service;
  }

  async hear(file: MediaFile, signal: AbortSignal): Promise<Heard> {
    const bytes = await readRecording(file, signal);
    const answer = await this.#ask(file, bytes, signal);
    if (!isOk(answer)) throw readRefusal(answer);
    return readAnswer(answer);
  }

  async #ask(file: MediaFile, bytes: Uint8Array, signal: AbortSignal): Promise<Answer> {
    const { model, language } = this.#service;
    const asked = this.#format;
    const form = encodeMultipart(
      { ...describeAudio(file.mimeType), bytes },
      { model, language, response_format: asked },
    );
    const answer = await upload(this.#service, { path: "/audio/transcriptions", ...form }, signal);
    const isFormatRefused =
      (answer.status === 400 || answer.status === 422) && /response_format|verbose_json/.test(answer.text);
    if (!isFormatRefused || asked === "json") return answer;
    this.#format = "json";
    return this.#ask(file, bytes, signal);
  }
}

const segment = z.looseObject({ start: z.number(), end: z.number(), no_speech_prob: z.number() });
type Segment = z.output<typeof segment>;
const transcription = z.looseObject({
  text: z.string(),
  segments: z.array(z.unknown()).catch([]).default([]),
});

function readAnswer({ text, contentType }: Answer): Heard {
  const { data } = transcription.safeParse(parseJson(text));
  if (data)
    return {
      text: data.text.trim(),
      noSpeech: meanNoSpeech(data.segments.flatMap((one) => segment.safeParse(one).data ?? [])),
    };
  // Some servers write nothing but the text, whatever was asked.
  if (/^text\/plain\b/i.test(contentType)) return { text: text.trim() };
  throw unreadable("The answer is no transcription");
}

/** Over the whole recording: one silent piece of many says nothing about the rest. */
function meanNoSpeech(segments: readonly Segment[]): number | undefined {
  if (segments.length === 0) return undefined;
  const lengths = segments.map(({ start, end }) => Math.max(end - start, 0));
  const whole = sum(lengths);
  const weights =
    whole > 0 ? lengths.map((length) => length / whole) : segments.map(() => 1 / segments.length);
  return sum(segments.map(({ no_speech_prob: silent }, index) => silent * (weights[index] ?? 0)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
