/** Before they are joined. */
const MAX_PIECES = 512;

/** The pieces of a body. Small ones are joined as they come: one of a single byte would cost two hundred. */
export class Pieces {
  readonly #joined: Buffer[] = [];
  #tail: Buffer[] = [];

  add(piece: Buffer): void {
    this.#tail.push(piece);
    if (this.#tail.length < MAX_PIECES) return;
    this.#joined.push(Buffer.concat(this.#tail));
    this.#tail = [];
  }

  clear(): void {
    this.#joined.length = 0;
    this.#tail = [];
  }

  join(): Buffer {
    return Buffer.concat([...this.#joined, ...this.#tail]);
  }
}
