const INVISIBLE = /[\s\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** True for a text that nobody would see: spaces, and characters without a shape. */
export function isBlank(text: string): boolean {
  return text.replace(INVISIBLE, "") === "";
}
