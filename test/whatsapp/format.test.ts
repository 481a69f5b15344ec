import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toWhatsApp } from "../../src/whatsapp/format.ts";

type Case = readonly [behaviour: string, markdown: string, expected: string];

const lines = (...all: readonly string[]): string => all.join("\n");

const literal = [
  ["arithmetic", "2*3*4"],
  ["powers", "2**3**4 = 2**81"],
  ["products of variables", "a*b*c*d"],
  ["spaced asterisks", "a * b * c"],
  ["snake_case", "snake_case and _private_name_here"],
  ["Windows paths", "C:\\path\\to\\file.txt"],
  ["Windows paths to odd folders", "C:\\_cache\\.ssh and d:\\(x)"],
  ["Windows servers", "Open \\\\server\\share\\a_b, please"],
  ["argument lists", "f(**a,**b) or f(*args,**kwargs) or **kwargs or *args, **kwargs"],
  ["file patterns", "src/*.ts, test/*.ts and *.js,*.css and src/**/*.ts, lib/**/*.ts"],
  ["schedules", "*/5 * * * *"],
  ["names in a path", "src/__tests__/a.ts, https and obj.__dict__"],
  ["approximate ranges", "~10-~20 and ~$5~$6"],
  ["home folders", "PATH=~/bin:~/lib"],
  ["approximations", "~5 or ~6"],
  ["ranges with a tilde", "10~20円、30~40円"],
  ["addresses with underscores", "https://example.com/a_b_c*d*e and https://example.com/_x_"],
  ["an address before punctuation", "Visit https://example.com/a_b. https://example.com, https://a.b/c!"],
  ["e-mail addresses", "Write to first_last_name@example.com, please"],
  ["years that are no list", "It was in 1984. Great year"],
  ["hashtags", "#one #2"],
  ["placeholders", "Dear <name>, a Promise<string> and a Map<K, V>"],
  ["unknown entities and ampersands", "AT&T &unknown; R&D;"],
  ["lone delimiters", "5 * 3 _ 2 ~ 1 ` 0"],
  ["unclosed strong text", "**open"],
  ["unclosed comments", "<!-- open"],
  ["brackets", "[x] [a][b] array[0]"],
  ["formulas", "$a_b$ x^2^ H~2~O"],
  ["an indented Japanese paragraph", "　日本語です。"],
  ["Arabic", "مرحبا بالعالم"],
] as const;

const emphasis: readonly Case[] = [
  ["strong", "**x**", "*x*"],
  ["strong with underscores", "__x__", "*x*"],
  ["emphasis", "*x*", "_x_"],
  ["emphasis with underscores", "_x_", "_x_"],
  ["strong emphasis", "***x***", "*_x_*"],
  ["strong emphasis in two kinds", "**_x_** and _**y**_ and __*z*__", "*_x_* and *_y_* and *_z_*"],
  ["emphasis in the middle of strong", "**a _b_ c**", "*a _b_ c*"],
  ["strong in the middle of emphasis", "*a **b** c*", "_a *b* c_"],
  ["emphasis at both edges of strong", "**_a_ b _c_**", "*_a_ b _c_*"],
  ["deleted within strong within emphasis", "_a **b ~~c~~**_", "_a *b ~c~*_"],
  ["strong within emphasis", "***bold** it*", "_*bold* it_"],
  ["emphasis within strong", "**bold *it* x**", "*bold _it_ x*"],
  ["deleted", "~~x~~ and ~y~", "~x~ and ~y~"],
  ["all three", "~~***x***~~", "*_~x~_*"],
  ["strong within strong once", "**a **b** c**", "*a b c*"],
  ["a neighbouring full stop or colon", "**a**, **b**. **c**: d", "*a*, *b*. *c*: d"],
  ["the colon inside", "**Note:** x", "*Note:* x"],
  ["a word before it by leaving markers out", "foo**bar**", "foobar"],
  ["a word behind it by leaving markers out", "**bar**foo", "barfoo"],
  ["a bracket before it by leaving markers out", "(**x**)", "(x)"],
  ["a Japanese neighbour by leaving markers out", "これは**重要**です", "これは重要です"],
  ["Japanese that CommonMark does not close", "**「重要」**です", "「重要」です"],
  ["Japanese before punctuation", "**結論**：よい", "*結論*：よい"],
  ["a closing marker inside by leaving markers out", "**2 * 3**", "2 * 3"],
  ["snake_case inside", "*snake_case*", "_snake_case_"],
  ["arithmetic inside", "**2*3*4**", "*2*3*4*"],
  ["an emoji before it by leaving markers out", "👍**x** 👍 **y**👍", "👍x 👍 *y*👍"],
  ["both kinds over lines by marking each", "***a\nb** c\nd*", lines("*_a_*", "_*b* c_", "_d_")],
  ["emphasis over lines of a quote", "> **a\n> b**", lines("> *a*", "> *b*")],
  ["a name in underscores as code", "Run __init__ or `__init__`", "Run `__init__` or `__init__`"],
  ["a file name in underscores as code", "__init__.py", "`__init__`.py"],
  ["WhatsApp's own markup as the Markdown it is", "*a* _b_ ~c~", "_a_ _b_ ~c~"],
  ["two lines by marking each", "a **b\nc** d", lines("a *b*", "*c* d")],
  ["hard breaks", "**a  \nb**\\\nc", lines("*a*", "*b*", "c")],
  ["a break at the edge by moving it outward", "x **<br>a** b", "x\n*a* b"],
  ["an escaped marker", "\\_x\\_ 1986\\. A", "_x_ 1986. A"],
];

const code: readonly Case[] = [
  ["inline code", "`**kwargs` and `__init__` `&amp;`", "`**kwargs` and `__init__` `&amp;`"],
  ["strong code", "**`x`**: y", "*`x`*: y"],
  ["a backtick in inline code", "``a`b``", "```a`b```"],
  ["a backtick at the edge as text", "`` `a ``", "`a"],
  ["a fence without its language", "```python\ndef f(**kw): _x_\n```", "```\ndef f(**kw): _x_\n```"],
  ["indented code", "    a  *b*", "```\na  *b*\n```"],
  ["an empty fence as nothing", "a\n\n```\n\n```\n\nb", "a\n\nb"],
  ["an open fence", "```js\nx", "```\nx\n```"],
  ["a fence in a fence as text", "````md\n```js\nx\n```\n````", "```js\nx\n```"],
  ["a fence in an item unindented", "- a\n  ```\n  x\n    y\n  ```", "- a\n```\nx\n  y\n```"],
  ["a fence with backticks", "```sh\necho `date` ``x``\n```", "```\necho `date` ``x``\n```"],
  ["a fence of tildes", '~~~js title="a"\n~~~~x\n~~~', "```\n~~~~x\n```"],
  ["an empty fence with a language as nothing", "```js\n```", ""],
  ["blank lines and trailing marks in a fence", "```\n\na\n\n\n**b\n```", "```\n\na\n\n\n**b\n```"],
  ["inline code over two lines", "`a\nb`", "`a b`"],
  ["a fence in a quote by line", "> ```\n> *x*\n>\n>   y\n> ```", "> `*x*`\n> `  y`"],
  ["a fence right below its sentence", "Run:\n```\nx\n```\nDone", "Run:\n```\nx\n```\n\nDone"],
];

const blocks: readonly Case[] = [
  ["a heading", "# T\ntext", "*T*\n\ntext"],
  ["a deep heading", "###### T", "*T*"],
  ["strong text in a heading", "## a **T**", "*a T*"],
  ["emphasis in a heading", "## a *T*", "*a _T_*"],
  ["an underlined heading", "T\n===\ntext", "*T*\n\ntext"],
  ["an empty heading", "#\n\nx", "x"],
  ["a rule", "a\n\n---\n\nb", "a\n\n———\n\nb"],
  ["bullets", "* a\n* b", "- a\n- b"],
  ["bullets right below their sentence", "Buy:\n- a", "Buy:\n- a"],
  ["nested bullets", "- a\n  - b\n    - c\n- d", "- a\n  ◦ b\n    ◦ c\n- d"],
  ["spaced bullets", "- a\n\n- b", "- a\n\n- b"],
  ["numbers", "3. a\n4. b", "3. a\n4. b"],
  ["numbers from one", "1. a\n1. b", "1. a\n2. b"],
  ["numbers beyond 99", "99. a\n100. b", "99. a\n100. b"],
  ["numbers from zero", "0. a\n1. b", "0. a\n1. b"],
  ["numbers in numbers", "1. a\n   1. b\n   2. c\n2. d", "1. a\n  1. b\n  2. c\n2. d"],
  ["numbers with brackets", "1) a\n2) b", "1. a\n2. b"],
  ["numbered tasks", "1. [ ] a\n2. [x] b", "1. ☐ a\n2. ☑ b"],
  ["deep bullets", "- a\n  - b\n    - c\n      - d", "- a\n  ◦ b\n    ◦ c\n      ◦ d"],
  ["bullets with plus", "+ a\n+ b", "- a\n- b"],
  ["a quote in an item", "- a\n  > b\n- c", "- a\n> b\n- c"],
  ["bullets in numbers", "1. **A**: x\n   - y\n2. B", "1. *A*: x\n  ◦ y\n2. B"],
  ["numbers in bullets", "- a\n  1. b", "- a\n  1. b"],
  ["tasks", "- [ ] a\n- [x] b\n  - [x] c", "☐ a\n☑ b\n  ☑ c"],
  ["paragraphs in an item", "- a\n\n  b", "- a\n  b"],
  ["an empty item", "- a\n-", "- a\n-"],
  ["a heading in an item", "- # a", "- *a*"],
  ["a quote", "> a\nb\n>\n> **c**", "> a\n> b\n> *c*"],
  ["a nested quote", "> a\n> > b", "> a\n> b"],
  ["a nested list in a quote", "> 1. a\n>    - **b**\n> 2. c", "> 1. a\n>   ◦ *b*\n> 2. c"],
  ["a heading in a quote", "> # T\n> a", "> *T*\n> a"],
  ["a task in a quote", "> - [ ] a", "> ☐ a"],
  ["a heading between paragraphs", "a\n# T\nb", "a\n\n*T*\n\nb"],
  ["nested emphasis in a heading", "# ***a*** _b_ ~~c~~ `d`", "*_a_ _b_ ~c~ `d`*"],
  ["a rule of asterisks", "***", "———"],
  ["a list in a quote", "> - a\n> - b", "> - a\n> - b"],
  ["Windows line ends", "a\r\n\r\n- b\r\n- c", "a\n\n- b\n- c"],
  ["nothing", " \n\n ", ""],
];

const links: readonly Case[] = [
  ["a link", "[docs](https://a.b/c_d)", "docs: https://a.b/c_d"],
  ["a link before punctuation", "([docs](https://a.b)).", "(docs: https://a.b )."],
  ["a link before Japanese", "[公式](https://a.b)です", "公式: https://a.b です"],
  ["a strong link", "**see [docs](https://a.b) now**", "*see docs*: https://a.b *now*"],
  ["a strong address", "**https://a.b/c_d**", "https://a.b/c_d"],
  ["a linked heading", "## [T](https://a.b)", "*T*: https://a.b"],
  ["an address as its own text", "[https://a.b](https://a.b)", "https://a.b"],
  ["a host as its own text", "[a.b](https://a.b/)", "https://a.b/"],
  [
    "nested brackets in a bare address",
    "https://a.b/c_(d_(e)) (https://a.b/c_(d))",
    "https://a.b/c_(d_(e)) (https://a.b/c_(d) )",
  ],
  ["an address that says another", "[https://a.b](https://c.d)", "https://a.b https://c.d"],
  ["an address in brackets", "(see https://a.b/c_d).", "(see https://a.b/c_d )."],
  ["an emphasised address in a sentence", "_see https://a.b/_x_/y now_", "_see_ https://a.b/_x_/y _now_"],
  [
    "underscores before brackets in an emphasised address",
    "_see https://a.b/x_(y) now_",
    "_see_ https://a.b/x_(y) _now_",
  ],
  ["an emphasised link with nested brackets", "_[a](https://a.b/c_(d_(e)))_", "_a_: https://a.b/c_(d_(e))"],
  ["nested brackets in the address", "[a](https://a.b/c_(d_(e)))", "a: https://a.b/c_(d_(e))"],
  ["encoded ampersands in the address", "[a](https://a.b?c=d&amp;e=f)", "a: https://a.b?c=d&e=f"],
  ["a title by leaving it out", '[t](https://a.b "Title")', "t: https://a.b"],
  ["brackets around an address", "<https://a.b>.", "https://a.b ."],
  ["a mail link", "[a@b.co](mailto:a@b.co) <c@d.co>", "a@b.co c@d.co"],
  ["a phone link", "[Call](tel:+15550100)", "Call: +15550100"],
  ["a label with a colon", "[See:](https://a.b)", "See: https://a.b"],
  ["a place in the page", "[Top](#top)", "Top"],
  ["brackets in the address", "[a](https://a.b/c_(d))", "a: https://a.b/c_(d)"],
  ["a space in the address", "[a](<https://a.b/c d>)", "a: https://a.b/c%20d"],
  ["a reference", "[a][1]\n\n[1]: https://a.b", "a: https://a.b"],
  ["code as label", "[`a`](https://a.b)", "`a`: https://a.b"],
  ["an image", "![Cat](https://a.b/c.png)", "Cat: https://a.b/c.png"],
  [
    "an image with marks in its text",
    "![A **big** cat](https://a.b/c.png)",
    "A *big* cat: https://a.b/c.png",
  ],
  ["an embedded image", "![Chart](data:image/png;base64,iVBORw0KGgo=)", "Chart"],
  ["an image without text", "![](https://a.b/c.png)", "https://a.b/c.png"],
  ["a linked image", "[![Build](https://a.b/c.svg)](https://a.b)", "Build: https://a.b"],
];

const tables: readonly Case[] = [
  ["two columns", "|a|b|\n|-|-|\n|x|**y**|\n|z||", lines("_a: b_", "*x*: *y*", "*z*")],
  ["two columns without header", "|||\n|-|-|\n|x|y|", "*x*: y"],
  ["one column", "|a|\n|-|\n|x|\n|y|", lines("*a*", "- x", "- y")],
  [
    "narrow columns",
    "|Item|Qty|OK|\n|-|-:|-|\n|Nuts|5|**yes**|\n|`x`|100|no|",
    lines("```", "Item  Qty  OK", "Nuts    5  yes", "x     100  no", "```"),
  ],
  [
    "wide characters",
    "|a|b|c|\n|-|-|-|\n|日本|1|x|\n|z|👍🏽|y|",
    lines("```", "a     b   c", "日本  1   x", "z     👍🏽  y", "```"),
  ],
  [
    "columns too wide for a phone",
    "|First name|Last name|Telephone|\n|-|-|-|\n|Ada|Lovelace|+44 20 7946 0958|\n|Alan||1|",
    lines(
      "*First name*: Ada",
      "*Last name*: Lovelace",
      "*Telephone*: +44 20 7946 0958",
      "",
      "*First name*: Alan",
      "*Telephone*: 1",
    ),
  ],
  [
    "columns with links",
    "|a|b|c|\n|-|-|-|\n|1|2|[x](https://a.b)|",
    lines("*a*: 1", "*b*: 2", "*c*: x: https://a.b"),
  ],
  [
    "columns as wide as a phone",
    `|${"a".repeat(10)}|${"b".repeat(10)}|${"c".repeat(10)}|\n|-|-|-|`,
    lines("```", `${"a".repeat(10)}  ${"b".repeat(10)}  ${"c".repeat(10)}`, "```"),
  ],
  [
    "columns one wider than a phone",
    `|${"a".repeat(11)}|${"b".repeat(10)}|${"c".repeat(10)}|\n|-|-|-|\n|1|2|3|`,
    lines(`*${"a".repeat(11)}*: 1`, `*${"b".repeat(10)}*: 2`, `*${"c".repeat(10)}*: 3`),
  ],
  [
    "marks and bars in cells",
    "|a|b|c|\n|-|-|-|\n|a_b|**x** \\| y|`*`|",
    lines("```", "a    b      c", "a_b  x | y  *", "```"),
  ],
  ["a quoted table", "> |a|b|c|\n> |-|-|-|\n> |1|2|3|", lines("> *a*: 1", "> *b*: 2", "> *c*: 3")],
  ["a header only", "|a|b|c|\n|-|-|-|", "```\na  b  c\n```"],
];

const html: readonly Case[] = [
  ["tags", "<b>x</b> <span class='a'>y</span>", "x y"],
  ["line breaks", "a<br>b<br/>c<BR />d", "a\nb\nc\nd"],
  ["blocks", "<div>\n<p>a</p><p>b</p>\n</div>\n\nc", "a\nb\n\nc"],
  ["comments", "a<!-- x -->b", "ab"],
  ["entities", "&lt;a&gt; &copy; &#39;&#x1F600; a&nbsp;b", "<a> © '😀 a\u00a0b"],
  ["an encoded entity only once", "&amp;lt; &#38;lt;", "&lt; &lt;"],
  ["entities in code not at all", "`&lt;`", "`&lt;`"],
];

describe("toWhatsApp()", () => {
  test.each(literal)("toWhatsApp() leaves %s alone", (_, text) => {
    expect(toWhatsApp(text)).toBe(text);
  });

  test.each(emphasis)("toWhatsApp() converts %s", (_, markdown, expected) => {
    expect(toWhatsApp(markdown)).toBe(expected);
  });

  test.each(code)("toWhatsApp() writes %s", (_, markdown, expected) => {
    expect(toWhatsApp(markdown)).toBe(expected);
  });

  test.each(blocks)("toWhatsApp() lays out %s", (_, markdown, expected) => {
    expect(toWhatsApp(markdown)).toBe(expected);
  });

  test.each(links)("toWhatsApp() spells out %s", (_, markdown, expected) => {
    expect(toWhatsApp(markdown)).toBe(expected);
  });

  test.each(tables)("toWhatsApp() flattens %s", (_, markdown, expected) => {
    expect(toWhatsApp(markdown)).toBe(expected);
  });

  test.each(html)("toWhatsApp() resolves HTML: %s", (_, markdown, expected) => {
    expect(toWhatsApp(markdown)).toBe(expected);
  });
});

const hostile = [
  "*",
  "_a",
  "*_a",
  "**a ",
  "[",
  "[a](",
  "![",
  "!",
  ">",
  "> ",
  "`",
  "~a",
  "<",
  "<!--",
  "https://",
  "C:\\_",
  "__a__ ",
  "/*a*",
  "(www.a.b)",
];

describe("toWhatsApp() on hostile input", () => {
  test.each([...hostile, "1. ", "- ", "|", "\\", "&", "a@", "#", "日本語", "😀", " ", "\n"])(
    "toWhatsApp() reads 20,000 characters of %j in a moment",
    (pattern) => {
      const started = performance.now();

      toWhatsApp(pattern.repeat(20_000 / pattern.length));

      // Milliseconds as a rule; quadratic time would be many seconds.
      expect(performance.now() - started).toBeLessThan(2000);
    },
  );

  test("toWhatsApp() converts 200 kB of ordinary Markdown in a moment", () => {
    const paragraph = "**Hello**, see `code` and [docs](https://a.b/c_d) for *more*.\n\n- a\n- b\n\n";
    const markdown = paragraph.repeat(200_000 / paragraph.length);
    const started = performance.now();

    const text = toWhatsApp(markdown);

    expect(performance.now() - started).toBeLessThan(3000);
    expect(text.endsWith("docs: https://a.b/c_d for _more_.\n\n- a\n- b")).toBe(true);
  });

  test("toWhatsApp() leaves text beyond any reply as it is", () => {
    const text = "**a** ".repeat(50_000).trim();

    expect(toWhatsApp(text)).toBe(text);
  });

  test("toWhatsApp() keeps the words of a paragraph with too many delimiters", () => {
    expect(toWhatsApp(`# T\n\n${"*_a".repeat(300)} &lt;`)).toBe(`*T*\n\n${"*_a".repeat(300)} &lt;`);
  });

  test("toWhatsApp() keeps the words of a hundred nested quotes", () => {
    expect(toWhatsApp(`${"> ".repeat(100)}deep`)).toMatch(/^> .*deep$/);
  });

  const pieces = fc.constantFrom(
    ..."*_~`#>-+|[]()!<>&;:\\\n \t.1ax日😀".split(""),
    ..."** __ ~~ ``` \n\n https://a.b/c_d <br> &amp; |-|-| \n| 👨‍👩‍👧".split(" "),
  );

  test("toWhatsApp() never throws", () => {
    const markdown = fc.array(pieces, { maxLength: 80 }).map((all) => all.join(""));
    fc.assert(
      fc.property(fc.oneof(markdown, fc.string({ unit: "binary" })), (text) => {
        expect(toWhatsApp(text)).toBeTypeOf("string");
      }),
      { numRuns: 2000 },
    );
  });

  test("toWhatsApp() never alters the code in a fence", () => {
    const code = fc
      .array(pieces, { minLength: 1, maxLength: 40 })
      .map((all) => `x${all.join("").replaceAll("`", "'").replaceAll("\t", " ")}x`);
    fc.assert(
      fc.property(code, (text) => {
        expect(toWhatsApp(`a\n\n\`\`\`js\n${text}\n\`\`\`\n\nb`)).toBe(`a\n\n\`\`\`\n${text}\n\`\`\`\n\nb`);
      }),
    );
  });

  test("toWhatsApp() keeps every word in order", () => {
    const word = fc.constantFrom("alpha", "beta", "日本", "гамма", "7");
    const wrap = fc.constantFrom("", "*", "**", "***", "~~", "`", "_", "__");
    const line = fc.constantFrom("", "# ", "- ", "1. ", "> ", "- [ ] ");
    const markdown = fc.array(fc.tuple(line, wrap, word), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(markdown, (all) => {
        const text = toWhatsApp(all.map(([start, mark, w]) => start + mark + w + mark).join("\n"));
        const words = text.match(/alpha|beta|日本|гамма|(?<!\d)7/g);
        expect(words).toEqual(all.map(([, , w]) => w));
      }),
    );
  });
});
