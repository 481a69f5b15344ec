import { parseDuration } from "../../src/config/duration.ts";
import { parseIdentity, type Identity } from "../../src/message.ts";
import { kindOf } from "../../src/outgoing.ts";
import type { Message, SqliteRecords } from "../../src/store/records.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { paint, print, type Io } from "../io.ts";
import { iso, openStore, shown, standOf, type LookOptions } from "../records.ts";

interface Options extends LookOptions {
  /** A number or a BSUID. */
  readonly with?: string;
  readonly search?: string;
  /** A duration such as `2d`, or a date. */
  readonly since?: string;
  readonly limit: number;
}

/** What is stored of conversations, texts included, oldest first. */
export async function messages(io: Io, options: Options): Promise<void> {
  const since = options.since === undefined ? undefined : parseSince(options.since);
  const person = options.with === undefined ? undefined : parsePerson(options.with);
  using opened = openStore(io, options);
  const { records } = opened.store;
  const contact = person && findContact(records, person);
  const found = records.messages({ contact, since, search: options.search, limit: options.limit });
  const rows = found.map((message) => describe(message, options));
  const color = paint(io);
  const lines = rows.flatMap(({ at, with: who, name, from, text, id, state, kind, textDeleted }) => {
    const whose = from === "us" ? `to ${who}` : `${who}${name === undefined ? "" : ` (${name})`}`;
    const said = textDeleted ? color("(text deleted after state.keep_text)", "dim") : `${text}`;
    const what = kind === "text" ? "" : `[${kind}] `;
    const body = (what + said).split(/\r?\n/).map((line) => `  ${line}`);
    return [`${color(at, "dim")}  ${whose}, ${state}, ${id}`, ...body];
  });
  const cut = rows.length === options.limit ? [`The newest ${options.limit}; more with --limit`] : [];
  const text = lines.length === 0 ? "No message is stored that fits" : [...lines, ...cut];
  print(io, { json: rows, text }, options.json);
}

function describe(message: Message, options: Options) {
  const show = shown(options);
  const { at, row } = message;
  const common = {
    at: iso(at),
    with: show.contact(row.contact),
    quotes: row.quotes === null ? undefined : show.wamid(row.quotes),
  };
  if (message.from === "person") {
    const { wamid, name, kind, text, state } = message.row;
    const textDeleted = text === "";
    return {
      ...common,
      from: "person",
      id: show.wamid(wamid),
      name: show.name(name),
      kind,
      text: textDeleted ? null : text,
      textDeleted,
      state,
    };
  }
  const { id, wamid, media, text } = message.row;
  const textDeleted = text === "" && media === undefined;
  return {
    ...common,
    from: "us",
    id: wamid === null ? `#${id}` : show.wamid(wamid),
    name: undefined,
    kind: kindOf(message.row),
    text: textDeleted ? null : text,
    textDeleted,
    state: standOf(message.row),
  };
}

function parseSince(value: string): number {
  const ago = parseDuration(value);
  const at = ago === undefined ? Date.parse(value) : Date.now() - ago;
  if (Number.isFinite(at)) return at;
  throw new CommandError(EXIT.usage, `"${value}" is neither a duration nor a date`, {
    hint: "such as --since 2d, --since 90m or --since 2026-11-20",
  });
}

function parsePerson(value: string): Identity {
  const person = parseIdentity(value);
  if (person) return person;
  throw new CommandError(EXIT.usage, `"${value}" is neither an international number nor a BSUID`, {
    hint: "write the number with its country code, such as +15551234567",
  });
}

function findContact(records: SqliteRecords, person: Identity): string {
  const contact = records.contactOf(person);
  if (contact !== undefined) return contact;
  throw new CommandError(EXIT.failed, "This person is not known here", {
    hint: "wa-cli contacts lists who is",
  });
}
