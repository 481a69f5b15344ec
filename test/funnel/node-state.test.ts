import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readComplaint, readConsentUrl } from "../../src/funnel/complaint.ts";
import { readNodeState } from "../../src/funnel/node-state.ts";
import { readServes } from "../../src/funnel/serves.ts";

const WARNING = 'Warning: client version "1.98.0" != tailscaled server version "1.102.3"\n';
const PORTS = "https://tailscale.com/cap/funnel-ports?ports=";

const status = (fields: object) => JSON.stringify({ BackendState: "Running", ...fields });
const running = (caps: object | null, DNSName: unknown = "relay.tail1234.ts.net.") =>
  status({ Self: { DNSName, CapMap: caps } });
const words = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("{", "{}", "null", "[]", "{{", "https://login.tailscale.com/", WARNING),
);

describe("readNodeState", () => {
  test("tells the name without its final dot", () => {
    const state = readNodeState(running(null), "", 0);

    expect(state).toEqual({ kind: "running", dnsName: "relay.tail1234.ts.net", ports: undefined });
  });

  test.each([
    ["443,8443,10000", [443, 8443, 10000]],
    ["443", [443]],
    ["8443,443", [443, 8443]],
    ["443-10000", [443, 8443, 10000]],
    ["1-65535", [443, 8443, 10000]],
    ["400-500,10000-10001", [443, 10000]],
    ["80,8080", []],
    ["444-8442", []],
    ["", []],
    ["all", []],
    ["443-", []],
    ["10000-443", []],
    ["%34%34%33", [443]],
  ])("reads the ports that %j allows", (list, ports) => {
    const state = readNodeState(running({ https: null, funnel: null, [PORTS + list]: null }), "", 0);

    expect(state.kind === "running" && state.ports?.toSorted((a, b) => a - b)).toEqual(ports);
  });

  test.each([
    ["other capabilities", { https: null, funnel: null }],
    ["a capability of another name", { "https://tailscale.com/cap/funnel-ports-of-old?ports=443": null }],
    ["no capabilities", null],
  ])("knows no ports from %s", (_what, caps) => {
    expect(readNodeState(running(caps), "", 0)).toMatchObject({ kind: "running", ports: undefined });
  });

  test.each([
    [{ https: null, funnel: null }, true],
    [{ https: null }, false],
    [{}, false],
    [null, undefined],
    ["none", undefined],
  ])("tells from the capabilities %j whether Funnel is allowed", (CapMap, hasFunnel) => {
    const state = readNodeState(status({ Self: { DNSName: "a.ts.net.", CapMap } }), "", 0);

    expect(state).toMatchObject({ kind: "running", hasFunnel });
  });

  test.each(["", ".", null])("takes a node whose name is %j for one that is starting", (DNSName) => {
    expect(readNodeState(running(null, DNSName), "", 0).kind).toBe("starting");
  });

  test("shows a reason on stdout in spite of a warning on stderr", () => {
    expect(readNodeState("GUI failed\n", WARNING, 1)).toMatchObject({
      message: "Tailscale says: GUI failed",
    });
  });

  test.each([
    ["NoState", "starting", /starting/],
    ["Starting", "starting", /starting/],
    ["NeedsLogin", "stuck", /logged out/],
    ["NeedsMachineAuth", "stuck", /not yet approved/],
    ["Stopped", "stuck", /stopped/],
    ["InUseOtherUser", "stuck", /another user/],
    ["", "stuck", /state of its own/],
    ["Hibernating", "stuck", /Hibernating/],
  ])("tells %j, whatever name the node has", (BackendState, kind, message) => {
    const state = readNodeState(status({ BackendState, Self: { DNSName: "relay.tail1234.ts.net." } }), "", 0);

    expect(state).toMatchObject({ kind, message: expect.stringMatching(message) });
  });

  test.each([
    ["https://login.tailscale.com/a/1", "log in at https://login.tailscale.com/a/1"],
    ["", "log in: tailscale up"],
    [null, "log in: tailscale up"],
    [7, "log in: tailscale up"],
  ])("tells where to log in, when it is %j", (AuthURL, hint) => {
    expect(readNodeState(status({ BackendState: "NeedsLogin", AuthURL }), "", 0)).toMatchObject({ hint });
  });

  test("reads a status in spite of a warning on stderr, or another exit code", () => {
    expect(readNodeState(running(null), WARNING, 0).kind).toBe("running");
    expect(readNodeState(running(null), WARNING, 1).kind).toBe("running");
  });

  test.each([
    ["nothing", "", "", 0, /: nothing$/],
    ["text", "GUI failed to start\nmore", "", 0, /: GUI failed to start$/],
    ["text on stderr", "", `${WARNING}odd\n`, 0, /: odd$/],
    ["no object", "[]", "", 0, /no status/],
    ["null", "null", "", 0, /no status/],
    ["an object without a state", "{}", "", 0, /no status/],
    ["half an object", '{"BackendState":"Runn', "", 0, /no status/],
    ["a state that is no text", '{"BackendState":7}', "", 0, /no status/],
    ["an error code without a word", "", "", 1, /nothing/],
    ["an end by a signal", "", "it does not answer", undefined, /it does not answer/],
  ] as const)("is stuck with %s", (_what, out, err, exitCode, message) => {
    const state = readNodeState(out, err, exitCode);

    expect(state).toMatchObject({
      kind: "stuck",
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
  });

  test("shows 200 characters of what is no status, on one line", () => {
    const state = readNodeState(`${"x".repeat(5000)}\nmore`, "", 0);

    expect(state).toMatchObject({ message: expect.stringMatching(/^[^\n]{20,260}$/) });
  });

  test("takes fields of another type for absent ones", () => {
    const odd = status({ AuthURL: [], Self: { DNSName: "a.ts.net.", CapMap: "none" }, Health: 7 });

    expect(readNodeState(odd, "", 0)).toEqual({ kind: "running", dnsName: "a.ts.net", ports: undefined });
  });

  test("never throws, whatever is said", () => {
    fc.assert(
      fc.property(words, words, fc.option(fc.integer(), { nil: undefined }), (out, err, exitCode) => {
        const { kind } = readNodeState(out, err, exitCode);

        expect(["running", "starting", "stuck"]).toContain(kind);
      }),
    );
  });

  test("never throws, whatever the fields are", () => {
    const caps = fc.dictionary(
      fc.string({ unit: "binary" }).map((rest) => PORTS + rest),
      fc.jsonValue(),
    );
    const shapes = fc.record(
      {
        BackendState: fc.oneof(fc.constant("Running"), fc.jsonValue()),
        Self: fc.oneof(fc.record({ DNSName: fc.jsonValue(), CapMap: caps }), fc.jsonValue()),
        AuthURL: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(shapes, (shape) => typeof readNodeState(JSON.stringify(shape), "", 0).kind === "string"),
    );
  });
});

const HOST = "relay.tail1234.ts.net";
const TARGET = "http://127.0.0.1:18790/webhook";
const serve = (port: number, path: string, Proxy: string, isPublic = true) => ({
  TCP: { [port]: { HTTPS: true } },
  Web: { [`${HOST}:${port}`]: { Handlers: { [path]: { Proxy } } } },
  ...(isPublic && { AllowFunnel: { [`${HOST}:${port}`]: true } }),
});

describe("readServes", () => {
  test.each(["", "  \n", "{}", '{"TCP":null,"Web":null,"AllowFunnel":null,"Foreground":null}'])(
    "finds nothing in %j",
    (out) => {
      expect(readServes(out)).toEqual([]);
    },
  );

  test.each(["null", "[]", "7", '"text"', "not json", "{", "Error: no daemon"])(
    "can not tell from %j",
    (out) => {
      expect(readServes(out)).toBeUndefined();
    },
  );

  test("tells background and foreground serves apart", () => {
    const config = {
      ...serve(443, "/", "http://127.0.0.1:3000", false),
      Foreground: { a1: serve(8443, "/webhook", TARGET), b2: serve(10000, "/", "http://127.0.0.1:4000") },
    };

    const serves = readServes(JSON.stringify(config));

    expect(serves).toEqual([
      { kind: "background", port: 443, isPublic: false, proxies: { "/": "http://127.0.0.1:3000" } },
      { kind: "foreground", port: 8443, isPublic: true, proxies: { "/webhook": TARGET } },
      { kind: "foreground", port: 10000, isPublic: true, proxies: { "/": "http://127.0.0.1:4000" } },
    ]);
  });

  test("gives each port only what is its own", () => {
    const config = {
      TCP: { 443: { HTTPS: true }, 8443: { HTTPS: true } },
      Web: {
        [`${HOST}:443`]: { Handlers: { "/": { Proxy: "http://a" } } },
        [`${HOST}:8443`]: { Handlers: { "/": { Proxy: "http://b" } } },
      },
      AllowFunnel: { [`${HOST}:8443`]: true, [`${HOST}:443`]: false },
    };

    expect(readServes(JSON.stringify(config))).toEqual([
      { kind: "background", port: 443, isPublic: false, proxies: { "/": "http://a" } },
      { kind: "background", port: 8443, isPublic: true, proxies: { "/": "http://b" } },
    ]);
  });

  test("names what is no proxy without an address", () => {
    const Handlers = { "/files": { Path: "/srv" }, "/text": { Text: "hello" } };
    const config = {
      TCP: { 443: { HTTPS: true }, 8443: { TCPForward: "127.0.0.1:22" } },
      Web: { [`${HOST}:443`]: { Handlers } },
    };

    expect(readServes(JSON.stringify(config))).toEqual([
      {
        kind: "background",
        port: 443,
        isPublic: false,
        proxies: { "/files": "something else", "/text": "something else" },
      },
      { kind: "background", port: 8443, isPublic: false, proxies: {} },
    ]);
  });

  test("never throws, whatever is said", () => {
    fc.assert(
      fc.property(fc.oneof(words, fc.json()), (out) => {
        const serves = readServes(out);

        expect(serves === undefined || Array.isArray(serves)).toBe(true);
      }),
    );
  });

  test("never throws, whatever the fields are", () => {
    const part = fc.record(
      {
        TCP: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
        Web: fc.oneof(
          fc.dictionary(fc.string(), fc.record({ Handlers: fc.dictionary(fc.string(), fc.jsonValue()) })),
          fc.jsonValue(),
        ),
        AllowFunnel: fc.oneof(fc.dictionary(fc.string(), fc.boolean()), fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(part, fc.oneof(fc.dictionary(fc.string(), part), fc.jsonValue()), (own, Foreground) => {
        const serves = readServes(JSON.stringify({ ...own, Foreground }));

        expect(Array.isArray(serves)).toBe(true);
      }),
    );
  });
});

describe("readComplaint", () => {
  test.each([
    ["Logged out.", "Tailscale is logged out", /tailscale up/],
    [
      "Logged out.\nLog in at: https://login.tailscale.com/a/1",
      "Tailscale is logged out",
      /^visit https:\/\/login\.tailscale\.com\/a\/1$/,
    ],
    ["Tailscale is stopped.", "Tailscale is stopped", /tailscale up/],
    [
      "Machine is not yet approved by tailnet admin.",
      "This machine is not yet approved by the tailnet's admin",
      /admin\/machines/,
    ],
    [
      "Funnel not available; HTTPS must be enabled. See https://tailscale.com/s/https.",
      "HTTPS is not enabled in the tailnet",
      /s\/https$/,
    ],
    [
      'Funnel not available; "funnel" node attribute not set. See https://tailscale.com/s/no-funnel.',
      "Funnel is not enabled for this machine",
      /s\/no-funnel$/,
    ],
    [
      "port 443 is not allowed for funnel",
      "The tailnet does not allow Funnel on port 443, which it asks for whatever port is used",
      /policy/,
    ],
    [
      "port 443 is not allowed for funnel; allowed ports are: 8443",
      "The tailnet does not allow Funnel on port 443, which it asks for whatever port is used",
      /policy/,
    ],
    [
      "sending serve config: updating config: Unable to turn on Funnel while shields-up is enabled",
      "Shields are up: Tailscale lets nothing in",
      /--shields-up=false/,
    ],
    [
      "sending serve config: Access denied: serve config denied\n\nUse 'sudo tailscale funnel ...'.",
      "This user may not publish with Tailscale",
      /--operator=\$USER/,
    ],
    [
      "sending serve config: updating config: listener already exists for port 443",
      "The Funnel port is taken",
      /8443 or 10000/,
    ],
    ["... foreground listener already exists for port 443", "The Funnel port is taken", /8443 or 10000/],
    ["foreground already exists under this port", "The Funnel port is taken", /8443 or 10000/],
    [
      "background configuration already exists, use `tailscale funnel off`",
      "The Funnel port is taken",
      /8443 or 10000/,
    ],
    [
      "Another client is changing the serve config; please try again.",
      "Something else is changing Tailscale's configuration",
      /tried again/,
    ],
    [
      "getting client status: failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)",
      "The Tailscale daemon does not run",
      /systemctl start tailscaled/,
    ],
    ["spawn /opt/tailscale ENOENT", "The tailscale command can not be started", /TAILSCALE_BIN/],
    ["spawn /opt/tailscale EACCES", "The tailscale command can not be started", /TAILSCALE_BIN/],
    ["unexpected EOF", "Tailscale says: unexpected EOF", /by hand/],
    ["the moon is full\nmore", "Tailscale says: the moon is full", /by hand/],
    ["", "Tailscale says: nothing", /by hand/],
    [
      "go there: https://login.tailscale.com/f/x",
      "Tailscale says: go there: https://login.tailscale.com/f/x",
      /^visit https/,
    ],
  ])("tells what %j means", (said, message, hint) => {
    const complaint = readComplaint(`${said}\n`);

    expect(complaint).toEqual({ kind: "stuck", message, hint: expect.stringMatching(hint) });
  });

  test.each(["NoState", "Starting"])("tells that %s passes by itself", (state) => {
    expect(readComplaint(`unexpected state: ${state}\n`)).toEqual({
      kind: "starting",
      message: "Tailscale is starting",
    });
  });

  test("takes the first output that says something", () => {
    expect(readComplaint(WARNING, "", "the moon is full", "more").message).toBe(
      "Tailscale says: the moon is full",
    );
  });

  test("tells what is said after a warning about versions", () => {
    expect(readComplaint(`${WARNING}Tailscale is stopped.\n`).message).toBe("Tailscale is stopped");
  });

  test("shows what nobody knows instead of a warning about versions before it", () => {
    expect(readComplaint(`${WARNING}unexpected EOF\n`).message).toBe("Tailscale says: unexpected EOF");
  });

  test("tells that the daemon does not run, as it is said on macOS", () => {
    const said = "failed to connect to local Tailscale service; is Tailscale running?";

    expect(readComplaint(said).message).toBe("The Tailscale daemon does not run");
  });

  test("never throws, and says one line with one next step", () => {
    fc.assert(
      fc.property(words, (said) => {
        const { kind, message, hint } = readComplaint(said);

        expect(kind === "starting" || hint !== undefined).toBe(true);
        expect(message.length).toBeLessThan(300);
        expect(message).not.toContain("\n");
      }),
    );
  });
});

describe("readConsentUrl", () => {
  test("finds the page, without what surrounds it", () => {
    const said =
      "Funnel is not enabled on your tailnet.\nTo enable, visit:\n\n         https://login.tailscale.com/f/funnel?node=n1\n\n";

    expect(readConsentUrl(said)).toBe("https://login.tailscale.com/f/funnel?node=n1");
  });

  test.each([
    "",
    "https://relay.tail1234.ts.net/webhook",
    "https://tailscale.com/s/https",
    "http://login.tailscale.com/f/x",
    "https://login.tailscale.com.example/f/x",
    "To enable, visit:\n\n         https://login.tailscale.com/f/x\n\nSuccess.\n",
  ])("finds none in %j", (said) => {
    expect(readConsentUrl(said)).toBeUndefined();
  });
});
