import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeContent } from "../../src/content-text.ts";
import { readWebhookBody, type WebhookBody } from "../../src/whatsapp/webhook-body.ts";
import {
  ANN,
  ANN_ID,
  kapsoAside,
  kapsoBatch,
  kapsoConversation,
  kapsoEvent,
  kapsoMessage,
  kapsoSentEvent,
  metaBody,
  metaChange,
  metaContact,
  metaMessage,
  metaReceived,
  metaStatus,
  OURS,
  PHONE_NUMBER_ID,
  RECEIVED,
  SENT_AT_MS,
} from "../webhook-bodies.ts";

const BOB = "15550100002";
const BOB_ID = "GB.9900";
const OTHER_NUMBER = "200";
const NOTHING = { messages: [], statuses: [], malformed: [] };
const STATES = ["sent", "delivered", "read", "played", "failed"] as const;

const read = (body: unknown, event?: string) =>
  readWebhookBody(body, { event, phoneNumberId: PHONE_NUMBER_ID });
const readEvent = (given: object, event = RECEIVED) => read(kapsoEvent({ ...given }), event);
const wamids = ({ messages }: WebhookBody) => messages.map(({ wamid }) => wamid);
const states = ({ statuses }: WebhookBody) => statuses.map(({ wamid, status }) => `${wamid} ${status}`);

type Place = readonly (string | number)[];

interface Shape {
  readonly body: unknown;
  /** What is changed. */
  readonly victims: readonly Place[];
  /** The ids of what stands beside. */
  readonly messages: readonly string[];
  readonly statuses: readonly string[];
}

const message = (id: string) => kapsoEvent({ message: kapsoMessage({ id }) });
const change = ["entry", 1, "changes", 1] as const;
const SHAPES: Readonly<Record<string, Shape>> = {
  "an event": {
    body: message("wamid.A"),
    victims: [
      ["conversation"],
      ["is_new_conversation"],
      ["message", "context"],
      ["message", "kapso", "origin"],
    ],
    messages: ["wamid.A"],
    statuses: [],
  },
  "an event on a message of ours": {
    body: kapsoSentEvent({
      id: "wamid.ours",
      kapso: {
        statuses: [metaStatus({ errors: [{ code: 1, error_data: {} }] }), metaStatus({ id: "status.A" })],
      },
    }),
    victims: [["message", "kapso", "statuses", 0], ["message", "text"], ["message", "to"], ["conversation"]],
    messages: [],
    statuses: ["status.A"],
  },
  "a batch": {
    body: kapsoBatch([
      message("wamid.victim"),
      message("wamid.A"),
      kapsoSentEvent({ id: "wamid.ours" }),
      message("wamid.B"),
      kapsoSentEvent({ id: "status.A" }),
    ]),
    victims: [["data", 0], ["data", 2], ["batch_info"]],
    messages: ["wamid.A", "wamid.B"],
    statuses: ["status.A"],
  },
  "Meta's body": {
    body: {
      object: "whatsapp_business_account",
      entry: [
        { id: "900", changes: [metaChange({ messages: [metaMessage()], statuses: [metaStatus()] })] },
        {
          id: "901",
          changes: [
            metaChange({ contacts: [metaContact()], messages: [metaMessage()] }),
            metaChange({
              contacts: [metaContact({ wa_id: BOB, user_id: BOB_ID }), metaContact()],
              messages: [
                metaMessage({ from: BOB, from_user_id: BOB_ID }),
                metaMessage({ id: "wamid.A" }),
                metaMessage({ type: "image", image: { id: "1", caption: "cat" } }),
                metaMessage({ id: "wamid.B" }),
              ],
              statuses: [
                metaStatus({ status: "failed", errors: [{ code: 131047, error_data: { details: "D" } }] }),
                metaStatus({ id: "status.A" }),
              ],
            }),
            metaChange({ messages: [metaMessage({ id: "wamid.C" })] }),
          ],
        },
      ],
    },
    victims: [
      ["object"],
      ["entry", 0],
      ["entry", 1, "id"],
      ["entry", 1, "changes", 0],
      [...change, "value", "contacts"],
      [...change, "value", "messages", 0],
      [...change, "value", "messages", 2],
      [...change, "value", "statuses", 0],
    ],
    messages: ["wamid.A", "wamid.B", "wamid.C"],
    statuses: ["status.A"],
  },
};
const shapes = Object.entries(SHAPES);
const EVENTS = [undefined, "", RECEIVED, "whatsapp.message.failed", "x".repeat(1000), "."];

const GONE = Symbol("no such key");
const ODD: readonly unknown[] = [
  GONE,
  null,
  "",
  "x",
  "-1",
  "\u0000\uD800",
  0,
  -1,
  1e308,
  true,
  false,
  [],
  {},
  [null],
  [[]],
  [{}],
  { "": null },
  { length: 1 },
  { toString: "x", constructor: null, length: -1 },
];

/** Some places, by number, and what is put there. */
const changes = fc.array(
  fc.tuple(fc.nat(), fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ODD) }, fc.jsonValue())),
  { minLength: 1, maxLength: 4 },
);

/** Every place in `value`, its own included. */
function placesOf(value: unknown, at: Place = []): Place[] {
  const here = at.reduce<unknown>(
    (value, key) => childrenOf(value).find(([name]) => name === key)?.[1],
    value,
  );
  return [at, ...childrenOf(here).flatMap(([key]) => placesOf(value, [...at, key]))];
}

function childrenOf(value: unknown): [string | number, unknown][] {
  if (typeof value !== "object" || value === null) return [];
  return Array.isArray(value) ? [...value.entries()] : Object.entries(value);
}

/** A copy with something else at that place; where there is no such place any more, it stays as it is. */
function put(body: unknown, [key, ...rest]: Place, value: unknown): unknown {
  if (key === undefined) return value === GONE ? undefined : value;
  const isHere = childrenOf(body).some(([name]) => name === key);
  if (!isHere || typeof body !== "object" || body === null) return body;
  if (Array.isArray(body)) return body.map((item, index) => (index === key ? put(item, rest, value) : item));
  return Object.fromEntries(
    Object.entries(body).flatMap(([name, item]) => {
      if (name !== key) return [[name, item]];
      return rest.length === 0 && value === GONE ? [] : [[name, put(item, rest, value)]];
    }),
  );
}

function changed(
  body: unknown,
  places: readonly Place[],
  list: readonly (readonly [number, unknown])[],
): unknown {
  return list.reduce<unknown>(
    (body, [place, value]) => put(body, places[place % places.length] ?? [], value),
    body,
  );
}

describe("readWebhookBody() of one Kapso event", () => {
  test("reads a message whole", () => {
    const message = kapsoMessage({ id: "wamid.A", from: ANN, text: { body: "two\nlines" } });

    expect(readEvent({ message })).toEqual({
      messages: [
        {
          wamid: "wamid.A",
          phoneNumberId: PHONE_NUMBER_ID,
          from: { phone: ANN },
          name: "Ann",
          content: { type: "text", text: "two\nlines" },
          sentAt: SENT_AT_MS,
        },
      ],
      statuses: [],
      malformed: [],
      ignored: [],
    });
  });

  test.each([
    ["the message", {}, {}, { phone: ANN }],
    ["the conversation alone", { from: undefined }, {}, { phone: ANN }],
    ["the conversation, beside null", { from: null }, {}, { phone: ANN }],
    ["the conversation, beside nothing", { from: "" }, {}, { phone: ANN }],
    [
      "kapso.phone_number alone",
      { from: undefined, kapso: kapsoAside({ phone_number: `+${BOB}` }) },
      { phone_number: null },
      { phone: BOB },
    ],
    ["a user id alone", { from: undefined, from_user_id: ANN_ID }, { phone_number: null }, { bsuid: ANN_ID }],
    [
      "a user id in the conversation alone",
      { from: undefined },
      { phone_number: null, business_scoped_user_id: ANN_ID },
      { bsuid: ANN_ID },
    ],
    ["a user id in the number's field", { from: ANN_ID }, { phone_number: null }, { bsuid: ANN_ID }],
    ["number and user id", { from_user_id: ANN_ID }, {}, { phone: ANN, bsuid: ANN_ID }],
    [
      "a user id here and a number there",
      { from: undefined, from_user_id: ANN_ID },
      {},
      { phone: ANN, bsuid: ANN_ID },
    ],
  ])("knows the sender from %s", (_what, message, conversation, from) => {
    const delivered = readEvent({
      message: kapsoMessage(message),
      conversation: kapsoConversation(conversation),
    });

    expect(delivered.messages).toMatchObject([{ from }]);
    expect(delivered.messages[0]?.from).toEqual(from);
  });

  test("needs no conversation when the message names its sender", () => {
    expect(readEvent({ conversation: null }).messages).toMatchObject([{ from: { phone: ANN } }]);
  });

  test("quarantines a message of nobody", () => {
    const delivered = readEvent({ message: kapsoMessage({ from: undefined }), conversation: null });

    expect(delivered).toMatchObject({
      messages: [],
      malformed: [{ reason: expect.stringContaining("from") }],
    });
  });

  test.each([
    ["conversation.kapso", { kapso: { contact_name: "Ann" } }, {}],
    ["conversation", { kapso: undefined, contact_name: "Ann" }, {}],
    ["message.kapso", { kapso: undefined }, { contact_name: "Ann" }],
    ["the first of the three", { contact_name: "Bob" }, { contact_name: "Eve" }],
  ])("finds the name in %s", (_what, conversation, aside) => {
    const delivered = readEvent({
      message: kapsoMessage({ kapso: kapsoAside(aside) }),
      conversation: kapsoConversation(conversation),
    });

    expect(delivered.messages).toMatchObject([{ name: "Ann" }]);
  });

  test("an empty name is no name: the next place is asked", () => {
    const conversation = kapsoConversation({ kapso: { contact_name: "" }, contact_name: "Ann" });

    expect(readEvent({ conversation }).messages).toMatchObject([{ name: "Ann" }]);
  });

  test("a person without any name has none", () => {
    const { messages } = readEvent({ conversation: kapsoConversation({ kapso: undefined }) });

    expect(messages).toHaveLength(1);
    expect(messages[0]).not.toHaveProperty("name");
  });

  test.each([
    ["its name in the header", RECEIVED],
    ["no name at all", undefined],
    ["an unknown name", "whatsapp.message.invented"],
    ["the name of an event on our messages", "whatsapp.message.sent"],
  ])("takes a message that says it is inbound, with %s", (_what, event) => {
    expect(wamids(read(kapsoEvent({ message: kapsoMessage({ id: "wamid.A" }) }), event))).toEqual([
      "wamid.A",
    ]);
  });

  test("without a direction, the header's event tells", () => {
    const body = kapsoEvent({ message: kapsoMessage({ id: "wamid.A", kapso: null }) });

    expect(wamids(read(body, RECEIVED))).toEqual(["wamid.A"]);
    expect(read(body, "whatsapp.message.delivered")).toMatchObject({
      messages: [],
      statuses: [{ wamid: "wamid.A", status: "delivered" }],
    });
  });

  test("without a direction and an event, a sender makes it inbound and a recipient ours", () => {
    expect(wamids(read(kapsoEvent({ message: kapsoMessage({ id: "wamid.A", kapso: null }) })))).toEqual([
      "wamid.A",
    ]);
    expect(
      read(kapsoEvent({ message: kapsoMessage({ from: undefined, to: ANN, kapso: null }) })),
    ).toMatchObject(NOTHING);
  });

  test.each([
    ["a state", {}],
    ["no state", { kapso: { status: undefined, statuses: undefined } }],
    ["statuses", { kapso: { statuses: [metaStatus()] } }],
    ["a sender that is not us", { from: ANN }],
    ["history's origin", { kapso: { origin: "history_sync" } }],
    ["the app's origin", { kapso: { origin: "business_app" } }],
  ])("never takes our message for a person's, whatever the unsigned header says: with %s", (_what, given) => {
    for (const event of [RECEIVED, undefined, "", "x", "whatsapp.message.sent", "whatsapp.message.failed"])
      expect(read(kapsoSentEvent(given), event)).toMatchObject({ messages: [], malformed: [] });
  });

  test("never takes our message for a person's when its statuses tell whose it is", () => {
    const message = kapsoMessage({
      from: undefined,
      to: ANN,
      kapso: { statuses: [metaStatus({ id: "wamid.A", status: "sent" })] },
    });

    const delivered = readEvent({ message });

    expect(delivered.messages).toEqual([]);
    expect(states(delivered)).toEqual(["wamid.A sent"]);
  });

  test("never takes our message for a person's when only its recipient tells whose it is", () => {
    const message = kapsoMessage({ from: undefined, to: ANN, kapso: { statuses: [] } });

    expect(readEvent({ message }).messages).toEqual([]);
  });

  test.each([
    ["the app of the same number", { kapso: kapsoAside({ origin: "business_app" }) }, undefined],
    ["the API", { kapso: kapsoAside({ origin: "cloud_api" }) }, undefined],
    ["the history", { kapso: kapsoAside({ origin: "history_sync" }) }, "history"],
    ["a group", { group_id: "G1" }, "group"],
  ])("tells whether a message from %s starts a turn", (_what, given, passive) => {
    const { messages } = readEvent({ message: kapsoMessage(given) });

    expect(messages).toHaveLength(1);
    expect(messages[0]?.passive).toBe(passive);
  });

  test.each([[{ is_group: true }], [{ type: "group" }]])(
    "a message of a group's conversation starts no turn: %j",
    (given) => {
      const { messages } = readEvent({ conversation: kapsoConversation(given) });

      expect(messages).toMatchObject([{ passive: "group" }]);
    },
  );

  test.each([
    ["at the top", { phone_number_id: OTHER_NUMBER }],
    [
      "in the conversation",
      { phone_number_id: undefined, conversation: kapsoConversation({ phone_number_id: OTHER_NUMBER }) },
    ],
  ])("ignores another number's, named %s", (_what, given) => {
    expect(readEvent(given)).toEqual({ ...NOTHING, ignored: ["another number's"] });
    expect(read({ ...kapsoSentEvent(), ...given }, "whatsapp.message.sent")).toMatchObject(NOTHING);
  });

  test("ignores another number's, named by a JSON number", () => {
    expect(readEvent({ phone_number_id: 200 }).messages).toEqual([]);
  });

  test("takes what names no number: the webhook is ours", () => {
    const conversation = kapsoConversation({ phone_number_id: undefined });

    expect(readEvent({ phone_number_id: undefined, conversation }).messages).toMatchObject([
      { phoneNumberId: PHONE_NUMBER_ID },
    ]);
  });

  test.each([
    "whatsapp.conversation.created",
    "whatsapp.conversation.ended",
    "whatsapp.conversation.inactive",
    "whatsapp.contact.identity_changed",
    "whatsapp.phone_number.created",
    "workflow.execution.handoff",
    "whatsapp.invented.tomorrow",
  ])("ignores by name an event without a message: %s", (event) => {
    const body = { conversation: kapsoConversation(), phone_number_id: PHONE_NUMBER_ID };

    expect(read(body, event)).toEqual({ ...NOTHING, ignored: [event] });
  });

  test("keeps unreadable messages with the reason", () => {
    const message = kapsoMessage({ id: undefined, text: { body: "lost?" } });

    expect(readEvent({ message })).toMatchObject({
      messages: [],
      malformed: [{ raw: expect.stringContaining("lost?"), reason: expect.stringContaining("id") }],
    });
  });

  test("keeps unreadable messages as they came", () => {
    const message = kapsoMessage({ from: 15550100001, timestamp: { seconds: 1 } });

    expect(readEvent({ message }).malformed).toMatchObject([{ raw: JSON.stringify(message) }]);
  });
});

describe("readWebhookBody() of a Kapso batch", () => {
  const events = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      kapsoEvent({ message: kapsoMessage({ id: `wamid.${index}`, text: { body: `text ${index}` } }) }),
    );

  test.each([0, 1, 2, 100])("brings each of %i in its order", (count) => {
    const { messages, ...rest } = read(kapsoBatch(events(count)), RECEIVED);

    expect(messages.map(({ content }) => describeContent(content))).toEqual(
      Array.from({ length: count }, (_, index) => `text ${index}`),
    );
    expect(rest).toEqual({ statuses: [], malformed: [], ignored: [] });
  });

  test("is named by its body, not by the header", () => {
    const event = kapsoEvent({ message: kapsoMessage({ id: "wamid.A", kapso: null }) });

    expect(wamids(read(kapsoBatch([event]), "whatsapp.message.sent"))).toEqual(["wamid.A"]);
    expect(wamids(read(kapsoBatch([event], { type: undefined }), RECEIVED))).toEqual(["wamid.A"]);
  });

  test.each([
    ["null", null],
    ["a text", "hello"],
    ["a list", []],
    ["no message", { conversation: kapsoConversation() }],
    ["a message that is null", { message: null }],
    ["a message without id", kapsoEvent({ message: kapsoMessage({ id: undefined }) })],
    ["a message of nobody", kapsoEvent({ message: kapsoMessage({ from: null }), conversation: null })],
    ["a time of another century", kapsoEvent({ message: kapsoMessage({ timestamp: "-1" }) })],
    ["another number's", kapsoEvent({ phone_number_id: OTHER_NUMBER })],
    ["our own", kapsoSentEvent()],
  ])("one bad item spoils only itself: %s", (_what, bad) => {
    const [first, second] = events(2);

    expect(wamids(read(kapsoBatch([bad, first, bad, second, bad]), RECEIVED))).toEqual([
      "wamid.0",
      "wamid.1",
    ]);
  });

  test("brings statuses too", () => {
    const body = kapsoBatch(
      [
        kapsoSentEvent({ id: "wamid.A", kapso: { status: "read" } }),
        kapsoSentEvent({ id: "wamid.B", kapso: { status: undefined, statuses: undefined } }),
      ],
      { type: "whatsapp.message.delivered" },
    );

    expect(states(read(body))).toEqual(["wamid.A read", "wamid.B delivered"]);
  });

  test.each([[{ batch: "true" }], [{ batch: false }], [{ data: null }], [{ data: {} }], [{ data: "x" }]])(
    "what is no batch and says that it brings a message is kept to be looked at: %j",
    (given) => {
      const { malformed, ...rest } = read(kapsoBatch(events(1), given), RECEIVED);

      expect(malformed).toMatchObject([{ reason: "message: is no object" }]);
      expect(rest).toEqual({ messages: [], statuses: [], ignored: [] });
    },
  );
});

describe("readWebhookBody() of Meta's body", () => {
  test("reads a message whole", () => {
    const body = metaReceived({ id: "wamid.A", text: { body: "hello" } });

    expect(read(body)).toEqual({
      messages: [
        {
          wamid: "wamid.A",
          phoneNumberId: PHONE_NUMBER_ID,
          from: { phone: ANN, bsuid: ANN_ID },
          name: "Ann",
          content: { type: "text", text: "hello" },
          sentAt: SENT_AT_MS,
        },
      ],
      statuses: [],
      malformed: [],
      ignored: [],
    });
  });

  test("brings everything of every entry and every change, in its order", () => {
    const message = (id: string) => metaMessage({ id });
    const status = (id: string) => metaStatus({ id, status: "read" });
    const body = {
      object: "whatsapp_business_account",
      entry: [
        {
          id: "900",
          changes: [
            metaChange({ messages: [message("1"), message("2")], statuses: [status("a")] }),
            metaChange({ messages: [message("3")], statuses: null }),
          ],
        },
        { id: "901", changes: [metaChange({ statuses: [status("b"), status("c")] })] },
        { id: "902", changes: [] },
        { id: "903", changes: [metaChange({ messages: [message("4")] })] },
      ],
    };

    const delivered = read(body);

    expect(wamids(delivered)).toEqual(["1", "2", "3", "4"]);
    expect(states(delivered)).toEqual(["a read", "b read", "c read"]);
    expect(delivered).toMatchObject({ malformed: [], ignored: [] });
  });

  test("a thousand updates in one body are all read", () => {
    const body = metaBody(
      metaChange({
        contacts: [metaContact()],
        messages: Array.from({ length: 500 }, () => metaMessage()),
        statuses: Array.from({ length: 500 }, () => metaStatus()),
      }),
    );

    const { messages, statuses } = read(body);

    expect([messages.length, statuses.length]).toEqual([500, 500]);
  });

  test("gives each message the contact that is its sender", () => {
    const contacts = [
      metaContact(),
      { profile: { name: "Bob" }, user_id: BOB_ID },
      { profile: { name: "Eve" }, wa_id: "15550100003", user_id: "US.5" },
    ];
    const messages = [
      metaMessage({ from: undefined, from_user_id: BOB_ID }),
      metaMessage({ from_user_id: undefined }),
      metaMessage({ from: undefined, from_user_id: "US.5" }),
      metaMessage({ from: BOB_ID, from_user_id: undefined }),
      metaMessage({ from: "15550100009", from_user_id: undefined }),
    ];

    const delivered = read(metaBody(metaChange({ contacts, messages })));

    expect(delivered.messages.map(({ from, name }) => ({ ...from, name }))).toEqual([
      { bsuid: BOB_ID, name: "Bob" },
      { phone: ANN, bsuid: ANN_ID, name: "Ann" },
      { phone: "15550100003", bsuid: "US.5", name: "Eve" },
      { bsuid: BOB_ID, name: "Bob" },
      { phone: "15550100009", name: undefined },
    ]);
  });

  test.each([null, 5, "x", [], { wa_id: 5, user_id: {}, profile: "x" }])(
    "a contact that is none takes nobody else's name: %j",
    (bad) => {
      const contacts = [bad, metaContact(), bad];

      expect(read(metaBody(metaChange({ contacts, messages: [metaMessage()] }))).messages).toMatchObject([
        { name: "Ann" },
      ]);
    },
  );

  test("a message that names nobody is the only contact's", () => {
    const messages = [metaMessage({ from: undefined, from_user_id: undefined })];

    expect(read(metaBody(metaChange({ contacts: [metaContact()], messages }))).messages).toMatchObject([
      { from: { phone: ANN, bsuid: ANN_ID }, name: "Ann" },
    ]);
    const two = [metaContact(), metaContact({ wa_id: BOB, user_id: BOB_ID })];
    expect(read(metaBody(metaChange({ contacts: two, messages })))).toMatchObject({
      messages: [],
      malformed: [{ reason: expect.stringContaining("from") }],
    });
  });

  test("needs no field, metadata or contacts", () => {
    const body = { entry: [{ changes: [{ value: { messages: [metaMessage({ id: "wamid.A" })] } }] }] };

    expect(wamids(read(body))).toEqual(["wamid.A"]);
  });

  test("tells by a header of Kapso's nothing of Meta's body", () => {
    const body = metaBody(metaChange({ messages: [metaMessage({ id: "wamid.A" })] }));

    expect(wamids(read(body, "whatsapp.message.sent"))).toEqual(["wamid.A"]);
  });

  test("ignores another number's messages and statuses, and takes ours beside them", () => {
    const metadata = { display_phone_number: "1", phone_number_id: OTHER_NUMBER };
    const body = metaBody(
      metaChange({ metadata, messages: [metaMessage()], statuses: [metaStatus()] }),
      metaChange({ messages: [metaMessage({ id: "wamid.A" })] }),
    );

    const delivered = read(body);

    expect(wamids(delivered)).toEqual(["wamid.A"]);
    expect(delivered).toMatchObject({ statuses: [], malformed: [], ignored: ["another number's"] });
  });

  test("ignores another number's, named by a JSON number", () => {
    const metadata = { phone_number_id: 200 };

    expect(read(metaBody(metaChange({ metadata, messages: [metaMessage()] }))).messages).toEqual([]);
  });

  test.each([
    ["smb_message_echoes", { message_echoes: [metaMessage({ from: OURS, to: ANN })] }],
    ["smb_message_echoes", { messages: [metaMessage({ from: OURS, to: ANN })] }],
    ["history", { history: [{ threads: [{ id: ANN, messages: [metaMessage()] }] }] }],
    ["history", { messages: [metaMessage({ type: "image", image: { id: "1" } })] }],
    ["standby", { standby: { messages: [metaMessage()] } }],
    ["standby", { messages: [metaMessage()] }],
    ["messaging_handovers", { messages: [metaMessage()] }],
    ["smb_app_state_sync", { state_sync: [{ type: "contact", action: "add" }] }],
    ["calls", { calls: [{ id: "wacid.1", from: ANN, to: OURS, event: "connect" }] }],
    ["calls", { statuses: [metaStatus({ id: "wacid.1", type: "call", status: "RINGING" })] }],
    ["user_preferences", { user_preferences: [{ wa_id: ANN, value: "stop" }] }],
    ["account_update", { event: "ACCOUNT_RESTRICTION", messages: [metaMessage()] }],
    ["account_alerts", { entity_type: "BUSINESS" }],
    ["group_lifecycle_update", { groups: [{ group_id: "G1", type: "group_create" }] }],
    ["message_template_status_update", { event: "APPROVED" }],
    ["invented_tomorrow", { messages: [metaMessage()] }],
  ])("ignores by name what is no message to us: %s", (field, value) => {
    expect(read(metaBody(metaChange(value, { field })))).toEqual({ ...NOTHING, ignored: [field] });
  });

  test.each([
    ["echoes", { message_echoes: [metaMessage({ from: OURS, to: ANN })] }],
    ["history", { history: [{ threads: [{ messages: [metaMessage()] }] }] }],
    ["standby", { standby: { messages: [metaMessage()] } }],
    ["calls", { calls: [{ id: "wacid.1", from: ANN, to: OURS, event: "connect" }] }],
    ["errors", { errors: [{ code: 131000, title: "Something went wrong" }] }],
  ])("makes no message of %s under the field of messages", (_what, value) => {
    expect(read(metaBody(metaChange(value)))).toMatchObject(NOTHING);
  });

  test("a call's state is no status of a message", () => {
    const statuses = [metaStatus({ type: "call", status: "RINGING" })];

    expect(read(metaBody(metaChange({ statuses })))).toEqual({ ...NOTHING, ignored: ["unknown status"] });
  });

  test("a system note that names nobody is ignored, the text beside it is not", () => {
    const note = { id: "wamid.S", timestamp: "1800000001", type: "system", system: { body: "changed" } };
    const body = metaBody(metaChange({ messages: [note, metaMessage({ id: "wamid.A" })] }));

    expect(read(body)).toMatchObject({ messages: [{ wamid: "wamid.A" }], malformed: [] });
  });

  test("a message of a group is stored and starts no turn", () => {
    expect(read(metaReceived({ group_id: "G1" })).messages).toMatchObject([
      { from: { phone: ANN }, passive: "group" },
    ]);
  });

  test.each([
    ["unsupported", { type: "interactive", text: undefined, errors: [{ code: 131000 }] }],
    ["form", { type: "interactive", interactive: { nfm_reply: { response_json: "{" } } }],
    ["image", { type: "image", image: { id: "1" }, errors: [{ code: 400 }] }],
    ["unknown", { type: "hologram", hologram: {} }],
  ])("delivers a message that is odd as %s: %j", (type, given) => {
    expect(read(metaReceived(given))).toMatchObject({ messages: [{ content: { type } }], malformed: [] });
  });
});

describe("readWebhookBody() of statuses", () => {
  const fromMeta = (given: object) => read(metaBody(metaChange({ statuses: [metaStatus({ ...given })] })));
  const fromKapso = (given: object) =>
    read(
      kapsoSentEvent({ id: "wamid.A", kapso: { statuses: [metaStatus({ ...given })] } }),
      "whatsapp.message.failed",
    );
  const providers: readonly (readonly [string, (given: object) => WebhookBody])[] = [
    ["Meta", fromMeta],
    ["Kapso", fromKapso],
  ];

  test.each(providers.flatMap(([by, status]) => STATES.map((state) => [state, by, status] as const)))(
    "reads %s from %s",
    (state, _by, status) => {
      const { statuses, ...rest } = status({ id: "wamid.A", status: state });

      expect(rest).toEqual({ messages: [], malformed: [], ignored: [] });
      expect(statuses).toMatchObject([{ wamid: "wamid.A", status: state, at: SENT_AT_MS }]);
      expect(Boolean(statuses[0]?.failure)).toBe(state === "failed");
    },
  );

  test.each(providers)("tells from %s's 131047 what to do about it", (_by, status) => {
    const errors = [
      {
        code: 131047,
        title: "Re-engagement message",
        message: "Re-engagement message",
        error_data: { details: "Message failed to send to +1 555 010 0001" },
      },
    ];

    const { statuses } = status({ status: "failed", errors });

    expect(statuses[0]?.failure).toEqual({
      code: "131047",
      error:
        "131047: Message failed to send to …0001 (more than 24 hours since the person's last message: only a template can be sent)",
    });
  });

  test.each([
    ["details", { code: 1, title: "T", message: "M", error_data: { details: "D" } }, "1: D"],
    ["the message", { code: 1, title: "T", message: "M" }, "1: M"],
    ["the title", { code: "1", title: "T", error_data: null }, "1: T"],
    ["no words", { code: 1 }, "1: WhatsApp gave no reason"],
    ["no code", { title: "T" }, "T"],
    ["nothing", {}, "WhatsApp gave no reason"],
    ["null", null, "WhatsApp gave no reason"],
  ])("says why it failed, given %s", (_what, error, reason) => {
    const { statuses } = fromMeta({ status: "failed", errors: [error] });

    expect(statuses).toMatchObject([{ status: "failed", failure: { error: reason } }]);
  });

  test("says why it failed though more is said that can not be read", () => {
    const errors = [{ code: 1, title: "T" }, null, 5];

    expect(fromMeta({ status: "failed", errors }).statuses[0]?.failure?.error).toBe("1: T");
  });

  test("an empty detail is no reason: the message is", () => {
    const errors = [{ code: 1, message: "M", error_data: { details: "" } }];

    expect(fromMeta({ status: "failed", errors }).statuses[0]?.failure?.error).toBe("1: M");
  });

  test.each([undefined, null, [], "x", {}])("a failure without errors is one: %j", (errors) => {
    expect(fromMeta({ status: "failed", errors }).statuses).toMatchObject([
      { status: "failed", failure: { error: "WhatsApp gave no reason" } },
    ]);
  });

  test.each(providers)("brings back from %s what we sent along", (_by, status) => {
    expect(status({ biz_opaque_callback_data: "track-1" }).statuses).toMatchObject([
      { trackingId: "track-1" },
    ]);
  });

  test("Kapso may give what we sent along with the message instead", () => {
    const given = { biz_opaque_callback_data: "track-1" };
    const kapso = { statuses: [metaStatus(), metaStatus({ biz_opaque_callback_data: "track-2" })] };

    expect(read(kapsoSentEvent({ ...given, kapso })).statuses).toMatchObject([
      { trackingId: "track-1" },
      { trackingId: "track-2" },
    ]);
    expect(read(kapsoSentEvent(given)).statuses).toMatchObject([{ trackingId: "track-1" }]);
  });

  test("Kapso's list is read whole and in its order", () => {
    const statuses = [
      metaStatus({ id: "wamid.A", status: "sent" }),
      metaStatus({ id: undefined, status: "delivered" }),
      "garbage",
      metaStatus({ id: "wamid.A", status: "deleted" }),
      metaStatus({ id: "wamid.A", status: "read" }),
    ];

    const delivered = read(kapsoSentEvent({ id: "wamid.A", kapso: { statuses } }));

    expect(states(delivered)).toEqual(["wamid.A sent", "wamid.A delivered", "wamid.A read"]);
  });

  test.each(STATES)("without statuses, kapso.status has to do: %s", (status) => {
    for (const statuses of [undefined, null, [], [{ status: "unheard" }], "x"])
      expect(
        states(read(kapsoSentEvent({ id: "wamid.A", kapso: { status, statuses } }), "whatsapp.message.sent")),
      ).toEqual([`wamid.A ${status}`]);
  });

  test.each(STATES)("without kapso.status too, the event's name has to do: %s", (status) => {
    for (const unclear of [undefined, null, "pending"])
      expect(
        states(
          read(
            kapsoSentEvent({ id: "wamid.A", kapso: { status: unclear, statuses: null } }),
            `whatsapp.message.${status}`,
          ),
        ),
      ).toEqual([`wamid.A ${status}`]);
  });

  test("without any of them there is no status", () => {
    const body = kapsoSentEvent({ kapso: { status: "pending", statuses: [] } });

    expect(read(body, RECEIVED)).toEqual({ ...NOTHING, ignored: [RECEIVED] });
    expect(read(body)).toEqual({ ...NOTHING, ignored: ["a message of ours"] });
  });

  test.each([
    ["no id", { id: undefined }],
    ["an empty id", { id: "" }],
    ["no state", { status: undefined }],
    ["another state", { status: "deleted" }],
    ["a state in capitals", { status: "READ" }],
  ])("ignores a status of Meta's with %s, and takes those beside it", (_what, given) => {
    const statuses = [metaStatus(given), metaStatus({ id: "wamid.A", status: "read" })];

    const delivered = read(metaBody(metaChange({ statuses })));

    expect(states(delivered)).toEqual(["wamid.A read"]);
    expect(delivered.ignored).toEqual(["unknown status"]);
  });

  test.each([undefined, null, "", "yesterday", -1, 1_800_000_000_000])(
    "a status without a time that can be read has none: %j",
    (timestamp) => {
      expect(fromMeta({ status: "read", timestamp }).statuses).toMatchObject([
        { status: "read", at: undefined },
      ]);
    },
  );
});

describe("readWebhookBody() of anything", () => {
  test.each([
    null,
    undefined,
    0,
    true,
    "",
    "text",
    [],
    [[]],
    {},
    { entry: {} },
    { entry: null },
    {
      entry: [null, 5, [], {}, { changes: {} }, { changes: [null, [], "x", { value: null }, { value: [] }] }],
    },
    { batch: true, data: [null] },
    { message: null },
    { message: [] },
    { message: {} },
    { data: {}, message: "text" },
  ])("brings no message of what is no webhook: %j", (body) => {
    for (const event of [undefined, RECEIVED, "whatsapp.message.read"])
      expect(read(body, event)).toMatchObject({ messages: [], statuses: [] });
  });

  test("a body that is nested very deep is survived", () => {
    const deep: unknown = JSON.parse("[".repeat(300_000) + "]".repeat(300_000));

    expect(read(deep)).toMatchObject(NOTHING);
    expect(readEvent({ message: kapsoMessage({ context: deep }) }).messages).toHaveLength(1);
    expect(readEvent({ message: kapsoMessage({ id: undefined, context: deep }) }).malformed).toHaveLength(1);
    expect(read(metaReceived({ text: deep, referral: deep })).malformed).toHaveLength(1);
    expect(read({ entry: deep })).toMatchObject(NOTHING);
  });

  test("a key __proto__ changes nothing elsewhere", () => {
    const body: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"message":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}},"entry":[{"changes":[{"value":{"__proto__":{"polluted":1},"messages":[{"__proto__":{"polluted":1}}]}}]}]}',
    );

    read(body, RECEIVED);

    expect({}).not.toHaveProperty("polluted");
  });

  test.each(shapes)("no change of fields anywhere makes it throw: %s", (_what, { body }) => {
    const places = placesOf(body);
    fc.assert(
      fc.property(changes, fc.constantFrom(...EVENTS), (list, event) => {
        const delivered = read(changed(body, places, list), event);

        for (const { wamid, from, content, sentAt } of delivered.messages) {
          if (!wamid || typeof describeContent(content) !== "string" || !Number.isSafeInteger(sentAt))
            throw new Error("no message");
          if (!from.phone && !from.bsuid) throw new Error("a message of nobody");
        }
        for (const { wamid, status } of delivered.statuses)
          if (!wamid || !STATES.includes(status)) throw new Error("no status");
      }),
      { numRuns: 6000 },
    );
  });

  test.each(shapes)("no change of one thing spoils those beside it: %s", (_what, shape) => {
    const places = shape.victims.flatMap((at) => placesOf(shape.body, at));
    const spared = [...shape.messages, ...shape.statuses];
    fc.assert(
      fc.property(changes, (list) => {
        const delivered = read(changed(shape.body, places, list), RECEIVED);

        const found = new Set([...wamids(delivered), ...delivered.statuses.map(({ wamid }) => wamid)]);
        const missing = spared.filter((wamid) => !found.has(wamid));
        if (missing.length > 0) throw new Error(`lost: ${missing.join(", ")}`);
      }),
      { numRuns: 3000 },
    );
  });

  test.each(shapes)("every field gone or of another type, one at a time: %s", (_what, shape) => {
    const victims = new Set(
      shape.victims.flatMap((at) => placesOf(shape.body, at).map((place) => place.join("."))),
    );
    for (const place of placesOf(shape.body))
      for (const odd of ODD) {
        const found = wamids(read(put(shape.body, place, odd), RECEIVED));

        if (victims.has(place.join("."))) expect(found).toEqual(expect.arrayContaining([...shape.messages]));
      }
  });

  test("no change beside the direction makes our message a person's", () => {
    const body = kapsoSentEvent({ from: ANN, kapso: { statuses: [metaStatus()], phone_number: ANN } });
    const kept = new Set(["", "message", "message.kapso", "message.kapso.direction"]);
    const places = placesOf(body).filter((place) => !kept.has(place.join(".")));
    fc.assert(
      fc.property(changes, fc.constantFrom(...EVENTS), (list, event) => {
        expect(read(changed(body, places, list), event).messages).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });
});
