import { z } from "zod";
import { parseJson } from "../json.ts";
import type { MediaFile } from "../pipeline/media.ts";
import { describeAudio } from "./audio-type.ts";
import type { Heard, Provider } from "./provider.ts";
import { readRecording } from "./recording.ts";
import { isOk, readRefusal, unreadable, upload, type Service } from "./request.ts";

const transcription = z.looseObject({
  results: z.looseObject({
    channels: z.array(
      z.looseObject({ alternatives: z.array(z.looseObject({ transcript: z.string() })).default([]) }),
    ),
  }),
});

/** https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded */
export class Deepgram implements Provider {
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  async hear(file: MediaFile, signal: AbortSignal): Promise<Heard> {
    const { model, language } = this.#service;
    const query = new URLSearchParams({
      model,
      smart_format: "true",
      // Without either it takes everything for English.
      ...(language === undefined ? { detect_language: "true" } : { language }),
    });
    const request = {
      path: `/listen?${query.toString()}`,
      contentType: describeAudio(file.mimeType).mimeType,
      body: await readRecording(file, signal),
    };
    const answer = await upload(this.#service, request, signal);
    if (!isOk(answer)) throw readRefusal(answer);
    const { data } = transcription.safeParse(parseJson(answer.text));
    if (!data) throw unreadable("The answer is no transcription");
    const texts = data.results.channels.map(({ alternatives }) => alternatives[0]?.transcript ?? "");
    return { text: texts.join("\n").trim() };
  }
}
