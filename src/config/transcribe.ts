import { resolve } from "node:path";
import { expandHome } from "./read.ts";
import type { Values } from "./settings.ts";

export interface TranscribeConfig {
  readonly provider: "openai" | "groq" | "deepgram" | "local";
  readonly apiKey: string | undefined;
  /** Without a slash at the end; its path is the version's, `/v1`. */
  readonly baseUrl: string | undefined;
  readonly model: string | undefined;
  readonly language: string | undefined;
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** A bare name is in the PATH. */
  readonly binaryPath: string;
  readonly modelPath: string | undefined;
  readonly noSpeechThreshold: number;
  readonly cacheTtlMs: number;
  readonly debug: boolean;
}

/** Undefined without a provider: nothing is transcribed then. */
export function readTranscribe(
  { transcribe }: Values,
  home: string,
  problems: string[],
): TranscribeConfig | undefined {
  const { provider, language, binary_path: binary = "whisper-cli", model_path: model } = transcribe;
  problems.push(...unusable(transcribe));
  if (provider === undefined) return undefined;
  return {
    provider,
    apiKey: transcribe.api_key,
    baseUrl: transcribe.base_url && withVersion(transcribe.base_url),
    model: transcribe.model,
    language: language?.toLowerCase() === "auto" ? undefined : language,
    maxBytes: transcribe.max_audio_size,
    timeoutMs: transcribe.timeout,
    binaryPath: /[/\\]/.test(binary) ? resolve(expandHome(binary, home)) : binary,
    modelPath: model && resolve(expandHome(model, home)),
    noSpeechThreshold: transcribe.no_speech_threshold,
    cacheTtlMs: transcribe.cache_ttl,
    debug: transcribe.debug,
  };
}

function unusable({ provider, ...keys }: Values["transcribe"]): string[] {
  const asked = `transcribe.provider = "${provider}" (KAPSO_TRANSCRIBE_PROVIDER)`;
  if (keys.base_url !== undefined && (provider === undefined || provider === "local"))
    return [
      'transcribe.base_url (WA_TRANSCRIBE_BASE_URL): nobody asks there; set transcribe.provider = "openai"',
    ];
  if (provider === "local" && keys.model_path === undefined)
    return [`transcribe.model_path (KAPSO_TRANSCRIBE_MODEL_PATH) is missing: ${asked} needs a model file`];
  // A server of one's own often wants no key.
  const isKeyless = provider === undefined || provider === "local" || keys.base_url !== undefined;
  if (keys.api_key === undefined && !isKeyless)
    return [`transcribe.api_key (KAPSO_TRANSCRIBE_API_KEY) is missing: ${asked} needs it`];
  return [];
}

/** A bare origin gets the path at which these servers have their API. */
function withVersion(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + (pathname === "/" ? "/v1" : pathname.replace(/\/+$/, ""));
}
