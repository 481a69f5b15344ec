import { readFile } from "node:fs/promises";
import { describeError } from "../errors.ts";
import type { MediaFile } from "../pipeline/media.ts";
import { TranscribeError } from "./provider.ts";

/** The whole file. @throws TranscribeError when it is not there any more */
export async function readRecording(file: MediaFile, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  return readFile(file.path, { signal }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new TranscribeError(
      `Cannot read the recording: ${describeError(cause)}`,
      { reason: "the recording could not be read" },
      { cause },
    );
  });
}
