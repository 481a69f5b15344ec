import { describe, expect, test } from "vitest";
import { maskNumbers, maskPerson, withoutSecrets } from "../src/mask.ts";

describe("maskNumbers()", () => {
  test.each([
    ["Cannot send to +15551234567: no", "Cannot send to +155…4567: no"],
    ["to 15551234567", "to +155…4567"],
    ['{"to":"15551234567"}', '{"to":"+155…4567"}'],
    ["call +1 (555) 123-4567 now", "call +155…4567 now"],
    ["4915112345678, 15551234567", "+49151…5678, +155…4567"],
    ["wamid.HBgLMTU1NTEyMzQ1NjcVAgARGBIA=", "wamid.…jcVAgARGBIA="],
  ])("%s", (text, masked) => {
    expect(maskNumbers(text)).toBe(masked);
  });

  test.each([
    '{"time":1763748000000,"pid":12345678901}',
    "2026-11-21T18:05:27.210Z",
    "…123456789012",
    "127.0.0.1:18790",
    "retry in 30000 ms",
    "code 131047",
    "run 0b9d7d1e-7c3f-4b1a-9f0e-123456789012",
  ])("leaves %s alone", (text) => {
    expect(maskNumbers(text)).toBe(text);
  });
});

test.each([
  ["+1 (555) 123-4567", "+155…4567"],
  ["US.13491208655302741918", "US.1349…"],
  ["0155 123 456 78", "•••• ••• •56 78"],
  ["15551234567@s.whatsapp.net", "•••••••4567@s.whatsapp.net"],
  ["Ann", "Ann"],
])("maskPerson() shows of %s how it is spelled", (text, masked) => {
  expect(maskPerson(text)).toBe(masked);
});

test("withoutSecrets() takes out each, wherever it stands; what is too short to be one stays", () => {
  expect(withoutSecrets("Bearer sk-4711-x, again sk-4711-x, ab", ["sk-4711-x", "ab"])).toBe(
    "Bearer •••, again •••, ab",
  );
});
