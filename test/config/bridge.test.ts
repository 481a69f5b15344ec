import { describe, expect, test } from "vitest";
import { Home } from "./home.ts";

const HTTP = { GATEWAY_TYPE: "http", GATEWAY_URL: "http://127.0.0.1:8080/api/whatsapp/webhook" };

describe("gateway.type = http", () => {
  test("takes the address as it is, no OpenClaw of this machine, and listens on loopback", () => {
    using home = new Home();
    home.write(
      ".openclaw/openclaw.json",
      '{"gateway":{"port":1,"auth":{"mode":"token","token":"openclaw"}}}',
    );

    const { gateway, bridge } = home.load(HTTP);

    expect(gateway).toMatchObject({ type: "http", url: HTTP.GATEWAY_URL, token: undefined, isNamed: true });
    expect(bridge).toEqual({
      listen: { host: "127.0.0.1", port: 18791 },
      token: undefined,
      url: undefined,
      rateLimit: 300,
    });
  });

  test.each([
    ["[gateway]\ntype = 'http'", /^gateway\.url .*missing/],
    ["[gateway]\ntype = 'http'\nurl = 'ws://127.0.0.1:1'", /^gateway\.url .*must be an http URL/],
    ["[gateway]\nurl = 'http://127.0.0.1:1'", /^gateway\.url .*must be a WebSocket URL/],
    ["[gateway]\ntype = 'http'\nurl = 'ftp://127.0.0.1:1'", /gateway\.url/],
  ])("%s is refused", (toml, problem) => {
    using home = new Home();

    expect(home.problems(toml)).toEqual([expect.stringMatching(problem)]);
  });
});

describe("[bridge]", () => {
  test("without an agent that speaks HTTP nothing listens, unless an address is set", () => {
    using home = new Home();

    expect(home.load().bridge.listen).toBeUndefined();
    expect(home.load({ WA_BRIDGE_ADDR: "127.0.0.1:5" }).bridge.listen).toEqual({
      host: "127.0.0.1",
      port: 5,
    });
  });

  test.each([":18791", "0.0.0.0:18791", "[::]:18791", "192.168.1.5:18791", "bridge.example.com:18791"])(
    "%s needs a token",
    (addr) => {
      using home = new Home();
      const toml = `[bridge]\naddr = "${addr}"\n`;

      expect(home.problems(toml)).toEqual([
        expect.stringMatching(/^bridge\.token \(WA_BRIDGE_TOKEN\) is missing/),
      ]);
      expect(home.loadText(`${toml}token = "t"\nurl = "http://bridge.local:1/"\n`).bridge).toMatchObject({
        token: "t",
        url: "http://bridge.local:1",
      });
    },
  );

  test.each(["127.0.0.1:1", "localhost:1", "[::1]:1", "127.1.2.3:1"])("%s needs none", (addr) => {
    using home = new Home();

    expect(home.problems(`[bridge]\naddr = "${addr}"\n`)).toEqual([]);
  });

  test.each(["here", "127.0.0.1", "127.0.0.1:99999", ""])("%s is no address", (addr) => {
    using home = new Home();

    expect(home.problems(`[bridge]\naddr = "${addr}"\n`)).toEqual([
      expect.stringMatching(/^bridge\.addr \(WA_BRIDGE_ADDR\): must be a host and a port/),
    ]);
  });
});
