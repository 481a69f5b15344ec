import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_TEXT_CHARS, type Content, type Media } from "../../src/content.ts";
import { readContent } from "../../src/whatsapp/content.ts";
import {
  ANN,
  ANN_ID,
  kapsoAside,
  kapsoFile,
  kapsoMessage,
  KINDS,
  metaFile,
  metaMessage,
  SHA256_HEX,
  TARGET,
  type Fields,
} from "../webhook-bodies.ts";

/** What a message says that has these fields beside those that all have, after its way over the wire. */
function read(given: Fields = {}): Content | undefined {
  return readContent(String(given["type"]), JSON.parse(JSON.stringify(metaMessage(given))));
}

const URL_AT_META = String(metaFile("")["url"]);
const file = (mimeType: string, given: Partial<Media> = {}): Media => ({
  id: "660011",
  url: URL_AT_META,
  mimeType,
  sha256: SHA256_HEX,
  ...given,
});
const CARD = {
  name: "Bob Baker",
  phones: ["+15550100002"],
  emails: ["bob@bakery.example"],
  organisation: "Baker & Sons",
};
const NUMBER_CHANGE = { oldPhone: ANN, newPhone: "15550100009" };
const FORM_ANSWERS = '{"flow_token":"f-1","day":"Sunday","guests":["Ann","Bob"]}';

const EXPECTED: Readonly<Record<string, Content>> = {
  text: { type: "text", text: "Are you open on Sunday?" },
  image: { type: "image", media: file("image/jpeg"), caption: "our table" },
  video: { type: "video", media: file("video/mp4") },
  voice: { type: "voice", media: file("audio/ogg; codecs=opus") },
  recording: { type: "audio", media: file("audio/mpeg") },
  document: {
    type: "document",
    media: file("application/pdf", { filename: "Menü.pdf" }),
    caption: "see page 2",
  },
  sticker: { type: "sticker", media: file("image/webp") },
  spoiltFile: { type: "image", media: { id: "660011", mimeType: "image/jpeg", sha256: SHA256_HEX } },
  position: { type: "location", latitude: 52.516_27, longitude: 13.377_703 },
  place: {
    type: "location",
    latitude: 48.137_22,
    longitude: 11.575_4,
    name: "Market",
    address: "1 Market Street",
    url: "https://market.example/",
  },
  card: { type: "contacts", cards: [CARD] },
  button: { type: "choice", id: "yes-1", title: "Yes" },
  row: { type: "choice", id: "tea", title: "Tea", description: "green" },
  form: { type: "form", name: "flow", answers: FORM_ANSWERS },
  callPermission: { type: "unsupported", what: "call_permission_reply" },
  emptyInteractive: { type: "unknown", kind: "interactive" },
  templateButton: { type: "choice", id: "stop-news", title: "Stop" },
  order: {
    type: "order",
    catalogId: "770022",
    text: "before noon, please",
    items: [
      { product: "rye", quantity: 2, price: 3.5, currency: "EUR" },
      { product: "roll", quantity: 10, price: 0.4, currency: "EUR" },
    ],
  },
  reaction: { type: "reaction", target: TARGET, emoji: "👍" },
  reactionGone: { type: "reaction", target: TARGET },
  newNumber: {
    type: "system",
    event: "user_changed_number",
    text: `Ann changed from ${ANN} to 15550100009`,
    change: NUMBER_CHANGE,
  },
  newUserId: {
    type: "system",
    event: "user_changed_user_id",
    change: { oldBsuid: ANN_ID, newBsuid: "US.4400110099" },
  },
  newDevice: { type: "system", event: "customer_identity_changed", text: "Ann's security code changed" },
  edit: { type: "edit", target: TARGET, content: { type: "text", text: "on Monday, I mean" } },
  editedCaption: {
    type: "edit",
    target: TARGET,
    content: { type: "image", media: file("image/jpeg"), caption: "our other table" },
  },
  revoke: { type: "revoke", target: TARGET },
  poll: { type: "unsupported", what: "poll_creation" },
  unsupported: { type: "unsupported" },
  oldUnsupported: { type: "unsupported" },
  welcome: { type: "system", event: "request_welcome" },
  hologram: { type: "unknown", kind: "hologram" },
};

describe("readContent()", () => {
  test.each(Object.entries(KINDS))("reads what Meta brings: %s", (what, given) => {
    expect(read(given)).toEqual(EXPECTED[what]);
  });

  test.each(Object.entries(KINDS))("reads the same with what Kapso adds: %s", (what, given) => {
    expect(readContent(given.type, JSON.parse(JSON.stringify(kapsoMessage(given))))).toEqual(EXPECTED[what]);
  });

  test.each(Object.values(KINDS).map(({ type }) => type))(
    "has a content for one without its body: %s",
    (kind) => {
      const content = readContent(kind, { id: "wamid.1", type: kind });

      if (kind === "text") expect(content).toBeUndefined();
      else expect(content).toHaveProperty("type");
    },
  );

  test("P10: a text of any length is cut", () => {
    const content = read({ type: "text", text: { body: "x".repeat(1_000_000) } });

    expect(content).toEqual({ type: "text", text: "x".repeat(MAX_TEXT_CHARS) });
  });

  test("a text that is cut or came in halves has no half of a character", () => {
    const body = `${"x".repeat(MAX_TEXT_CHARS - 1)}😀`;

    expect(read({ type: "text", text: { body } })).toMatchObject({ text: expect.stringMatching(/x\uFFFD$/) });
    expect(read({ type: "text", text: { body: "\uD83D!" } })).toEqual({ type: "text", text: "\uFFFD!" });
  });

  test("an empty text is one", () => {
    expect(read({ type: "text", text: { body: "" } })).toEqual({ type: "text", text: "" });
  });

  test("any kind and any object give a content, a text without body alone does not", () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (kind, message) => {
        fc.pre(kind !== "text");

        expect(readContent(kind, message)).toHaveProperty("type");
      }),
    );
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "a kind may have any name: %s",
    (kind) => {
      expect(readContent(kind, {})).toEqual({ type: "unknown", kind });
    },
  );

  test("a kind of any length is cut", () => {
    expect(readContent("k".repeat(500), {})).toEqual({ type: "unknown", kind: "k".repeat(100) });
  });
});

describe("readContent(): files", () => {
  const media = (given: Fields) => {
    const content = read(given);
    if (!content || !("media" in content)) throw new Error(`No file: ${JSON.stringify(content)}`);
    return content;
  };
  const kapso = kapsoFile("photo.jpg", "image/jpeg");
  const where = String(kapso["media_url"]);

  test("Kapso's copy is where a file is fetched, not Meta's address for minutes", () => {
    const given = { type: "image", image: metaFile("image/jpeg"), kapso };

    expect(media(given).media).toEqual(file("image/jpeg", { url: where, filename: "photo.jpg" }));
  });

  test("a file is known by what Kapso says alone", () => {
    expect(media({ type: "image", image: {}, kapso }).media).toEqual({
      url: where,
      mimeType: "image/jpeg",
      filename: "photo.jpg",
    });
  });

  test.each([
    ["its link", { image: { id: "1", link: "https://app.kapso.example/a" } }, "https://app.kapso.example/a"],
    [
      "Kapso's other field",
      { kapso: { media_url: "https://app.kapso.example/b" } },
      "https://app.kapso.example/b",
    ],
    ["its url", { image: { url: "http://127.0.0.1:9/c" } }, "http://127.0.0.1:9/c"],
    ["no file on this machine", { image: { url: "file:///etc/passwd" } }, undefined],
    ["no script", { image: { url: "javascript:alert(1)" } }, undefined],
    ["no nonsense", { image: { url: "https://" } }, undefined],
    ["nothing without end", { image: { url: `https://a.example/${"x".repeat(10_000)}` } }, undefined],
  ])("is fetched from %s", (_what, given, expected) => {
    expect(media({ type: "image", ...given }).media.url).toBe(expected);
  });

  test.each([
    ["absent", undefined],
    ["null", null],
    ["empty", ""],
  ])("takes the caption from Kapso when the message's is %s", (_what, caption) => {
    const given = {
      type: "image",
      image: { id: "1", caption },
      kapso: kapsoFile("photo.jpg", "image/jpeg", { message_type_data: { caption: "our table" } }),
    };

    expect(media(given).caption).toBe("our table");
  });

  test("has no caption when both are empty", () => {
    const given = { type: "image", image: { id: "1" }, kapso: { message_type_data: { caption: "" } } };

    expect(media(given)).not.toHaveProperty("caption");
  });

  test.each([
    ["base64", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", SHA256_HEX],
    ["base64 without its end", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", SHA256_HEX],
    ["base64 for addresses", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", SHA256_HEX],
    ["hexadecimal", SHA256_HEX, SHA256_HEX],
    ["HEXADECIMAL", SHA256_HEX.toUpperCase(), SHA256_HEX],
    ["too short", SHA256_HEX.slice(2), undefined],
    ["something else", "not a hash", undefined],
    ["a number", 5, undefined],
  ])("reads a hash in %s", (_what, sha256, expected) => {
    expect(media({ type: "image", image: { id: "1", sha256 } }).media.sha256).toBe(expected);
  });

  test.each([
    ["voice", { voice: true, mime_type: "audio/mpeg" }],
    ["audio", { voice: false, mime_type: "audio/ogg; codecs=opus" }],
    ["voice", { mime_type: "audio/ogg; codecs=opus" }],
    ["voice", { mime_type: "audio/opus" }],
    ["voice", { voice: "yes", mime_type: "Audio/OGG" }],
    ["audio", { mime_type: "audio/mpeg" }],
    ["audio", { mime_type: "audio/oggy" }],
    ["voice", {}],
  ])("tells a voice message from a file: %s for %j", (type, audio) => {
    expect(media({ type: "audio", audio: { id: "1", ...audio } }).type).toBe(type);
  });

  test("a voice message by its old name is one", () => {
    expect(media({ type: "voice", voice: { id: "1" } })).toEqual({ type: "voice", media: { id: "1" } });
  });

  test("an id may be a number", () => {
    expect(media({ type: "image", image: { id: 660_011 } }).media.id).toBe("660011");
  });
});

describe("readContent(): transcripts", () => {
  const said = "Two rye, please\n\nTranscript: of a fool";
  const head = "(voice.ogg) [Size: 50 KB | Type: audio/ogg] URL: https://app.kapso.example/a";
  const transcript = (given: Fields, type = "audio") => {
    const content = read({ type, [type]: { id: "1" }, kapso: kapsoAside(given) });
    return content && "transcript" in content ? content.transcript : undefined;
  };

  test.each([
    ["its field", { transcript: { text: said }, content: "" }],
    [
      "its field before the description",
      { transcript: { text: said }, content: `Audio attached ${head}\nTranscript: no` },
    ],
    ["the description", { content: `Audio attached ${head}\n\nTranscript: ${said}` }],
    ["the description with one line end", { content: `Audio attached ${head}\nTranscript: ${said}` }],
    [
      "the description as the documentation has it",
      { content: `[Audio attached] ${head}\nTranscript: ${said}` },
    ],
    [
      "the description when the field is empty",
      { transcript: {}, content: `Audio attached ${head}\n\nTranscript: ${said}` },
    ],
  ])("are read from %s", (_what, given) => {
    expect(transcript(given)).toBe(said);
  });

  test.each([
    ["there is none", { content: `Audio attached ${head}` }],
    ["it says nothing", { content: `Audio attached ${head}\n\nTranscript: ` }],
    [
      "the description begins with something else",
      { content: `hello Audio attached ${head}\n\nTranscript: x` },
    ],
    ["it is another description", { content: `Image attached (a.jpg)\n\nTranscript: x` }],
    ["it is no envelope", { content: "Audio attached\n\nTranscript: x" }],
    ["it comes later", { content: `Audio attached ${head}\nmore\nTranscript: x` }],
    ["it is no text", { transcript: { text: 5 }, content: 7 }],
  ])("are none when %s", (_what, given) => {
    expect(transcript(given)).toBeUndefined();
  });

  test("a caption can not pass for a transcript", () => {
    expect(transcript({ content: `Audio attached ${head}\n\nTranscript: obey` }, "image")).toBeUndefined();
  });
});

describe("readContent(): odd shapes", () => {
  test.each([
    ["no coordinates", { name: "Cafe" }],
    ["null", { latitude: null, longitude: null, name: "Cafe" }],
    ["beyond the pole", { latitude: 91, longitude: 0 }],
    ["beyond the date line", { latitude: 0, longitude: -180.01 }],
    ["words", { latitude: "north", longitude: "" }],
    ["more digits than a number has", { latitude: "9".repeat(400), longitude: 0 }],
  ])("a location with %s is no place in the sea", (_what, location) => {
    expect(read({ type: "location", location })).toEqual({ type: "unknown", kind: "location" });
  });

  test("degrees may be in a text", () => {
    expect(read({ type: "location", location: { latitude: "1.5", longitude: "-2" } })).toEqual({
      type: "location",
      latitude: 1.5,
      longitude: -2,
    });
  });

  test.each([
    ["+1 (555) 010-0002", undefined, "+15550100002"],
    ["+55 11 98888-7777", "551188887777", "+5511988887777"],
    ["(555) 010-0002", "15550100002", "+15550100002"],
    ["(555) 010-0002", undefined, "(555) 010-0002"],
    [undefined, "15550100002", "+15550100002"],
    ["", "15550100002", "+15550100002"],
    ["112", null, "112"],
    ["ask me", 5, "ask me"],
  ])("a card's number %j, known as %j, is %j", (phone, wa_id, expected) => {
    expect(read({ type: "contacts", contacts: [{ phones: [{ phone, wa_id }] }] })).toEqual({
      type: "contacts",
      cards: [{ phones: [expected], emails: [] }],
    });
  });

  test("a card without a whole name has its parts", () => {
    const contacts = [
      { name: { first_name: "Bob", last_name: "Baker" } },
      { name: null, org: 5 },
      null,
      "card",
    ];

    expect(read({ type: "contacts", contacts })).toEqual({
      type: "contacts",
      cards: [
        { name: "Bob Baker", phones: [], emails: [] },
        { phones: [], emails: [] },
      ],
    });
  });

  test("lists are cut", () => {
    const phones = Array.from({ length: 1000 }, (_, n) => ({ phone: `+1555010${1000 + n}` }));
    const cards = read({ type: "contacts", contacts: Array.from({ length: 1000 }, () => ({ phones })) });
    const order = read({ type: "order", order: { product_items: Array.from({ length: 1000 }, () => ({})) } });

    expect(cards).toHaveProperty("cards.length", 100);
    expect(cards).toHaveProperty("cards.0.phones.length", 20);
    expect(order).toHaveProperty("items.length", 100);
  });

  test.each([
    ["as an object", { day: "Sunday" }, '{"day":"Sunday"}'],
    ["as a list", "[5]", "[5]"],
    ["with spaces", '{ "day": "Sunday" }', '{"day":"Sunday"}'],
    ["that are no JSON", "{day:", undefined],
    ["that are empty", "{}", undefined],
    ["that are null", null, undefined],
    ["that are null in a text", "null", undefined],
    ["that are missing", undefined, undefined],
    ["that are a list of nothing", [], undefined],
    ["nested without end", "[".repeat(100_000) + "]".repeat(100_000), undefined],
    ["without end", JSON.stringify({ a: "x".repeat(MAX_TEXT_CHARS) }), undefined],
  ])("a form has answers %s", (_what, response_json, answers) => {
    const given = { type: "interactive", interactive: { nfm_reply: { name: "flow", response_json } } };

    expect(read(given)).toEqual({ type: "form", name: "flow", ...(answers && { answers }) });
  });

  test("a form that can not be read is taken from what Kapso made of it", () => {
    const given = {
      type: "interactive",
      interactive: { type: "nfm_reply", nfm_reply: null },
      kapso: { flow_name: "booking", flow_response: { day: "Sunday" } },
    };

    expect(read(given)).toEqual({ type: "form", name: "booking", answers: '{"day":"Sunday"}' });
  });

  test.each([
    [
      "a button without a title",
      { button_reply: { id: "yes-1" } },
      { type: "choice", id: "yes-1", title: "yes-1" },
    ],
    ["a row without an id", { list_reply: { title: "Tea" } }, { type: "choice", title: "Tea" }],
    [
      "a button that says nothing",
      { type: "button_reply", button_reply: {} },
      { type: "unknown", kind: "button_reply" },
    ],
    ["another answer", { type: "payment_method" }, { type: "unknown", kind: "payment_method" }],
    ["no object", "yes", { type: "unknown", kind: "interactive" }],
  ])("an interactive message may be %s", (_what, interactive, expected) => {
    expect(read({ type: "interactive", interactive })).toEqual(expected);
  });

  test("an interactive message that WhatsApp could not pass on is told as such", () => {
    expect(read({ type: "interactive", errors: [{ code: 131_000 }] })).toEqual({
      type: "unsupported",
      what: "interactive",
    });
  });

  test.each([
    [{ text: "Stop" }, { type: "choice", title: "Stop" }],
    [{ payload: "stop-news" }, { type: "choice", id: "stop-news", title: "stop-news" }],
    [{}, { type: "unknown", kind: "button" }],
    [null, { type: "unknown", kind: "button" }],
  ])("a template's button may be %j", (button, expected) => {
    expect(read({ type: "button", button })).toEqual(expected);
  });

  test.each([
    [{ quantity: "3" }, { product: "", quantity: 3 }],
    [
      { quantity: "a few", item_price: "cheap" },
      { product: "", quantity: 1 },
    ],
    [
      { quantity: -3, item_price: -1 },
      { product: "", quantity: 1 },
    ],
    [
      { product_retailer_id: 7, quantity: 0.5, item_price: 0 },
      { product: "7", quantity: 0.5, price: 0 },
    ],
  ])("an order may have %j", (given, expected) => {
    expect(read({ type: "order", order: { product_items: [given, null] } })).toEqual({
      type: "order",
      items: [expected],
    });
  });

  test("the words with an order may be with Kapso alone", () => {
    expect(read({ type: "order", order: {}, kapso: { order_text: "soon" } })).toEqual({
      type: "order",
      text: "soon",
      items: [],
    });
  });

  test.each([
    ["reaction", { reaction: { emoji: "👍" } }],
    ["edit", { edit: { message: { type: "text", text: { body: "x" } } } }],
    ["revoke", { revoke: {} }],
  ])("a %s of nothing asks nothing", (type, given) => {
    expect(read({ type, ...given })).toEqual({ type: "unsupported", what: type });
  });

  test("an empty emoji takes a reaction back", () => {
    expect(read({ type: "reaction", reaction: { message_id: TARGET, emoji: "" } })).toEqual({
      type: "reaction",
      target: TARGET,
    });
  });

  test.each([
    ["nothing", undefined, "unknown"],
    ["a text without a text", { type: "text" }, "text"],
    ["another edit", KINDS["edit"], "edit"],
  ])("an edit may bring %s", (_what, message, kind) => {
    expect(read({ type: "edit", edit: { original_message_id: TARGET, message } })).toEqual({
      type: "edit",
      target: TARGET,
      content: { type: "unknown", kind },
    });
  });

  const [OLD_ID, NEW_ID] = [ANN_ID, "US.4400110099"];
  test.each([
    [
      "both",
      { wa_id: "15550100009", previous_user_id: OLD_ID, user_id: NEW_ID },
      { oldBsuid: OLD_ID, newBsuid: NEW_ID },
    ],
    ["its old name", { type: "customer_changed_number", wa_id: "15550100009", customer: ANN }, {}],
    ["an older field", { wa_id: null, new_wa_id: "15550100009" }, {}],
  ])("a new number may come with %s", (_what, system, more) => {
    expect(read({ type: "system", system: { type: "user_changed_number", ...system } })).toHaveProperty(
      "change",
      {
        ...NUMBER_CHANGE,
        ...more,
      },
    );
  });

  test("the old number is not known when the news comes from the new one", () => {
    const system = { type: "user_changed_number", wa_id: "15550100009" };

    expect(read({ type: "system", from: "15550100009", system })).toHaveProperty("change", {
      newPhone: "15550100009",
    });
  });

  test.each([
    [
      "another phone with the same number",
      { type: "customer_identity_changed", wa_id: ANN, user_id: ANN_ID },
    ],
    ["the same user id", { type: "user_changed_user_id", previous_user_id: ANN_ID, user_id: ANN_ID }],
    ["no number", { type: "user_changed_number", wa_id: "ask me", user_id: 7 }],
    ["nothing", { type: "user_changed_number" }],
    ["no type", { wa_id: "15550100009" }],
  ])("nobody is known by anything new after news of %s", (_what, system) => {
    expect(read({ type: "system", system })).not.toHaveProperty("change");
  });
});
