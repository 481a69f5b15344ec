import { backoffMs, type Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { DeadlineError, withDeadline } from "../deadline.ts";
import { describeError } from "../errors.ts";
import type { Fetch } from "../http.ts";
import type { Log } from "../log.ts";
import type { MediaFile, Transcriber, Transcript } from "../pipeline/media.ts";
import { TranscriptCache } from "./cache.ts";
import { Deepgram } from "./deepgram.ts";
import { LocalWhisper } from "./local.ts";
import { OpenAi } from "./openai.ts";
import { TranscribeError, type Heard, type Provider } from "./provider.ts";
import type { Service } from "./request.ts";
import { SharedWork } from "./shared-work.ts";
import { Slots } from "../slots.ts";

export interface TranscriberOptions {
  readonly provider: "openai" | "groq" | "deepgram" | "local";
  readonly apiKey: string | undefined;
  /** With the path of the version, without a slash at the end; the provider's own when undefined. */
  readonly baseUrl: string | undefined;
  /** The provider's usual one when undefined. */
  readonly model: string | undefined;
  /** Recognised when undefined. */
  readonly language: string | undefined;
  readonly maxBytes: number;
  /** For one try. */
  readonly timeoutMs: number;
  /** For `local`; a bare name is in the PATH. */
  readonly binaryPath: string;
  readonly modelPath: string | undefined;
  /** 0 takes every transcript. */
  readonly noSpeechThreshold: number;
  /** 0 keeps nothing. */
  readonly cacheTtlMs: number;
  /** Figures of each transcript are logged as info. */
  readonly debug: boolean;
}

export interface TranscriberParts {
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly log: Log;
  /** For the commands of `local`, which get a few of these variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

const AT_ONCE = 2;
const TRIES = 3;
const PAUSE: Backoff = { firstMs: 1000, maxMs: 8000 };
/** A person is waiting: who is to come back later than this is not asked again. */
const MAX_PAUSE_MS = 30_000;
const NO_SPEECH: Transcript = { kind: "none", reason: "no speech was recognised in it" };

const SERVICES = {
  openai: { baseUrl: "https://api.openai.com/v1", model: "whisper-1" },
  groq: { baseUrl: "https://api.groq.com/openai/v1", model: "whisper-large-v3" },
  deepgram: { baseUrl: "https://api.deepgram.com/v1", model: "nova-3" },
} as const;

/** Undefined when nothing is to be transcribed. */
export function createTranscriber(
  options: TranscriberOptions | undefined,
  parts: TranscriberParts,
): Transcriber | undefined {
  if (options === undefined) return undefined;
  return new PatientTranscriber(options, parts, createProvider(options, parts));
}

function createProvider(options: TranscriberOptions, { fetch, env }: TranscriberParts): Provider {
  const { provider, apiKey, language, timeoutMs, binaryPath, modelPath } = options;
  if (provider === "local")
    return new LocalWhisper({ binaryPath, modelPath: modelPath ?? "", language, env });
  const usual = SERVICES[provider];
  const scheme = provider === "deepgram" ? "Token" : "Bearer";
  const service: Service = {
    fetch,
    baseUrl: options.baseUrl ?? usual.baseUrl,
    model: options.model ?? usual.model,
    language,
    authorization: apiKey === undefined ? undefined : `${scheme} ${apiKey}`,
    timeoutMs,
  };
  return provider === "deepgram" ? new Deepgram(service) : new OpenAi(service);
}

/** What every provider needs around it: limits, further tries, and a memory. */
class PatientTranscriber implements Transcriber {
  readonly #options: TranscriberOptions;
  readonly #parts: TranscriberParts;
  readonly #provider: Provider;
  readonly #cache: TranscriptCache;
  readonly #slots = new Slots(AT_ONCE);
  readonly #underWay = new SharedWork<Transcript>();

  constructor(options: TranscriberOptions, parts: TranscriberParts, provider: Provider) {
    this.#options = options;
    this.#parts = parts;
    this.#provider = provider;
    this.#cache = new TranscriptCache(options.cacheTtlMs, () => parts.clock.now());
  }

  async transcribe(file: MediaFile, signal: AbortSignal): Promise<Transcript> {
    signal.throwIfAborted();
    const { maxBytes } = this.#options;
    if (file.bytes === 0) return { kind: "none", reason: "the recording is empty" };
    if (file.bytes > maxBytes) {
      this.#parts.log.info({ bytes: file.bytes, maxBytes }, "recording is too large to be transcribed");
      return {
        kind: "none",
        reason: `the recording is too large to be transcribed (${megabytes(file.bytes)} of at most ${megabytes(maxBytes)})`,
      };
    }
    const known = this.#cache.get(file.sha256);
    return known ?? this.#underWay.join(file.sha256, signal, async (limit) => this.#work(file, limit));
  }

  async #work(file: MediaFile, signal: AbortSignal): Promise<Transcript> {
    const { clock, log } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#slots.use(signal, async () => this.#try(file, signal));
      } catch (error) {
        signal.throwIfAborted();
        const { reason, pauseMs } = this.#judge(error, attempt);
        const facts = {
          provider: this.#options.provider,
          attempt,
          error: describeError(error),
          ...hintOf(error),
        };
        if (pauseMs === undefined) {
          log.error({ ...facts, bytes: file.bytes, seconds: file.seconds }, "recording was not transcribed");
          return { kind: "none", reason };
        }
        log.warn({ ...facts, delayMs: pauseMs }, "transcription failed; it is tried again");
        await clock.sleep(pauseMs, signal);
      }
    }
  }

  async #try(file: MediaFile, signal: AbortSignal): Promise<Transcript> {
    const { clock } = this.#parts;
    const startedAt = clock.now();
    const heard = await withDeadline(this.#options.timeoutMs, signal, async (limit) =>
      this.#provider.hear(file, limit),
    );
    return this.#settle(file, heard, clock.now() - startedAt);
  }

  #settle(file: MediaFile, { text, noSpeech }: Heard, durationMs: number): Transcript {
    const { provider, noSpeechThreshold, debug } = this.#options;
    const isSilent = noSpeechThreshold > 0 && noSpeech !== undefined && noSpeech >= noSpeechThreshold;
    const transcript: Transcript = text === "" || isSilent ? NO_SPEECH : { kind: "text", text };
    const { log } = this.#parts;
    const { bytes, seconds } = file;
    const figures = {
      provider,
      kind: transcript.kind,
      chars: text.length,
      noSpeech,
      bytes,
      seconds,
      durationMs,
    };
    if (debug) log.info(figures, "recording was transcribed");
    else log.debug(figures, "recording was transcribed");
    this.#cache.set(file.sha256, transcript);
    return transcript;
  }

  /** Without a pause there is no further try. */
  #judge(error: unknown, attempt: number): { readonly reason: string; readonly pauseMs?: number } {
    if (error instanceof DeadlineError)
      return { reason: `it could not be transcribed within ${this.#options.timeoutMs / 1000} s` };
    if (!(error instanceof TranscribeError)) return { reason: "transcription failed" };
    const { reason, isPassing = false, afterMs = 0 } = error.failure;
    if (!isPassing || attempt === TRIES || afterMs > MAX_PAUSE_MS) return { reason };
    return { reason, pauseMs: Math.max(afterMs, backoffMs(attempt, PAUSE)) };
  }
}

function hintOf(error: unknown): { readonly hint?: string } {
  return error instanceof TranscribeError && error.hint !== undefined ? { hint: error.hint } : {};
}

function megabytes(bytes: number): string {
  // Rounded up, so that what is over the limit also looks so.
  return `${Math.ceil(bytes / 104_857.6) / 10} MB`;
}
