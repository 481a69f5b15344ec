/** Removes HTML tags and comments, turns line breaks into newlines and decodes entities. */
export function stripHtml(html: string): string {
  const text = stripComments(html).replaceAll(TAG, (tag, name: string) => {
    const element = name.toLowerCase();
    if (element === "br") return "\n";
    // "Dear <name>" and "Promise<string>" are valid HTML to a parser, and content to a reader.
    if (!ELEMENTS.has(element)) return tag;
    return tag.startsWith("</") && LINE_ELEMENTS.has(element) ? "\n" : "";
  });
  return decodeEntities(text.replaceAll(/\n{3,}/g, "\n\n"));
}

/** Decodes the entities people and models write by name; others stay as they are. */
export function decodeEntities(text: string): string {
  return text.replaceAll(ENTITY, (entity, name: string) => {
    if (name.startsWith("#")) return decodeNumber(name) ?? entity;
    return ENTITIES.get(name) ?? entity;
  });
}

const TAG = /<\/?([a-z][a-z0-9-]*)(?![a-z0-9-])[^<>]*>/gi;
const ENTITY = /&(#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z]{2,8});/gi;

const ELEMENTS = new Set(
  (
    "a abbr address article aside b big blockquote body br button caption center cite code col " +
    "colgroup dd del details dfn div dl dt em figcaption figure font footer form h1 h2 h3 h4 h5 " +
    "h6 head header hr html i iframe img input ins kbd label li link main mark meta nav ol p " +
    "picture pre q s samp script section small source span strike strong style sub summary sup " +
    "svg table tbody td tfoot th thead title tr tt u ul var video wbr"
  ).split(" "),
);

const LINE_ELEMENTS = new Set("div dd dt h1 h2 h3 h4 h5 h6 li p pre summary tr".split(" "));

const ENTITIES = new Map([
  ["amp", "&"],
  ["apos", "'"],
  ["bull", "•"],
  ["cent", "¢"],
  ["copy", "©"],
  ["deg", "°"],
  ["divide", "÷"],
  ["emsp", "\u2003"],
  ["ensp", "\u2002"],
  ["euro", "€"],
  ["ge", "≥"],
  ["gt", ">"],
  ["hellip", "…"],
  ["laquo", "«"],
  ["larr", "←"],
  ["ldquo", "“"],
  ["le", "≤"],
  ["lsquo", "‘"],
  ["lt", "<"],
  ["mdash", "—"],
  ["middot", "·"],
  ["minus", "−"],
  ["nbsp", "\u00a0"],
  ["ndash", "–"],
  ["ne", "≠"],
  ["para", "¶"],
  ["plusmn", "±"],
  ["pound", "£"],
  ["quot", '"'],
  ["raquo", "»"],
  ["rarr", "→"],
  ["rdquo", "”"],
  ["reg", "®"],
  ["rsquo", "’"],
  ["sect", "§"],
  ["times", "×"],
  ["trade", "™"],
  ["yen", "¥"],
]);

/** Not one regular expression, which would need quadratic time for many unclosed comments. */
function stripComments(html: string): string {
  const [first = "", ...rest] = html.split("<!--");
  const parts = rest.map((part) => {
    const end = part.indexOf("-->");
    return end === -1 ? `<!--${part}` : part.slice(end + "-->".length);
  });
  return first + parts.join("");
}

function decodeNumber(name: string): string | undefined {
  const isHex = /^#x/i.test(name);
  const code = Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10);
  const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : undefined;
}
