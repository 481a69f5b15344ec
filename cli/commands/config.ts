import { configFile, explainConfig, type Explained } from "../../src/config/explain.ts";
import { maskNumbers } from "../../src/mask.ts";
import { maskContact } from "../../src/message.ts";
import { isBsuid, parsePhone } from "../../src/phone.ts";
import { showUrl } from "../../src/url.ts";
import { paint, print, type Io } from "../io.ts";
import type { LookOptions } from "../records.ts";

const MASK = "•••";
const USUAL = "~/.config/wa-relay/config.toml";

/** Every key with its value now and where that comes from. Secrets are never shown. */
export async function show(io: Io, options: LookOptions & { readonly all?: boolean }): Promise<void> {
  const { config, settings } = explainConfig({ env: io.env, file: options.config });
  const rows = settings.map((setting) => describe(setting, config.file, options.reveal === true));
  const color = paint(io);
  const chosen = rows.filter(({ origin }) => options.all === true || origin !== "default");
  const width = Math.max(0, ...chosen.map(({ key }) => key.length));
  const lines = chosen.map(
    ({ key, value, origin }) => `${key.padEnd(width)}  ${text(value)}  ${color(`(${origin})`, "dim")}`,
  );
  const left = rows.length - chosen.length;
  const head = `file  ${config.file ?? `none; it would be ${USUAL}`}`;
  const more = left === 0 ? [] : [`${left} keys have their default: wa-cli config --all shows them`];
  print(
    io,
    { json: { file: config.file ?? null, settings: rows }, text: [head, ...lines, ...more] },
    options.json,
  );
}

/** The file that is read; works also while what is in it can not be used. */
export async function path(io: Io, options: LookOptions): Promise<void> {
  const file = configFile({ env: io.env, file: options.config });
  print(
    io,
    { json: { file: file ?? null }, text: file ?? `There is no file; it would be ${USUAL}` },
    options.json,
  );
}

function describe(
  { key, value, secret, origin, about }: Explained,
  file: string | undefined,
  reveal: boolean,
) {
  const isSet = value !== undefined && !(Array.isArray(value) && value.length === 0);
  return {
    key,
    value: secret ? (isSet ? MASK : null) : (masked(value, reveal) ?? null),
    secret,
    origin: describeOrigin(origin, file),
    about,
  };
}

function describeOrigin(origin: Explained["origin"], file: string | undefined): string {
  switch (origin.kind) {
    case "environment":
      return `environment ${origin.name}`;
    case "file":
      return origin.line === undefined ? `${file}, ${origin.key}` : `${file}:${origin.line}`;
    case "default":
      return "default";
  }
}

/** People's numbers stand in lists and tables, and an address may have a password in it. */
function masked(value: unknown, reveal: boolean): unknown {
  if (Array.isArray(value)) return value.map((each: unknown) => masked(each, reveal));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, masked(each, reveal)]));
  if (typeof value !== "string") return value;
  if (/^(https?|wss?):\/\//.test(value) && URL.canParse(value)) return showUrl(value);
  if (reveal) return value;
  const person = isBsuid(value) ? value : /^[+\d\s().-]+$/.test(value) ? parsePhone(value) : undefined;
  return person === undefined ? maskNumbers(value) : maskContact(person);
}

function text(value: unknown): string {
  return value === null ? "not set" : value === MASK ? MASK : JSON.stringify(value);
}
