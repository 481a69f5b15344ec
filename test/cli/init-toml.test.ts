import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { editToml, type Change } from "../../cli/init/toml.ts";

const KEY: Change = {
  section: "kapso",
  key: "api_key_file",
  value: "/key",
  comment: "The key. [KAPSO_API_KEY]",
};
const PEOPLE: Change = { section: "security", key: "allowed_numbers", value: ["+1"], comment: "People. [X]" };
const PROVIDER: Change = { section: "", key: "provider", value: "kapso", comment: "Who. [WA_PROVIDER]" };

describe("editToml()", () => {
  test.each<readonly [string, string, readonly Change[], string]>([
    [
      "puts a key behind the last one",
      '[kapso]\nbase_url = "x"\n',
      [KEY],
      '[kapso]\nbase_url = "x"\n\n# The key. [KAPSO_API_KEY]\napi_key_file = "/key"\n',
    ],
    [
      "takes the place of a secret that stands there",
      '[kapso]\napi_key = "old" # mine\n# end\n',
      [KEY],
      '[kapso]\napi_key_file = "/key"\n# end\n',
    ],
    [
      "takes the place of the line that shows it",
      '[kapso]\n# The key\n# api_key = "…"\n',
      [KEY],
      '[kapso]\n# The key\napi_key_file = "/key"\n',
    ],
    [
      "adds a section before those that come later",
      "[log]\n",
      [KEY],
      '[kapso]\n# The key. [KAPSO_API_KEY]\napi_key_file = "/key"\n\n[log]\n',
    ],
    [
      "adds a section before its own tables",
      "[security.roles]\na = []\n",
      [PEOPLE],
      '[security]\n# People. [X]\nallowed_numbers = [ "+1" ]\n\n[security.roles]\na = []\n',
    ],
    [
      "adds a section at the end",
      '[delivery]\nmode = "polling"',
      [PEOPLE],
      '[delivery]\nmode = "polling"\n\n[security]\n# People. [X]\nallowed_numbers = [ "+1" ]\n',
    ],
    [
      "puts a key of no section below the file's own words",
      "# mine\n\n[kapso]\n",
      [PROVIDER],
      '# mine\n\n# Who. [WA_PROVIDER]\nprovider = "kapso"\n\n[kapso]\n',
    ],
    [
      "puts a key of no section above a file that begins with one",
      "[kapso]\n",
      [PROVIDER],
      '# Who. [WA_PROVIDER]\nprovider = "kapso"\n\n[kapso]\n',
    ],
  ])("%s", (_, text, changes, expected) => {
    expect(editToml(text, changes)).toBe(expected);
  });

  test.each([
    "kapso = { base_url = 'x' }",
    'kapso.base_url = "x"',
    '[kapso]\nbase_url = "x"\n[security]\nallowed_numbers = [\n  "+2",\n  "+3",\n]',
    '[security]\ndeny_message = """\n[kapso]\napi_key = 1\n"""\n[kapso]\nbase_url = "x"',
    '["kapso"]\nbase_url = "x"',
    '[kapso]\r\nbase_url = "x"\r\n[security]\r\nmode = "open"\r\n',
  ])("whatever the text looks like, its values stay and ours are set: %j", (text) => {
    const before = parse(text);
    const after = JSON.parse(JSON.stringify(parse(editToml(text, [PROVIDER, KEY, PEOPLE]))));

    expect(after).toMatchObject({ provider: "kapso", kapso: { base_url: "x", api_key_file: "/key" } });
    expect(after.security.allowed_numbers).toEqual(["+1"]);
    expect(Object.keys(after.security)).toEqual(
      expect.arrayContaining(Object.keys(before["security"] ?? {})),
    );
  });
});
