import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { StateError } from "../errors.ts";

/** The platform that is signed and shown. Fixed: the gateway asks for a new approval when it changes. */
export const DEVICE_PLATFORM = "linux";

const file = z.object({ privateKey: z.string(), token: z.string().optional() });

export interface ConnectFacts {
  readonly clientId: string;
  readonly clientMode: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly token: string | undefined;
  readonly nonce: string;
  /** The challenge's own time, so that our clock does not matter. */
  readonly signedAt: number;
}

/** This bridge's key pair at the gateway, and the token that the gateway gave it; kept in `device.json`. */
export class Device {
  readonly id: string;
  /** base64url of the raw 32 bytes. */
  readonly publicKey: string;
  readonly #path: string;
  readonly #key: KeyObject;
  #token: string | undefined;

  constructor(path: string, key: KeyObject, token?: string) {
    this.#path = path;
    this.#key = key;
    this.#token = token;
    const raw = createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
    this.id = createHash("sha256").update(raw).digest("hex");
    this.publicKey = raw.toString("base64url");
  }

  /**
   * Loads the key or makes one.
   * @throws StateError when the file is damaged: a new key would silently lose the approval
   */
  static load(folder: string): Device {
    const path = join(folder, "device.json");
    if (!existsSync(path)) {
      const device = new Device(path, generateKeyPairSync("ed25519").privateKey);
      device.#save();
      return device;
    }
    try {
      const { privateKey, token } = file.parse(JSON.parse(readFileSync(path, "utf8")));
      const key = createPrivateKey(privateKey);
      if (key.asymmetricKeyType !== "ed25519")
        throw new TypeError(`It is a key of type ${key.asymmetricKeyType}`);
      return new Device(path, key, token);
    } catch {
      // Without the cause: it quotes the file.
      throw new StateError(`The device key ${path} is damaged`, {
        hint: "restore it from a backup; or delete it, and approve the new device at the gateway",
      });
    }
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** Keeps the token of the newest hello; `undefined` forgets a token that was refused. */
  keepToken(token: string | undefined): void {
    if (token === this.#token) return;
    this.#token = token;
    this.#save();
  }

  /** The `device` part of a connect request: identity, and a signature over everything that matters in it. */
  sign(facts: ConnectFacts): Record<string, string | number> {
    const payload = [
      "v3",
      this.id,
      facts.clientId,
      facts.clientMode,
      facts.role,
      facts.scopes.join(","),
      String(facts.signedAt),
      facts.token ?? "",
      facts.nonce,
      DEVICE_PLATFORM,
      "",
    ].join("|");
    return {
      id: this.id,
      publicKey: this.publicKey,
      signature: sign(null, Buffer.from(payload, "utf8"), this.#key).toString("base64url"),
      signedAt: facts.signedAt,
      nonce: facts.nonce,
    };
  }

  #save(): void {
    const privateKey = this.#key.export({ type: "pkcs8", format: "pem" });
    const temporary = `${this.#path}.new`;
    writeFileSync(temporary, JSON.stringify({ privateKey, token: this.#token }), {
      mode: 0o600,
      flush: true,
    });
    renameSync(temporary, this.#path);
  }
}
