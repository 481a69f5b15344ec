const MAX_NAME_CHARS = 80;

/** A username as WhatsApp has them, without the @; anything else is not shown. */
export function cleanUsername(username: string): string | undefined {
  return /^@?([A-Za-z0-9._]{1,64})$/.exec(username)?.[1];
}

/**
 * What may be shown of the name that a person chose: letters, digits, marks, emoji and quiet punctuation on one line,
 * nothing that could look like a tag of ours.
 */
export function cleanName(name: string): string {
  return (
    name
      .normalize("NFC")
      .replace(/[^\p{L}\p{M}\p{N}\p{Emoji_Presentation}\u200D .,'’&+-]+/gu, " ")
      .replace(/\s+/g, " ")
      .trim()
      .slice(0, MAX_NAME_CHARS)
      // The cut may have left half of a character.
      .replace(/[\uD800-\uDBFF]$/, "")
  );
}
