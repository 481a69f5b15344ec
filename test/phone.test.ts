import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSamePerson, maskContact, parseIdentity } from "../src/message.ts";
import { isBsuid, isSamePhone, parsePhone } from "../src/phone.ts";

describe("parsePhone()", () => {
  test.each([
    ["+15551234567", "15551234567"],
    ["15551234567", "15551234567"],
    ["0015551234567", "15551234567"],
    ["+1 (555) 123-4567", "15551234567"],
    ["+1.555.123.4567", "15551234567"],
    ["  +1 555 123 4567\n", "15551234567"],
    ["+1\u00A0555\u00A0123\u00A04567", "15551234567"],
    ["+1\u2011555\u2011123\u20134567", "15551234567"],
    ["00 49 151 23456789", "4915123456789"],
    ["+ 49 151 23456789", "4915123456789"],
    ["+2901234", "2901234"],
    ["+234567890123456", "234567890123456"],
    ["+1.5551234567", "15551234567"],
    ["1 (555) 123-4567", "15551234567"],
    ["1-555-123-4567", "15551234567"],
    ["+33.6.12.34.56.00", "33612345600"],
    ["+49 89 12345-0", "4989123450"],
    ["+39 06 1234 5678", "390612345678"],
    ["+55 11 98765-4321", "5511987654321"],
    ["+91 9876543210", "919876543210"],
    ["5215512345678", "5215512345678"],
    ["+1\u202F555\u202F1234567", "15551234567"],
  ])("reads %j", (text, digits) => {
    expect(parsePhone(text)).toBe(digits);
  });

  test.each([
    [""],
    [" "],
    ["+"],
    ["00"],
    ["hello"],
    ["--message"],
    ["05551234567"],
    ["+05551234567"],
    ["++15551234567"],
    ["1+5551234567"],
    ["+123456"],
    ["+1234567890123456"],
    ["+1555123456x"],
    ["+1 555 123 4567 ext 5"],
    ["+1555123,+1555124"],
    ["US.13491208655302741918"],
    ["@username"],
    ["1e10"],
    ["1.5551234567e10"],
    ["١٥٥٥١٢٣٤٥٦٧"],
    ["+1555123\u00004567"],
    ["15551234567.0"],
    ["15551234567.00"],
    ["+15551234567.0"],
    ["4915112345678.0"],
    ["4915112345678.00"],
    ["491511234567.5"],
    ["4 915 112 345 678.0"],
    ["1.5551234567E+10"],
    ["1.5551234567"],
    ["15551234567,00"],
    ["-15551234567"],
    ["+15551234567\n99"],
    ["+1 555 123\n4567"],
    ["+1\t555\t1234567"],
    ["+15551234567 99"],
    ["+1 555 123 4567 99"],
    ["+4915112345678 99"],
    ["+15551234567x99"],
    ["+15551234567;99"],
    ["+15551234567 ext. 9"],
    ["+15551234567/8"],
    ["+4512345678 4512345679"],
    ["+15551234567 +1"],
    ["+1555123456"],
    ["+155512345678"],
    ["+10551234567"],
    ["11 98765-4321"],
    ["11987654321"],
    ["138 1234 5678"],
    ["+49 (0)151 23456789"],
    ["+49 (0) 151 23456789"],
    ["+0015551234567"],
    ["00+15551234567"],
    ["tel:+15551234567"],
    ["\u202A+15551234567\u202C"],
    ["+1555123456\uFF17"],
  ])("refuses %j", (text) => {
    expect(parsePhone(text)).toBeUndefined();
  });

  test("gives the digits of the text behind + or 00, all of them and no other, or nothing", () => {
    const numberLike = fc.string({
      unit: fc.constantFrom(...Array.from("+0011234567899 ()-.,/x\n\t\u00A0\u2011")),
      maxLength: 24,
    });
    const near = fc
      .tuple(number(), fc.constantFrom("", "+", "00"), fc.string({ unit: "grapheme-ascii", maxLength: 4 }))
      .map(([digits, before, behind]) => before + digits + behind);

    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), numberLike, near), (text) => {
        const digits = parsePhone(text);
        if (digits === undefined) return;
        expect(digits).toMatch(/^[1-9]\d{6,14}$/);
        expect(digits).toBe(
          text
            .trim()
            .replace(/^(\+|00)/, "")
            .replace(/\D/g, ""),
        );
        expect(parsePhone(digits)).toBe(digits);
        expect(parsePhone(`+${digits}`)).toBe(digits);
      }),
      { numRuns: 2000 },
    );
  });

  test("a number with anything but a space behind it is no other number", () => {
    const more = fc.string({
      unit: fc.constantFrom(...Array.from("0123456789 .,;:/+-x#\n\t")),
      minLength: 2,
    });

    fc.assert(
      fc.property(more, (behind) => {
        fc.pre(/^\D/.test(behind));
        expect([undefined, "15551234567"]).toContain(parsePhone(`+15551234567${behind}`));
      }),
    );
  });

  test("finds the same digits in every spelling by groups", () => {
    const groups = fc.array(fc.stringMatching(/^\d{2,4}$/), { minLength: 2, maxLength: 3 });
    const between = fc.constantFrom(" ", "-", "\u00A0", "\u2011", ") ", " - ");

    fc.assert(
      fc.property(
        fc.constantFrom("+", "00", " +", "+ "),
        fc.constantFrom("33", "49", "290"),
        groups,
        between,
        (before, country, rest, separator) => {
          const digits = country + rest.join("");
          fc.pre(digits.length >= 7);
          expect(parsePhone(before + [country, ...rest].join(separator))).toBe(digits);
        },
      ),
    );
  });
});

/** Digits of one that there can be. */
function number() {
  return fc.stringMatching(/^([2-9]\d{6,14}|1[2-9]\d{9})$/);
}

describe("isSamePhone()", () => {
  test.each([
    ["5511912345678", "551112345678", true],
    ["5215512345678", "525512345678", true],
    ["5491112345678", "541112345678", true],
    ["15551234567", "15551234567", true],
    ["15551234567", "15151234567", false],
    ["4915112345678", "15112345678", false],
  ])("%s and %s: %s", (a, b, expected) => {
    expect(isSamePhone(a, b)).toBe(expected);
  });
});

test.each(["(555) 123-4567", "555-123-4567", "555 123 4567"])(
  "parsePhone() refuses the national %j",
  (text) => {
    expect(parsePhone(text)).toBeUndefined();
  },
);

describe("isBsuid()", () => {
  test.each([
    ["US.13491208655302741918"],
    ["US.ENT.506847293015824"],
    ["GB.1"],
    ["DE.aZ09"],
    [`BR.${"9".repeat(128)}`],
  ])("knows %j", (text) => {
    expect(isBsuid(text)).toBe(true);
  });

  test.each([
    [""],
    ["US."],
    ["US.ENT."],
    ["us.1349"],
    ["USA.1349"],
    ["U.1349"],
    ["US1349"],
    ["US.13-49"],
    ["US.13 49"],
    ["US.1349\n"],
    [" US.1349"],
    ["foo_bar"],
    ["US.ENT.ENT.1"],
    [`BR.${"9".repeat(129)}`],
    ["15551234567"],
  ])("does not take %j for one", (text) => {
    expect(isBsuid(text)).toBe(false);
  });

  test("nothing is both a phone number and a BSUID", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from("USENT.+0123456789 ")) }), (text) => {
        expect(isBsuid(text) && parsePhone(text) !== undefined).toBe(false);
      }),
    );
  });
});

describe("maskContact()", () => {
  test.each([
    ["15551234567", "+155…4567"],
    ["123456789012345", "+1234567…2345"],
    ["12345678", "+…5678"],
    ["1234567", "+…"],
    ["1", "+…"],
    ["US.13491208655302741918", "US.1349…"],
    ["US.ENT.506847293015824", "US.ENT.…"],
  ])("shows %j as %j", (id, shown) => {
    expect(maskContact(id)).toBe(shown);
  });

  test("hides at least four digits of a number, and all of a short one", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[1-9]\d{6,14}$/), (number) => {
        const shown = maskContact(number).replace(/\D/g, "");
        expect(number.length - shown.length).toBeGreaterThanOrEqual(4);
      }),
    );
  });
});

describe("parseIdentity()", () => {
  test.each([
    ["+1 (555) 123-4567", { phone: "15551234567" }],
    ["US.13491208655302741918", { bsuid: "US.13491208655302741918" }],
    ["Ann", undefined],
    ["", undefined],
  ])("%j", (text, expected) => {
    expect(parseIdentity(text)).toEqual(expected);
  });
});

describe("isSamePerson()", () => {
  const ann = { phone: "5511987654321", bsuid: "BR.1" };

  test.each([
    ["another spelling of the number", { phone: "551187654321" }, true],
    ["the user id alone", { bsuid: "BR.1" }, true],
    ["the user id with another number: it is theirs for good", { phone: "15551234567", bsuid: "BR.1" }, true],
    ["the number with another user id", { phone: "5511987654321", bsuid: "BR.2" }, true],
    ["another number", { phone: "15551234567" }, false],
    ["another user id", { bsuid: "BR.2" }, false],
    ["nobody", {}, false],
  ])("%s", (_what, other, expected) => {
    expect(isSamePerson(ann, other)).toBe(expected);
    expect(isSamePerson(other, ann)).toBe(expected);
  });

  test("nobody is nobody's same", () => {
    expect(isSamePerson({}, {})).toBe(false);
  });
});
