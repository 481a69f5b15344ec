/** The first page of an Ogg file with this packet. */
function oggPage(packet: Uint8Array): Buffer {
  const header = Buffer.alloc(28);
  header.write("OggS");
  header[5] = 2;
  header[26] = 1;
  header[27] = packet.length;
  return Buffer.concat([header, packet]);
}

export function opus({ channels = 1 } = {}): Buffer {
  const head = Buffer.alloc(19);
  head.write("OpusHead");
  head[8] = 1;
  head[9] = channels;
  head.writeUInt32LE(48_000, 12);
  return Buffer.concat([oggPage(head), oggPage(Buffer.from("OpusTags........"))]);
}

export function vorbis(): Buffer {
  return oggPage(Buffer.concat([Buffer.from([1]), Buffer.from("vorbis"), Buffer.alloc(23)]));
}

export const MP3 = Buffer.concat([
  Buffer.from("ID3\u0003\u0000\u0000\u0000\u0000\u0000\u0000", "latin1"),
  Buffer.from([0xff, 0xfb, 0x90, 0x00]),
  Buffer.alloc(413),
]);
export const MP4 = Buffer.concat([
  Buffer.from([0, 0, 0, 0x18]),
  Buffer.from("ftypmp42\u0000\u0000\u0000\u0000mp42isom", "latin1"),
  Buffer.alloc(64),
]);
export const PDF = Buffer.from("%PDF-1.7\n%\u00E2\u00E3\n1 0 obj\n<<>>\nendobj\n%%EOF\n", "latin1");
export const CFB = Buffer.concat([Buffer.from("d0cf11e0a1b11ae1", "hex"), Buffer.alloc(1024)]);

export function webp({ moves = false } = {}): Buffer {
  const head = Buffer.alloc(64);
  head.write("RIFF");
  head.writeUInt32LE(56, 4);
  head.write("WEBPVP8X", 8);
  head.writeUInt32LE(10, 16);
  head[20] = moves ? 0x02 : 0;
  return head;
}
