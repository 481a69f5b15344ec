import { execFileSync } from "node:child_process";
import { chmodSync, statSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { plistText } from "../../src/service/plist.ts";
import { unitText } from "../../src/service/unit.ts";
import { isThere, NixHome, PLACES } from "./home.ts";

type Keys = Readonly<Record<string, unknown>>;

const CONFIG =
  '{ services.wa-relay = { enable = true; secrets.apiKeyFile = "/run/secrets/kapso"; settings.kapso.phone_number_id = "1"; }; }';
const LAUNCH = { command: ["/opt/wa-poller"], env: {} };

describe.skipIf(!isThere("nix-instantiate")).each(PLACES)("the module in $where", ({ real }) => {
  const home = new NixHome(real);
  afterAll(() => home[Symbol.dispose]());

  test("makes the unit that wa-poller service install writes", async () => {
    const { unit } = await home.evaluate(CONFIG);
    const text = unitText(LAUNCH, { version: 254, canNotify: true });
    const own = {
      Unit: [
        // There nothing brings secrets while the session starts.
        "After",
      ],
      Service: [
        // Paths, secrets, and what nixpkgs brings.
        "Environment",
        "ExecStart",
        "LoadCredential",
        // Whoever evaluates does not know which systemd will run it, and one before 254 complains of them.
        "RestartSteps",
        "RestartMaxDelaySec",
      ],
    };

    const installed = readUnit(text);

    expect(unit?.Install).toEqual({ WantedBy: ["default.target"] });
    expect(installed["Install"]).toEqual({ WantedBy: "default.target" });
    expect(without(own.Unit, unit?.Unit)).toEqual(without(own.Unit, installed["Unit"]));
    expect(without(own.Service, unit?.Service)).toEqual(without(own.Service, installed["Service"]));
  });

  test("makes the agent that wa-poller service install writes", async () => {
    const { agent } = await home.evaluate(CONFIG, "aarch64-darwin");
    const installed = readPlist(plistText(LAUNCH, "/Users/ana"));
    const own = [
      // home-manager puts its name before it.
      "Label",
      // Paths and secrets.
      "ProgramArguments",
      "EnvironmentVariables",
    ];

    expect(without(own, agent)).toEqual(without(own, installed));
    expect(agent?.EnvironmentVariables["WA_SERVICE"]).toBe("launchd");
  });

  test("what the agent says at its start is closed to others", async () => {
    const { agent, activation } = await home.evaluate(CONFIG, "aarch64-darwin");
    const inside = (text: unknown) => String(text).replaceAll("/Users/ana", home.store);
    const errors = inside(agent?.StandardErrorPath);
    const activate = () => execFileSync("sh", ["-ec", `run() { "$@"; }\n${inside(activation)}`]);

    activate();
    expect(statSync(errors).mode & 0o777).toBe(0o600);
    chmodSync(errors, 0o644);
    writeFileSync(errors, "said before");
    activate();
    expect(statSync(errors)).toMatchObject({ mode: 0o100600, size: "said before".length });
    expect((await home.evaluate(CONFIG)).activation).toBe(null);
  });
});

/** As they stand in a unit or plist: true is "true", 2 is "2", and what is null or an empty list does not. */
function without(names: readonly string[], keys: object | null = {}): Keys {
  const kept = Object.entries(keys ?? {}).filter(([key, value]) => !names.includes(key) && !isNothing(value));
  return Object.fromEntries(kept.map(([key, value]) => [key, plain(value)]));
}

function isNothing(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 0);
}

function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null ? without([], value) : String(value);
}

function readUnit(text: string): Readonly<Record<string, Keys>> {
  const sections = pairs<string>(text.split(/^\[(\w+)\]$/m).slice(1));
  return Object.fromEntries(sections.map(([name, lines]) => [name, Object.fromEntries(keysOf(lines))]));
}

function keysOf(lines: string): ReadonlyArray<readonly [string, string]> {
  return [...lines.matchAll(/^(\w+)=(.*)$/gm)].map(([, key = "", value = ""]) => [key, value]);
}

function readPlist(text: string): object {
  const inside = text.slice(text.indexOf("<dict>")).replaceAll(/<!--.*?-->/g, "");
  const tokens = inside.matchAll(/<(key|string|integer)>(.*?)<\/\1>|<(\/?dict|\/?array|true|false)\/?>/g);
  return Object(readValue(tokens));
}

/** Undefined at the end of a list. */
function readValue(tokens: Iterator<RegExpExecArray, undefined>): unknown {
  const [, , text, tag] = tokens.next().value ?? [];
  if (tag !== "dict" && tag !== "array") return text ?? (tag?.startsWith("/") ? undefined : tag);
  const items: unknown[] = [];
  for (let item = readValue(tokens); item !== undefined; item = readValue(tokens)) items.push(item);
  return tag === "array" ? items : Object.fromEntries(pairs(items));
}

function pairs<T>(list: readonly T[]): ReadonlyArray<readonly [T, T]> {
  return list.flatMap((key, index) => (index % 2 === 0 ? [[key, list[index + 1] ?? key]] : []));
}
