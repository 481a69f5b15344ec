const STREAM = 0x5eed;

interface PageGiven {
  readonly position: bigint;
  readonly body: Buffer;
  readonly stream?: number;
}

/** A page of an Ogg file; its checksum is left out. */
export function oggPage({ position, body, stream = STREAM }: PageGiven): Buffer {
  const lacing = [...Array<number>(Math.floor(body.length / 255)).fill(255), body.length % 255];
  const header = Buffer.alloc(27);
  header.write("OggS", "latin1");
  header.writeBigInt64LE(position, 6);
  header.writeUInt32LE(stream, 14);
  header.writeUInt8(lacing.length, 26);
  return Buffer.concat([header, Buffer.from(lacing), body]);
}

/** The first page of a voice message. */
export function opusHead(preSkip = 312): Buffer {
  const body = Buffer.alloc(19);
  body.write("OpusHead", "latin1");
  body.writeUInt8(1, 8);
  body.writeUInt8(1, 9);
  body.writeUInt16LE(preSkip, 10);
  body.writeUInt32LE(16_000, 12);
  return oggPage({ position: 0n, body });
}

/** A voice message of this length, with nothing in it. */
export function voiceMessage(seconds: number, preSkip = 312): Buffer {
  const tags = oggPage({ position: 0n, body: Buffer.from("OpusTags") });
  const pages = Array.from({ length: 4 }, (_, index) =>
    oggPage({
      position: BigInt(preSkip + Math.round((seconds * 48_000 * (index + 1)) / 4)),
      body: Buffer.alloc(1000, 7),
    }),
  );
  return Buffer.concat([opusHead(preSkip), tags, ...pages]);
}
