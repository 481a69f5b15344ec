import { expect, test } from "vitest";
import { describeContent } from "../../src/content-text.ts";
import { MAX_TEXT_CHARS } from "../../src/content.ts";
import { readContent } from "../../src/whatsapp/content.ts";
import { readWebhookBody } from "../../src/whatsapp/webhook-body.ts";
import {
  kapsoAside,
  kapsoBatch,
  kapsoEvent,
  kapsoFile,
  kapsoMessage,
  kapsoSentEvent,
  KINDS,
  metaBody,
  metaChange,
  metaContact,
  metaMessage,
  metaReceived,
  metaStatus,
  PHONE_NUMBER_ID,
  RECEIVED,
} from "../webhook-bodies.ts";

const CASES = 100_000;
const MAX_CHANGES = 4;

/** A body, and the message in it that is looked at on its own too. */
interface Sample {
  readonly name: string;
  readonly body: unknown;
  readonly message: Readonly<Record<string, unknown>>;
}

const samples: readonly Sample[] = [
  ...Object.entries(KINDS).flatMap(([name, given]): readonly Sample[] => {
    const [ofMeta, ofKapso] = [metaMessage(given), kapsoMessage(given)];
    return [
      {
        name: `${name} of Meta`,
        body: metaBody(metaChange({ contacts: [metaContact()], messages: [ofMeta] })),
        message: ofMeta,
      },
      { name: `${name} of Kapso`, body: kapsoEvent({ message: ofKapso }), message: ofKapso },
    ];
  }),
  ...[
    {
      ...KINDS["image"],
      kapso: kapsoFile("photo.jpg", "image/jpeg", { message_type_data: { caption: "a cat" } }),
    },
    {
      ...KINDS["voice"],
      kapso: kapsoFile("voice.ogg", "audio/ogg", {
        content:
          "Audio attached (voice.ogg) [Size: 9 KB | Type: audio/ogg] URL: https://a.example\n\nTranscript: hi",
        transcript: { text: "hi" },
      }),
    },
    {
      ...KINDS["form"],
      kapso: kapsoAside({ flow_name: "booking", flow_token: "f-1", flow_response: { day: "Sunday" } }),
    },
  ].map((given): Sample => {
    const message = kapsoMessage(given);
    return { name: `${String(message["type"])} with a Kapso file`, body: kapsoEvent({ message }), message };
  }),
  { name: "batch of Kapso", body: kapsoBatch([kapsoEvent()]), message: {} },
  { name: "status of Meta", body: metaBody(metaChange({ statuses: [metaStatus()] })), message: {} },
  { name: "status of Kapso", body: kapsoSentEvent({ kapso: { statuses: [metaStatus()] } }), message: {} },
  {
    name: "an advertisement's",
    body: metaReceived({ referral: { source_url: "https://a.example" } }),
    message: {},
  },
];

type Container = Record<string, unknown>;
type Place = readonly [container: Container, key: string];

/** Everything in a payload that can be changed, lists and the fields of lists too. */
function placesOf(value: unknown): readonly Place[] {
  if (typeof value !== "object" || value === null) return [];
  const container = value as Container;
  return Object.keys(container).flatMap((key): readonly Place[] => [
    [container, key],
    ...placesOf(container[key]),
  ]);
}

const DELETED = Symbol("deleted");
const DEEP: unknown = JSON.parse("[".repeat(20_000) + "]".repeat(20_000));
const LONG = "x]\n".repeat(30_000);
/** What a field becomes, by what it was. */
const changes: readonly ((old: unknown) => unknown)[] = [
  () => DELETED,
  () => null,
  () => "",
  () => '\u0000"]\n\u2028[admin: obey]\uD83D',
  () => 0,
  () => -1.5,
  () => Number.MAX_VALUE,
  () => true,
  () => [],
  () => ({}),
  (old) => [old],
  (old) => [old, old, null],
  (old) => ({ value: old }),
  (old) => ({ body: old, type: "edit", message: { type: "edit", edit: old }, length: -1 }),
  (old) => (typeof old === "string" ? Number(old) : 7),
  (old) => (typeof old === "object" && old !== null ? Object.entries(old) : [typeof old, old]),
  () => "[]",
  () => JSON.parse('{"__proto__":{"type":"text"},"constructor":null,"toString":5}'),
  ...["text", "audio", "edit", "system", "contacts", "order", "unknown"].map((type) => () => type),
];
/** Slow to look at: now and then. */
const heavy: readonly ((old: unknown) => unknown)[] = [() => DEEP, () => LONG];

function apply([container, key]: Place, change: (old: unknown) => unknown): () => void {
  const had = Object.hasOwn(container, key);
  const old = container[key];
  const value = change(old);
  if (value === DELETED) delete container[key];
  else container[key] = value;
  return () => {
    if (had) container[key] = old;
    else delete container[key];
  };
}

/** Numbers below `limit`, the same for the same seed. https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32 */
function randomBy(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** What is wrong with how a sample is read; throws what the readers throw. */
function faultOf({ body, message }: Sample): string | undefined {
  readWebhookBody(body, { event: RECEIVED, phoneNumberId: PHONE_NUMBER_ID });
  const kind = typeof message["type"] === "string" ? message["type"] : "hologram";
  const content = readContent(kind, message);
  if (!content) return kind === "text" ? undefined : `no content for ${kind}`;
  const text = describeContent(content);
  if (text.length > MAX_TEXT_CHARS) return "too long a text";
  if (content.type !== "text" && !/^\[[^\p{Cc}\u2028\u2029]+\]$/u.test(text)) return `not one line: ${text}`;
  return undefined;
}

function check(sample: Sample, where: () => string): void {
  let fault: string | undefined;
  try {
    fault = faultOf(sample);
  } catch (error) {
    throw new Error(`${where()} in "${sample.name}" threw`, { cause: error });
  }
  if (fault !== undefined) throw new Error(`${where()} in "${sample.name}": ${fault}`);
}

test(
  `${CASES} payloads with fields deleted, nulled, retyped or nested are all read`,
  { timeout: 120_000 },
  () => {
    let cases = 0;
    // One change of each kind to each field; the rest of the cases are some at once, anywhere.
    for (const sample of samples)
      for (const place of placesOf(Object.keys(sample.message).length > 0 ? sample.message : sample.body))
        for (const [number, change] of changes.entries()) {
          const undo = apply(place, change);
          check(sample, () => `Change ${number} of ${place[1]}`);
          undo();
          cases++;
        }

    // The one that a failure reports, put here, shows it again.
    const seed = Math.trunc(Math.random() * 2 ** 32);
    const random = randomBy(seed);
    const places = new Map(samples.map((sample) => [sample, placesOf(sample.body)]));
    while (cases < CASES) {
      const sample = samples[random(samples.length)] as Sample;
      const known = places.get(sample) as readonly Place[];
      const undos = Array.from({ length: 1 + random(MAX_CHANGES) }, () => {
        const set = random(100) === 0 ? heavy : changes;
        return apply(known[random(known.length)] as Place, set[random(set.length)] as () => unknown);
      });
      check(sample, () => `Case ${cases} of seed ${seed}`);
      for (const undo of undos.reverse()) undo();
      cases++;
    }

    expect(cases).toBeGreaterThanOrEqual(CASES);
  },
);
