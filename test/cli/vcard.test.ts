import { expect, test } from "vitest";
import { readCards } from "../../cli/send/vcard.ts";

const card = (...lines: readonly string[]) =>
  readCards(["BEGIN:VCARD", ...lines, "END:VCARD"].join("\r\n"))[0];

test.each([
  ["a name of one word", ["FN:Ana"], { name: "Ana" }],
  ["no full name", ["N:Berg;Ana"], { name: "Ana Berg", firstName: "Ana", lastName: "Berg" }],
  ["only an organisation", ["ORG:Garden"], { name: "Garden", organisation: "Garden" }],
  [
    "version 2.1, quoted-printable over two lines",
    ["FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BC=", "rgen"],
    { name: "Jürgen" },
  ],
  [
    "version 4, an address of a telephone",
    ["FN:Ana", 'TEL;VALUE=uri;TYPE="voice,cell":tel:+43-660-1'],
    { phones: [{ phone: "+43-660-1", type: "CELL" }] },
  ],
  ["escaped signs", ["FN:Berg\\, Ana\\; Dr"], { name: "Berg, Ana; Dr" }],
  ["lines that are none", ["FN:Ana", "garbage", ":x", "TEL:"], { name: "Ana", phones: [] }],
])("readCards() of %s", (_, lines, expected) => {
  expect(card(...lines)).toMatchObject(expected);
});

test("readCards() of nobody, of text, of cards that do not end", () => {
  expect(readCards("")).toEqual([]);
  expect(readCards("hello: world")).toEqual([]);
  expect(readCards("BEGIN:VCARD\nTEL:1\nEND:VCARD")).toEqual([]);
  expect(readCards("BEGIN:VCARD\nFN:Ana\n")).toEqual([]);
  expect(readCards("\uFEFFBEGIN:VCARD\nFN:A\nEND:VCARD\nBEGIN:VCARD\nFN:B\nEND:VCARD")).toHaveLength(2);
});
