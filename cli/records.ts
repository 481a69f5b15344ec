import { loadConfig, type Config } from "../src/config/config.ts";
import { maskNumbers } from "../src/mask.ts";
import { maskContact, maskWamid } from "../src/message.ts";
import { cleanName, cleanUsername } from "../src/profile.ts";
import { Store } from "../src/store/store.ts";
import { CommandError, EXIT } from "./exit-code.ts";
import type { Io } from "./io.ts";

/** Options of every command that looks at what is stored. */
export interface LookOptions {
  readonly config?: string;
  readonly json?: boolean;
  /** Numbers and ids whole. */
  readonly reveal?: boolean;
}

/** The store of the configured state folder. */
export function openStore(
  io: Io,
  { config: file }: LookOptions,
): { readonly config: Config; readonly store: Store } & Disposable {
  const config = loadConfig({ env: io.env, file });
  const store = Store.open(config.state.dir);
  return { config, store, [Symbol.dispose]: () => store[Symbol.dispose]() };
}

/** How people and messages are written: what is shown may end in a bug report. */
export function shown({ reveal }: LookOptions) {
  // People choose what they are called, and may choose a number.
  const chosen = (name = "") => (name === "" ? undefined : reveal ? name : maskNumbers(name));
  return {
    contact: (id: string) => (reveal ? whole(id) : maskContact(id)),
    name: (name: string | null) => chosen(cleanName(name ?? "")),
    username: (username: string | null) => chosen(cleanUsername(username ?? "")),
    wamid: (wamid: string) => (reveal ? wamid : maskWamid(wamid)),
    note: reveal ? [] : ["→ --reveal shows numbers and ids whole"],
  };
}

/** The end of an id as it was copied from a log or from here: `…C0FFEE`. */
export function endOf(id: string): string {
  const end = id.trim().replace(/^(…|\.{3})/, "");
  if (end.length < MIN_END)
    throw new CommandError(EXIT.usage, `"${id}" is too short for an id of a message`, {
      hint: `give at least its last ${MIN_END} characters, or #12 for a row of wa-cli outbox`,
    });
  return end;
}

export function unknownMessage(id: string): CommandError {
  return new CommandError(EXIT.failed, `No message with the id "${id}" is stored`, {
    hint: "list them: wa-cli messages, or wa-cli outbox --all; they are kept for 8 days",
  });
}

export function iso(at: number): string;
export function iso(at: number | null | undefined): string | undefined;
export function iso(at: number | null | undefined): string | undefined {
  return at === null || at === undefined ? undefined : new Date(at).toISOString();
}

/** How far a message of ours is, in one word. */
export function standOf({
  state,
  status,
}: {
  readonly state: string;
  readonly status?: string | null | undefined;
}): string {
  return state === "accepted" ? (status ?? state) : state;
}

const MIN_END = 6;

function whole(id: string): string {
  const [digits = ""] = id.split("~");
  return /^\d+$/.test(digits) ? `+${digits}` : id;
}
