import { LIMITS } from "./kinds.ts";

export interface Picture {
  readonly bytes: Uint8Array;
  /** Without a dot. */
  readonly extension: "jpg" | "png";
}

/** Makes a picture into one that WhatsApp shows; undefined when that can not be done here, or not with this one. */
export type ConvertPicture = (path: string, signal: AbortSignal) => Promise<Picture | undefined>;

/** Sides and qualities to try until it is small enough. Phones show no more than the first. */
const STEPS = [
  { side: 2560, quality: 85 },
  { side: 1600, quality: 75 },
  { side: 1080, quality: 60 },
] as const;
/** A few kilobytes can claim to be a picture of any size. */
const MAX_PIXELS = 100_000_000;
const MAX_SECONDS = 20;

/** Uses sharp, if the operator installed it: it is no dependency, because it is 20 MB of machine code. */
export const convertPicture: ConvertPicture = async (path, signal) => {
  const sharp = await loadSharp();
  if (!sharp) return undefined;
  try {
    // Files that were made to be stumbled over do not get far: the first fault ends it.
    const picture = sharp(path, { limitInputPixels: MAX_PIXELS, failOn: "error" }).autoOrient();
    const { hasAlpha } = await picture.metadata();
    for (const { side, quality } of STEPS) {
      signal.throwIfAborted();
      const size = { width: side, height: side, fit: "inside", withoutEnlargement: true } as const;
      const scaled = picture.clone().resize(size).timeout({ seconds: MAX_SECONDS });
      const png = hasAlpha ? await scaled.clone().png().toBuffer() : undefined;
      if (png && png.length <= LIMITS.image.maxBytes) return { bytes: png, extension: "png" };
      const jpeg = await scaled.flatten({ background: "white" }).jpeg({ quality }).toBuffer();
      if (jpeg.length <= LIMITS.image.maxBytes) return { bytes: jpeg, extension: "jpg" };
    }
  } catch {
    // Broken, too large, or of a kind that this build of sharp does not read.
    signal.throwIfAborted();
  }
  return undefined;
};

async function loadSharp() {
  try {
    return (await import("sharp")).default;
  } catch {
    // Not installed, or not for this machine.
    return undefined;
  }
}
