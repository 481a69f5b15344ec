/** The ending by which services tell one format from another: some look at nothing else. */
const ENDINGS: Readonly<Record<string, string>> = {
  "audio/ogg": "ogg",
  "audio/opus": "ogg",
  "application/ogg": "ogg",
  "audio/mpeg": "mp3",
  "audio/mp3": "mp3",
  "audio/mp4": "m4a",
  "audio/m4a": "m4a",
  "audio/x-m4a": "m4a",
  "video/mp4": "mp4",
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/vnd.wave": "wav",
  "audio/webm": "webm",
  "video/webm": "webm",
  "audio/flac": "flac",
  "audio/x-flac": "flac",
  "audio/aac": "aac",
  "audio/amr": "amr",
  "video/3gpp": "3gp",
  "audio/3gpp": "3gp",
};

/** Type without parameters, and a name that says the same; the sender's own name is not for others. */
export function describeAudio(claimed: string): { readonly mimeType: string; readonly name: string } {
  const bare = claimed.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const mimeType = /^[a-z]+\/[a-z0-9.+-]+$/.test(bare) ? bare : "application/octet-stream";
  // Voice messages are Opus in Ogg.
  const ending = ENDINGS[mimeType] ?? "ogg";
  return { mimeType: mimeType === "audio/opus" ? "audio/ogg" : mimeType, name: `audio.${ending}` };
}
