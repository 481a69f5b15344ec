import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Hash of a file or folder as Nix gives it for `outputHashMode = "recursive"`, such as `sha256-47DEQp…=`.
 * The format is that of https://nix.dev/manual/nix/latest/protocols/nix-archive
 */
export async function narHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  put(hash, "nix-archive-1");
  await putObject(hash, path);
  return `sha256-${hash.digest("base64")}`;
}

async function putObject(hash: Hash, path: string): Promise<void> {
  const stats = await lstat(path);
  put(hash, "(", "type");
  if (stats.isSymbolicLink()) put(hash, "symlink", "target", await readlink(path));
  else if (stats.isDirectory()) {
    put(hash, "directory");
    for (const name of (await readdir(path)).sort(byBytes)) {
      put(hash, "entry", "(", "name", name, "node");
      await putObject(hash, join(path, name));
      put(hash, ")");
    }
  } else {
    const isExecutable = (stats.mode & constants.S_IXUSR) !== 0;
    put(hash, "regular", ...(isExecutable ? ["executable", ""] : []), "contents", await readFile(path));
  }
  put(hash, ")");
}

/** Each with its length before it, and filled up to eight bytes. */
function put(hash: Hash, ...parts: readonly (string | Buffer)[]): void {
  for (const part of parts) {
    const bytes = Buffer.from(part);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    hash
      .update(length)
      .update(bytes)
      .update(Buffer.alloc((8 - (bytes.length % 8)) % 8));
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
