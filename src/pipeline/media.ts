import type { MediaContent, MediaType } from "../content.ts";

/** A file on our disk, checked and named by us. */
export interface MediaFile {
  /** Absolute. */
  readonly path: string;
  /** Found in the bytes, whatever was claimed; `application/octet-stream` when they say nothing. */
  readonly mimeType: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** Length of a recording, when the file tells. */
  readonly seconds?: number;
}

export type Fetched =
  | { readonly kind: "file"; readonly file: MediaFile }
  /** In words that the agent may pass on: no addresses, no keys. */
  | { readonly kind: "failed"; readonly reason: string };

export type Transcript =
  | { readonly kind: "text"; readonly text: string }
  /** Why there is none, in words that the agent may pass on. */
  | { readonly kind: "none"; readonly reason: string };

export interface MediaFetcher {
  /** Gets the file of a message that the guard let in. Rejects only when `signal` aborts. */
  fetch(content: MediaContent, wamid: string, signal: AbortSignal): Promise<Fetched>;
}

export interface Transcriber {
  /** Rejects only when `signal` aborts. */
  transcribe(file: MediaFile, signal: AbortSignal): Promise<Transcript>;
}

/** A file that an agent's answer names. The reference is what the agent wrote: a path or an address, and hostile. */
export interface MediaReference {
  readonly reference: string;
  /** As a voice message, if it can be one. */
  readonly asVoice: boolean;
}

/** A copy of ours, of a type and size that WhatsApp takes. */
export interface OutgoingMedia {
  readonly as: MediaType;
  /** Absolute. */
  readonly path: string;
  readonly mimeType: string;
  readonly filename?: string;
}

export type Prepared =
  | { readonly kind: "file"; readonly media: OutgoingMedia }
  /** In words for the person who gets the answer. */
  | { readonly kind: "refused"; readonly reason: string };

export interface MediaPreparer {
  /** Rejects only when `signal` aborts. */
  prepare(reference: MediaReference, signal: AbortSignal): Promise<Prepared>;
}
