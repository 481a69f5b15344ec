import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { EchoGateway } from "../../src/sandbox/gateway.ts";
import { freePort } from "../free-port.ts";
import { StandInTailscale } from "../funnel/tailscale.ts";
import { StandInMeta } from "../meta.ts";
import { until } from "../poller/daemon.ts";
import { read, World, type Ran, type RunOptions } from "./world.ts";

const FRIEND = "+15551234567";
const NO_ACCOUNT = {
  KAPSO_API_KEY: "",
  KAPSO_PHONE_NUMBER_ID: "",
  KAPSO_BASE_URL: "",
  KAPSO_STATE_DIR: "",
  OPENCLAW_GATEWAY_URL: "",
};

/** A machine on which nothing is set up; where the stand-ins are, a file of nothing else says. */
class Machine implements AsyncDisposable {
  readonly world: World;
  readonly gateway: EchoGateway;
  readonly meta: StandInMeta;

  private constructor(world: World, gateway: EchoGateway, meta: StandInMeta) {
    this.world = world;
    this.gateway = gateway;
    this.meta = meta;
  }

  static async start(): Promise<Machine> {
    return new Machine(await World.start(), await EchoGateway.start(), await StandInMeta.start());
  }

  get file(): string {
    return join(this.world.home, ".config/wa-relay/config.toml");
  }

  get key(): string {
    return this.world.kapso.apiKey;
  }

  get text(): string {
    return readFileSync(this.file, "utf8");
  }

  get names(): readonly string[] {
    return existsSync(dirname(this.file)) ? readdirSync(dirname(this.file)).toSorted() : [];
  }

  get config() {
    return loadConfig({ env: { HOME: this.world.home } });
  }

  /** The path of a file in the home folder. */
  write(path: string, text: string): string {
    const whole = join(this.world.home, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    return whole;
  }

  /** Answers are lines of standard input. */
  async init(
    answers: readonly string[],
    args: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<Ran> {
    const stdin = answers.map((answer) => `${answer}\n`).join("");
    const env = {
      ...NO_ACCOUNT,
      KAPSO_BASE_URL: this.world.kapso.url,
      META_BASE_URL: this.meta.url,
      OPENCLAW_GATEWAY_URL: this.gateway.url,
      ...options.env,
    };
    const ran = await this.world.run(["init", ...args], { stdin, ...options, env });
    for (const secret of [this.meta.token, this.meta.appSecret, this.meta.verifyToken])
      expect(ran.out + ran.err).not.toContain(secret);
    return ran;
  }

  /** With nothing but what was written. */
  async preflight(): Promise<Ran> {
    return this.world.run(["preflight", "--json"], { env: NO_ACCOUNT });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.gateway[Symbol.asyncDispose]();
    await this.meta[Symbol.asyncDispose]();
  }
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe.concurrent("wa-cli init with Kapso", () => {
  test("asks for what is missing, and what it writes passes preflight", async () => {
    await using machine = await Machine.start();

    const ran = await machine.init(["1", machine.key, "", FRIEND, ""]);

    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(
      /Now:\n {2}wa-cli preflight\n {2}wa-poller\n {2}wa-poller service install {4}# instead of wa-poller/,
    );
    expect(machine.names).toEqual(["config.toml", "kapso-api-key"]);
    expect(machine.config).toMatchObject({
      provider: "kapso",
      account: { apiKey: machine.key, phoneNumberId: machine.world.kapso.phoneNumberId },
      delivery: { mode: "polling" },
    });
    expect([...machine.config.security.roles.keys()]).toEqual(["15551234567"]);
    expect(await machine.preflight()).toMatchObject({ code: 0, err: "" });
  });

  test("the file has comments, no secret, and is closed to others like its folder and the key", async () => {
    await using machine = await Machine.start();

    await machine.init(["kapso", machine.key, "1", FRIEND, "polling"]);

    expect(machine.text).not.toContain(machine.key);
    expect(machine.text).toContain(
      '# Project API key (Kapso dashboard, Integrations, API keys). [KAPSO_API_KEY]\napi_key_file = "~/.config/wa-relay/kapso-api-key"',
    );
    const sections = machine.text.match(/^\[.+\]$/gm);
    expect(sections).toEqual(["[kapso]", "[meta]", "[delivery]", "[gateway]", "[security]"]);
    for (const name of machine.names) expect(modeOf(join(dirname(machine.file), name))).toBe("600");
    expect(modeOf(dirname(machine.file))).toBe("700");
  });

  test("a wrong key is said at once and asked again", async () => {
    await using machine = await Machine.start();

    const ran = await machine.init(["kapso", "sk-wrong", machine.key, "", FRIEND, ""]);

    expect(ran.code).toBe(0);
    expect(ran.err).toMatch(/✗ key .*\n {2}→ .*\n.*API key/);
    expect(ran.err).not.toContain("sk-wrong");
    expect(readFileSync(join(dirname(machine.file), "kapso-api-key"), "utf8")).toBe(`${machine.key}\n`);
  });

  test("a wrong number is asked again, and people and modes that make no sense too", async () => {
    await using machine = await Machine.start();

    const ran = await machine.init([
      "kapso",
      machine.key,
      "999999999999999",
      "1",
      "Ann",
      "(555) 123-4567",
      FRIEND,
      "fax",
      "3",
      "http://a.b",
      "bot.example.com",
    ]);

    expect(ran.code).toBe(0);
    expect(machine.config).toMatchObject({
      account: { phoneNumberId: machine.world.kapso.phoneNumberId },
      delivery: { mode: "domain" },
      webhook: { url: "https://bot.example.com/webhook" },
    });
  });

  test("a key that can not list numbers is asked for the id", async () => {
    await using machine = await Machine.start();
    machine.world.kapso.fault = ({ path }) => (path.endsWith("/phone_numbers") ? { status: 404 } : undefined);

    const ran = await machine.init([
      "kapso",
      machine.key,
      "+1 555",
      machine.world.kapso.phoneNumberId,
      FRIEND,
      "",
    ]);

    expect(ran.code).toBe(0);
    expect((await machine.preflight()).code).toBe(0);
  });

  test("of several numbers one has to be chosen", async () => {
    await using machine = await Machine.start();
    machine.world.kapso.others.push({
      phone_number_id: "200000000000002",
      display_phone_number: "+1 555-010-0002",
    });
    const key = machine.write("key", machine.key);

    const ran = await machine.init([], ["--yes", "--key-file", key, "--allow", FRIEND]);
    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining("Missing: --phone-number-id;") });

    expect((await machine.init(["kapso", machine.key, "1", FRIEND, ""])).code).toBe(0);
    expect(machine.config.account).toMatchObject({ phoneNumberId: machine.world.kapso.phoneNumberId });
  });

  test("what the environment has is not asked, and goes into the file", async () => {
    await using machine = await Machine.start();
    const { phoneNumberId } = machine.world.kapso;

    const ran = await machine.init(["polling"], [], {
      env: {
        KAPSO_API_KEY: machine.key,
        KAPSO_PHONE_NUMBER_ID: phoneNumberId,
        KAPSO_ALLOWED_NUMBERS: FRIEND,
      },
    });

    expect(ran.code).toBe(0);
    expect((await machine.preflight()).code).toBe(0);
    expect([...machine.config.security.roles.keys()]).toEqual(["15551234567"]);
  });

  test("a secret that the environment has in a file stays there", async () => {
    await using machine = await Machine.start();
    const key = machine.write("secrets/kapso", `${machine.key}\n`);

    const ran = await machine.init(["", FRIEND, ""], [], { env: { KAPSO_API_KEY_FILE: key } });

    expect(ran.code).toBe(0);
    expect(machine.text).toContain(`api_key_file = "${key}"`);
    expect(machine.names).toEqual(["config.toml"]);
  });

  test("a wrong key in the environment can not be answered: exit 4, and nothing is written", async () => {
    await using machine = await Machine.start();

    const ran = await machine.init(["", FRIEND, ""], [], { env: { KAPSO_API_KEY: "sk-wrong" } });

    expect(ran).toMatchObject({
      code: 4,
      err: expect.stringContaining("correct KAPSO_API_KEY, or unset it"),
    });
    expect(machine.names).toEqual([]);
  });

  test("with Kapso out of reach it waits as long as the person likes, or goes on", async () => {
    await using machine = await Machine.start();
    const env = { KAPSO_BASE_URL: `http://127.0.0.1:${await freePort()}` };

    const ran = await machine.init(
      ["kapso", machine.key, "", "skip", "100000000000001", "", "skip", FRIEND, ""],
      [],
      { env },
    );

    expect(ran.code).toBe(0);
    expect(ran.err.match(/✗ /g)).toHaveLength(4);
    expect(machine.config.account).toMatchObject({ apiKey: machine.key, phoneNumberId: "100000000000001" });
  });
});

describe.concurrent("wa-cli init --yes", () => {
  test("asks nothing", async () => {
    await using machine = await Machine.start();
    const key = machine.write("key", `${machine.key}\n`);

    const ran = await machine.init(
      [],
      ["--yes", "--json", "--key-file", key, "--allow", FRIEND, "--allow", "+4915123456789"],
    );

    expect(ran.code).toBe(0);
    expect(read(ran)).toMatchObject({
      file: machine.file,
      changed: true,
      next: ["wa-cli preflight", "wa-poller"],
    });
    expect([...machine.config.security.roles.keys()]).toEqual(["15551234567", "4915123456789"]);
    expect((await machine.preflight()).code).toBe(0);
  });

  test("a number without + is taken, and asked about: without its country code it would be somebody else's", async () => {
    await using machine = await Machine.start();
    const key = machine.write("key", machine.key);

    const ran = await machine.init(
      [],
      ["--yes", "--key-file", key, "--allow", `5551234567,${FRIEND},US.1349`],
    );

    expect(ran.code).toBe(0);
    expect(ran.err).toContain(`! people   +5551234567, ${FRIEND}, US.1349\n`);
    expect(ran.err.match(/is \S+ with its country code/g)).toEqual(["is +5551234567 with its country code"]);
  });

  test("names all that is missing: exit 2, and nothing is written", async () => {
    await using machine = await Machine.start();

    const kapso = await machine.init([], ["--yes", "--json"]);
    const meta = await machine.init([], ["--yes", "--json", "--provider", "meta"], { env: { PATH: "" } });

    expect(kapso.code).toBe(2);
    expect(read(kapso)).toMatchObject({ missing: ["--key-file", "--allow"], exitCode: 2 });
    expect(read(meta)).toMatchObject({ missing: ["--key-file", "--allow", "--mode"] });
    expect(machine.names).toEqual([]);
  });

  test("a wrong key: exit 4; Kapso out of reach: exit 7; nothing is written", async () => {
    await using machine = await Machine.start();
    const args = ["--yes", "--key-file", machine.write("key", "sk-wrong"), "--allow", FRIEND];

    expect((await machine.init([], args)).code).toBe(4);
    machine.world.kapso.fault = () => ({ status: 503 });
    expect((await machine.init([], args)).code).toBe(7);
    expect(machine.names).toEqual([]);
  });

  test.each<readonly string[]>([
    ["--provider", "twilio"],
    ["--mode", "fax"],
    ["--key-file", "/no/such/file"],
    ["--key-file", "--allow"],
    ["--phone-number-id", "+15550100000"],
    ["--allow", "(555) 123-4567"],
    ["--mode", "domain", "--url", "http://bot.example.com"],
    ["--gateway-url", "https://gateway.example.com"],
    ["surplus"],
  ])("wrong usage is exit 2: %s %s %s %s", async (...wrong) => {
    await using machine = await Machine.start();
    const base = ["--yes", "--key-file", machine.write("key", machine.key), "--allow", FRIEND];

    expect((await machine.init([], [...base, ...wrong])).code).toBe(2);
    expect(machine.names).toEqual([]);
  });
});

test("wa-cli init writes in the order of config.example.toml", async () => {
  await using machine = await Machine.start();
  const { meta } = machine;
  const env = {
    ...meta.env,
    KAPSO_ALLOWED_NUMBERS: FRIEND,
    KAPSO_MODE: "domain",
    WA_WEBHOOK_URL: "https://bot.example.com/webhook",
    KAPSO_WEBHOOK_ADDR: "127.0.0.1:18790",
    KAPSO_WEBHOOK_SECRET: "the-secret",
    KAPSO_WEBHOOK_VERIFY_TOKEN: "a-word",
    OPENCLAW_TOKEN: "gateway-secret",
    KAPSO_STATE_DIR: join(machine.world.home, "state"),
    WA_PROVIDER: "meta",
  };

  expect((await machine.init([], ["--yes"], { env })).code).toBe(0);

  const keys = (text: string) => {
    let section = "";
    return text.split("\n").flatMap((line) => {
      section = /^\[(.+)\]$/.exec(line)?.[1] ?? section;
      const key = /^(?:# )?([a-z_]+) = /.exec(line)?.[1];
      return key === undefined ? [] : [`${section}.${key.replace(/_file$/, "")}`];
    });
  };
  const written = keys(machine.text);
  const example = keys(readFileSync(new URL("../../config.example.toml", import.meta.url), "utf8"));
  expect(written.length).toBeGreaterThan(12);
  expect(written).toEqual(example.filter((key) => written.includes(key)));
});

test("wa-cli init tells which variable goes on winning over an answer", async () => {
  await using machine = await Machine.start();
  const args = [
    "--yes",
    "--key-file",
    machine.write("key", machine.key),
    "--allow",
    FRIEND,
    "--mode",
    "tailscale",
  ];

  const ran = await machine.init([], args, { env: { KAPSO_MODE: "polling" } });

  expect(ran).toMatchObject({ code: 0, err: expect.stringContaining("KAPSO_MODE in the environment wins") });
  expect(machine.config.delivery.mode).toBe("tailscale");
});

describe.concurrent("wa-cli init and a file that is there", () => {
  const OLD = `# mine
[kapso]
api_key = "sk-old" # from the dashboard
[delivery]
mode = "polling"
poll_interval = "5s" # faster

[security.roles]
admin = ["${FRIEND}"]
`;

  test("only what is missing or wrong is asked; the rest stays, comments too, and the old file is kept", async () => {
    await using machine = await Machine.start();
    machine.write(".config/wa-relay/config.toml", OLD);

    const ran = await machine.init([machine.key, "", "yes"]);

    expect(ran.code).toBe(0);
    expect(machine.text).toContain("# mine\n");
    expect(machine.text).toContain('poll_interval = "5s" # faster');
    expect(machine.text).not.toContain("sk-old");
    expect(machine.config.delivery.pollIntervalMs).toBe(5000);
    expect(machine.config.security.roles.get("15551234567")).toBe("admin");
    const backup = machine.names.find((name) => name.startsWith("config.toml.")) ?? "";
    expect(readFileSync(join(dirname(machine.file), backup), "utf8")).toBe(OLD);
    expect(machine.names.map((name) => modeOf(join(dirname(machine.file), name)))).toEqual([
      "600",
      "600",
      "600",
    ]);
    expect((await machine.preflight()).code).toBe(0);
  });

  test.each([
    ["no", ["no"], 1],
    ["nobody who agrees", [], 2],
  ])("with %s it stays as it is", async (_, answers, code) => {
    await using machine = await Machine.start();
    machine.write(".config/wa-relay/config.toml", OLD);

    const ran = await machine.init([machine.key, "", ...answers]);

    expect(ran.code).toBe(code);
    expect(machine.text).toBe(OLD);
    expect(machine.names).toEqual(["config.toml"]);
  });

  test("nothing is asked or written when nothing is missing", async () => {
    await using machine = await Machine.start();
    await machine.init(["kapso", machine.key, "", FRIEND, ""]);
    const before = machine.text;

    const ran = await machine.init([]);

    expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^Nothing is missing in /) });
    expect(machine.text).toBe(before);
    expect(machine.names).toEqual(["config.toml", "kapso-api-key"]);
  });

  test("the example with every line shown: its lines come into force where they are", async () => {
    await using machine = await Machine.start();
    const example = readFileSync(new URL("../../config.example.toml", import.meta.url), "utf8");
    machine.write(".config/wa-relay/config.toml", example);

    const ran = await machine.init(["kapso", machine.key, "", FRIEND, "", "yes"]);

    expect(ran.code).toBe(0);
    expect(machine.text.split("\n")).toHaveLength(example.split("\n").length);
    expect(machine.text).toMatch(/\[KAPSO_ALLOWED_NUMBERS=.*\]\nallowed_numbers = \[ "\+15551234567" \]\n/);
    expect((await machine.preflight()).code).toBe(0);
  });

  test("a file in another shape of TOML is written anew, with the same values", async () => {
    await using machine = await Machine.start();
    machine.write(
      ".config/wa-relay/config.toml",
      `kapso = { api_key = "${machine.key}" }\ndelivery.max_parallel = 3\n`,
    );

    const ran = await machine.init(["", FRIEND, "", "yes"]);

    expect(ran.code).toBe(0);
    expect(machine.config).toMatchObject({ account: { apiKey: machine.key }, delivery: { maxParallel: 3 } });
  });

  test("the Go bridge's file is read and left as it is", async () => {
    await using machine = await Machine.start();
    const old = `[kapso]\napi_key = "${machine.key}"\n[delivery]\nmode = "polling"\n`;
    const path = machine.write(".config/kapso-whatsapp/config.toml", old);

    expect((await machine.init(["", FRIEND])).code).toBe(0);

    expect(readFileSync(path, "utf8")).toBe(old);
    expect(machine.config).toMatchObject({ file: machine.file, account: { apiKey: machine.key } });
  });

  test("a link stays one, and another file is named in the next commands", async () => {
    await using machine = await Machine.start();
    const target = machine.write("dotfiles/relay.toml", "# mine\n");
    const link = join(machine.world.home, "my relay.toml");
    symlinkSync(target, link);
    chmodSync(machine.world.home, 0o755);

    const ran = await machine.init(["kapso", machine.key, "", FRIEND, "", "yes"], ["--config", link]);

    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining(`wa-poller --config '${link}'`) });
    expect(readFileSync(target, "utf8")).toContain("# mine");
    expect(modeOf(machine.world.home)).toBe("755");
    expect(machine.names).toEqual([]);
  });

  test("a link to what is not there yet stays one, too", async () => {
    await using machine = await Machine.start();
    const { home } = machine.world;
    const [link, next, target] = ["relay.toml", "dotfiles/link.toml", "dotfiles/new/relay.toml"].map((name) =>
      join(home, name),
    ) as [string, string, string];
    mkdirSync(join(home, "dotfiles"));
    symlinkSync("dotfiles/link.toml", link);
    symlinkSync("new/relay.toml", next);

    const ran = await machine.init(["kapso", machine.key, "", FRIEND, ""], ["--config", link]);

    expect(ran.code).toBe(0);
    expect([link, next].map((path) => lstatSync(path).isSymbolicLink())).toEqual([true, true]);
    expect(readFileSync(target, "utf8")).toContain("[kapso]");
    expect(modeOf(target)).toBe("600");
  });

  test("what would make no configuration is refused: exit 3, and nothing is written", async () => {
    await using machine = await Machine.start();
    const old = `[kapso]\napi_key = "${machine.key}"\n[webhook]\nurl = "https://bot.example.com/webhook"\n`;
    machine.write(".config/wa-relay/config.toml", old);

    const ran = await machine.init(["", FRIEND, "tailscale", "yes"]);

    expect(ran).toMatchObject({
      code: 3,
      err: expect.stringContaining("the Funnel has an address of its own"),
    });
    expect(machine.text).toBe(old);
    expect(machine.names).toEqual(["config.toml"]);
  });

  test("a folder that can not be written is told", async () => {
    await using machine = await Machine.start();
    const blocked = machine.write("a-file", "");

    const ran = await machine.init(
      ["kapso", machine.key, "", FRIEND, ""],
      ["--config", join(blocked, "config.toml")],
    );

    expect(ran).toMatchObject({ code: 1, err: expect.stringContaining("Cannot write") });
  });
});

describe.concurrent("wa-cli init with Meta", () => {
  test("token, number, secrets and how messages come in", async () => {
    await using machine = await Machine.start();
    await using tailscale = new StandInTailscale();
    const { meta } = machine;

    const ran = await machine.init(
      ["meta", "EAAB-wrong", meta.token, "", FRIEND, "", meta.appSecret, meta.verifyToken],
      [],
      { env: { PATH: tailscale.path } },
    );

    expect(ran.code).toBe(0);
    expect(ran.err).toContain("this machine is relay.tail1234.ts.net");
    expect(ran.out).toContain("wa-cli preflight --fix");
    expect(machine.names).toEqual([
      "config.toml",
      "meta-access-token",
      "meta-app-secret",
      "meta-verify-token",
    ]);
    expect(machine.config).toMatchObject({
      provider: "meta",
      account: { apiKey: meta.token, phoneNumberId: meta.phoneNumberId },
      delivery: { mode: "tailscale" },
      webhook: { secret: meta.appSecret, verifyTokens: [meta.verifyToken] },
    });
    const { checks } = read(await machine.preflight()) as { checks: { name: string; ok: boolean }[] };
    expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(["callback", "webhook"]);
  });

  test("--yes with every answer as an option; a verify token is made", async () => {
    await using machine = await Machine.start();
    const { meta } = machine;
    const files = [
      "--key-file",
      machine.write("token", meta.token),
      "--app-secret-file",
      machine.write("secret", meta.appSecret),
    ];

    const ran = await machine.init(
      [],
      [
        "--yes",
        "--provider",
        "meta",
        ...files,
        "--allow",
        FRIEND,
        "--mode",
        "domain",
        "--url",
        "https://bot.example.com",
      ],
    );

    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining("https://bot.example.com/webhook") });
    expect(machine.config.webhook.verifyTokens).toEqual([expect.stringMatching(/^[\da-f]{32}$/)]);
    const { checks } = read(await machine.preflight()) as { checks: { name: string; ok: boolean }[] };
    expect(checks.find(({ name }) => name === "number")).toMatchObject({ ok: true });
  });
});

describe.concurrent("wa-cli init and the gateway", () => {
  test("one on this machine is found; its token stays where it is", async () => {
    await using machine = await Machine.start();
    await using gateway = await EchoGateway.start({ token: "gateway-secret" });
    const { port } = new URL(gateway.url);
    const local = JSON.stringify({ gateway: { port: Number(port), auth: { token: "gateway-secret" } } });
    machine.write(".openclaw/openclaw.json", local);

    const ran = await machine.init(["kapso", machine.key, "", FRIEND, ""], [], {
      env: { OPENCLAW_GATEWAY_URL: "" },
    });

    expect(ran.err).toMatch(/✓ gateway/);
    expect(machine.text).not.toContain("[gateway]");
    expect(machine.names).toEqual(["config.toml", "kapso-api-key"]);
    expect((await machine.preflight()).code).toBe(0);
  });

  test("none: an address is asked for, then a token until it is taken", async () => {
    await using machine = await Machine.start();
    await using gateway = await EchoGateway.start({ token: "gateway-secret" });
    const none = machine.write(
      ".openclaw/openclaw.json",
      JSON.stringify({ gateway: { port: await freePort() } }),
    );
    expect(existsSync(none)).toBe(true);

    const ran = await machine.init(
      ["kapso", machine.key, "", FRIEND, "", "gateway", gateway.url, "wrong", "gateway-secret"],
      [],
      { env: { OPENCLAW_GATEWAY_URL: "" } },
    );

    expect(ran.code).toBe(0);
    expect(machine.config.gateway).toMatchObject({ url: gateway.url, token: "gateway-secret" });
    expect(machine.names).toContain("gateway-token");
  });

  test("it may be started later", async () => {
    await using machine = await Machine.start();
    const env = { OPENCLAW_GATEWAY_URL: `ws://127.0.0.1:${await freePort()}` };

    expect((await machine.init(["kapso", machine.key, "", FRIEND, "", ""], [], { env })).code).toBe(0);
    const key = machine.write("key", machine.key);
    expect((await machine.init([], ["--yes", "--key-file", key, "--allow", FRIEND], { env })).code).toBe(0);
  });
});

describe.concurrent("wa-cli init at a terminal", () => {
  /** Types an answer when its question is there; returns all that was shown. */
  async function type(machine: Machine, answers: readonly (readonly [question: string, answer: string])[]) {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const stop = new AbortController();
    const stderr = new PassThrough();
    let shown = "";
    stderr.on("data", (chunk: Buffer) => (shown += chunk.toString("utf8")));
    const ended = machine.init([], [], { stdin, signal: stop.signal, stderr });
    let seen = 0;
    for (const [question, answer] of answers) {
      await until(question, () => shown.indexOf(question, seen) !== -1);
      seen = shown.indexOf(question, seen) + question.length;
      if (answer === "SIGINT") stop.abort(new Error("Interrupted by SIGINT"));
      else for (const key of answer === "^C" ? "\u0003" : `${answer}\r`) stdin.write(key);
    }
    return { ...(await ended), shown };
  }

  test("what is typed is shown, but never a secret", async () => {
    await using machine = await Machine.start();

    const { code, shown } = await type(machine, [
      ["Your choice [1]: ", "1"],
      ["it is not shown: ", "sk-wrong"],
      ["it is not shown: ", machine.key],
      ["Your choice [1]: ", ""],
      ["for now: ", FRIEND],
      ["Your choice [1]: ", ""],
    ]);

    expect(code).toBe(0);
    expect(shown).toContain(FRIEND);
    expect(shown).not.toContain("sk-wrong");
    expect(shown).not.toContain(machine.key);
    expect((await machine.preflight()).code).toBe(0);
  });

  test.each(["^C", "SIGINT"])("%s at any question leaves nothing", async (interrupt) => {
    const questions = [
      "Your choice [1]: ",
      "it is not shown: ",
      "Your choice [1]: ",
      "for now: ",
      "Your choice [1]: ",
    ];
    for (const [index] of questions.entries()) {
      await using machine = await Machine.start();
      const answers = ["1", machine.key, "", FRIEND];

      const { code } = await type(machine, [
        ...questions.slice(0, index).map((question, at) => [question, answers[at] ?? ""] as const),
        [questions[index] ?? "", interrupt],
      ]);

      expect(code).toBe(1);
      expect(machine.names).toEqual([]);
    }
  });
});
