import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { StateError } from "../../src/errors.ts";
import { Device } from "../../src/gateway/device.ts";

function scratch() {
  const path = mkdtempSync(join(tmpdir(), "wa-device-test-"));
  return {
    path,
    file: join(path, "device.json"),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** PKCS #8 of an Ed25519 key, up to its 32 bytes. */
const PKCS8_HEAD = "302e020100300506032b657004220420";
const SEED = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

const pem = (type: "x25519" | "ed25519") =>
  (type === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("x25519")).privateKey.export({
    type: "pkcs8",
    format: "pem",
  });

describe("Device", () => {
  test("signs as the gateway's own client does", () => {
    const key = createPrivateKey({
      key: Buffer.from(PKCS8_HEAD + SEED, "hex"),
      format: "der",
      type: "pkcs8",
    });
    const device = new Device("/nowhere/device.json", key);

    const signed = device.sign({
      clientId: "gateway-client",
      clientMode: "backend",
      role: "operator",
      scopes: ["operator.read", "operator.write"],
      token: "lab-token",
      nonce: "c54d973b-477a-4caf-a8da-70d710a8d20f",
      signedAt: 1_795_167_125_147,
    });

    expect(signed).toEqual({
      id: "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c",
      publicKey: "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
      signature: "E5PnQzyVW1R4YtCiNvC2rh8EpB23UKH7d62hEQQSLWqDPBPcbMZzNYZ4uQP_k01Wdy_k-43wDQNapKTMLNdcBQ",
      signedAt: 1_795_167_125_147,
      nonce: "c54d973b-477a-4caf-a8da-70d710a8d20f",
    });
  });

  test("load() makes a key once and finds it again", () => {
    using folder = scratch();

    const first = Device.load(folder.path);
    const second = Device.load(folder.path);

    expect(first.id).toMatch(/^[0-9a-f]{64}$/);
    expect(second.id).toBe(first.id);
    expect(second.publicKey).toBe(first.publicKey);
  });

  test("P9: the file is for its owner alone, after every save", () => {
    using folder = scratch();
    const device = Device.load(folder.path);
    const mode = () => statSync(folder.file).mode & 0o777;

    expect(mode()).toBe(0o600);
    device.keepToken("token-1");

    expect(mode()).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(["device.json"]);
  });

  test("keepToken() keeps the newest token, and the key, over restarts", () => {
    using folder = scratch();
    const device = Device.load(folder.path);

    device.keepToken("token-1");
    device.keepToken("token-2");

    expect(device.token).toBe("token-2");
    expect(Device.load(folder.path)).toMatchObject({ id: device.id, token: "token-2" });
  });

  test("keepToken(undefined) forgets a token that was refused", () => {
    using folder = scratch();
    const device = Device.load(folder.path);
    device.keepToken("token-1");

    device.keepToken(undefined);

    expect(Device.load(folder.path)).toMatchObject({ id: device.id, token: undefined });
  });

  test.each([
    ["nothing", ""],
    ["half a file", '{"privateKey":"-----BEGIN PRIV'],
    ["no key", '{"token":"t"}'],
    ["a key that is none", '{"privateKey":"abc"}'],
    ["a list", "[]"],
  ])("load() refuses a file with %s and never overwrites it", (_what, text) => {
    using folder = scratch();
    writeFileSync(folder.file, text);

    const load = () => Device.load(folder.path);

    expect(load).toThrow(StateError);
    expect(load).toThrow(/device key .* is damaged/);
    expect(readFileSync(folder.file, "utf8")).toBe(text);
  });

  test("load() refuses a key of another kind, with which nothing could be signed", () => {
    using folder = scratch();
    writeFileSync(folder.file, JSON.stringify({ privateKey: pem("x25519") }));

    expect(() => Device.load(folder.path)).toThrow(StateError);
  });

  test("P9: the error about a damaged file does not show what is in it", () => {
    using folder = scratch();
    const secret = "c2VjcmV0LWtleS1ieXRlcw";
    writeFileSync(folder.file, `{"privateKey":"${secret}"}`);

    try {
      Device.load(folder.path);
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain(secret);
      expect(String(error instanceof Error ? error.cause : "")).not.toContain(secret);
    }
  });
});
