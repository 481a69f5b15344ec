const MAX_LENGTH = 120;
const MAX_ENDING = 12;

/**
 * Control and format characters: they hide text, or turn it around so that `gpj.exe` reads as `exe.jpg`. Those that join
 * emoji and letters of some scripts (U+200C, U+200D) stay.
 */
const UNSEEN = /(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u{E0100}-\u{E01EF}]/gu;

/** What may be shown of a name that a sender gave to a file; undefined when nothing is left. Never a path. */
export function cleanFilename(name: string): string | undefined {
  // A name of any length may come; what is at its end counts.
  const last = name.slice(-4096).split(/[/\\]/).at(-1) ?? "";
  const seen = last.replace(/\s+/g, " ").replace(UNSEEN, "").trim().replace(/^\.+/, "").trim();
  if (!/[\p{L}\p{N}\p{S}]/u.test(seen)) return undefined;
  return shorten(Array.from(seen));
}

/** From its middle: the ending tells most. */
function shorten(letters: readonly string[]): string {
  if (letters.length <= MAX_LENGTH) return letters.join("");
  const dot = letters.lastIndexOf(".");
  const ending = letters.length - dot <= MAX_ENDING ? letters.slice(dot) : [];
  return [...letters.slice(0, MAX_LENGTH - ending.length - 1), "…", ...ending].join("");
}
