import { z } from "zod";
import { duration, secret, setting, size } from "./setting.ts";

/** An empty text counts as not set, as it did for the Go bridge. */
function unlessEmpty<T extends z.ZodType>(schema: T) {
  return z.preprocess(
    (value) => (typeof value === "string" ? value.trim() || undefined : value),
    schema.optional(),
  );
}

const line = (what: string) => z.string().regex(/^[^\p{Cc}]+$/u, `must be ${what}, in one line`);

/** `[transcribe]`: voice messages and other recordings as text. */
export const TRANSCRIBE = {
  provider: setting(
    z.preprocess(
      (value) => (typeof value === "string" ? value.trim().toLowerCase() || undefined : value),
      z.enum(["openai", "groq", "deepgram", "local"]).optional(),
    ),
    "KAPSO_TRANSCRIBE_PROVIDER",
    "who writes down what is said in recordings; nobody without one",
  ),
  api_key: secret(
    "KAPSO_TRANSCRIBE_API_KEY",
    "API key of that provider; local and a server of your own need none",
  ),
  base_url: setting(
    z
      .url({ protocol: /^https?$/, error: 'must be a URL such as "http://127.0.0.1:8000/v1"', abort: true })
      .refine((url) => new URL(url).username === "" && new URL(url).search === "", {
        error: "must have neither a user nor a query: a key belongs into transcribe.api_key",
      })
      .optional(),
    "WA_TRANSCRIBE_BASE_URL",
    "another server that speaks like the provider, usually up to /v1",
  ),
  model: setting(
    unlessEmpty(line('the name of a model such as "whisper-1"')),
    "KAPSO_TRANSCRIBE_MODEL",
    "the provider's model; by default whisper-1, whisper-large-v3 or nova-3",
  ),
  language: setting(
    unlessEmpty(z.string().regex(/^[A-Za-z][A-Za-z-]{1,30}$/, 'must be a language code such as "en"')),
    "KAPSO_TRANSCRIBE_LANGUAGE",
    "what is spoken, when it is always the same; else it is recognised",
  ),
  max_audio_size: setting(
    size("25MB", { min: "1KB", max: "1GB" }),
    "KAPSO_TRANSCRIBE_MAX_AUDIO_SIZE",
    "larger recordings are not transcribed",
  ),
  timeout: setting(
    duration("30s", { min: "1s", max: "1h" }),
    "WA_TRANSCRIBE_TIMEOUT",
    'one try may take this long; "local" may need more',
  ),
  binary_path: setting(
    unlessEmpty(line("a command")),
    "KAPSO_TRANSCRIBE_BINARY_PATH",
    "whisper.cpp's command (local); without it whisper-cli",
  ),
  model_path: setting(
    unlessEmpty(line("the name of a file")),
    "KAPSO_TRANSCRIBE_MODEL_PATH",
    "whisper.cpp's model file (local)",
  ),
  no_speech_threshold: setting(
    z.number().min(0).max(1).default(0.85),
    "KAPSO_TRANSCRIBE_NO_SPEECH_THRESHOLD",
    "a recording that is silent with this probability has no transcript (openai, groq); 0 takes every transcript",
  ),
  cache_ttl: setting(
    duration("1h", { min: "0s", max: "30d" }),
    "KAPSO_TRANSCRIBE_CACHE_TTL",
    "a recording that comes again within this time is not transcribed again; 0 forgets at once",
  ),
  debug: setting(
    z.boolean().default(false),
    "KAPSO_TRANSCRIBE_DEBUG",
    "log figures of every transcript, never its text",
  ),
} as const;
