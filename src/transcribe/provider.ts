import { RelayError } from "../errors.ts";
import type { MediaFile } from "../pipeline/media.ts";

/** What a provider made of a recording. */
export interface Heard {
  /** Trimmed; empty when nothing was understood. */
  readonly text: string;
  /** From 0 to 1: how likely nobody speaks in it, when the provider tells. */
  readonly noSpeech?: number | undefined;
}

/** Whoever writes down what is said. */
export interface Provider {
  /** One try. @throws TranscribeError */
  hear(file: MediaFile, signal: AbortSignal): Promise<Heard>;
}

export interface TranscribeFailure {
  /** For the agent, who may pass it on: no key, no address, no path, nothing that the other side wrote. */
  readonly reason: string;
  /** Trying again may help. */
  readonly isPassing?: boolean;
  /** The other side asked for this wait. */
  readonly afterMs?: number | undefined;
}

/** A try brought nothing. Its message is for the log. */
export class TranscribeError extends RelayError {
  readonly failure: TranscribeFailure;

  constructor(
    message: string,
    failure: TranscribeFailure,
    options: ErrorOptions & { readonly hint?: string | undefined } = {},
  ) {
    super(message, options);
    this.failure = failure;
  }
}
