import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { supportedExtensions } from "file-type";
import { describe, expect, test } from "vitest";
import { sniff } from "../../src/media/sniff.ts";
import { voiceMessage } from "./ogg.ts";
import { PNG, tempFolder } from "./stand-in.ts";

async function sniffed(bytes: Buffer | string) {
  using folder = tempFolder();
  const path = join(folder.path, "file");
  writeFileSync(path, bytes);
  return await sniff(path);
}

describe("sniff()", () => {
  test.each([
    ["a picture", PNG, "image/png", "png"],
    ["a photo", Buffer.from("ffd8ffe000104a46494600010100000100010000", "hex"), "image/jpeg", "jpg"],
    ["a voice message", voiceMessage(1), "audio/ogg", "ogg"],
    ["a document", Buffer.from("%PDF-1.7\n1 0 obj"), "application/pdf", "pdf"],
    ["a program", Buffer.from("\x7fELF\x02\x01\x01\0\0\0\0\0", "latin1"), "application/x-elf", "elf"],
    ["a text", "Grüße 👋\r\n\tfrom Ann\n", "text/plain", "txt"],
    ["a text that begins like a bitmap", "BMW and MZ", "text/plain", "txt"],
    ["a table", "name,phone\nAnn,1\n", "text/plain", "txt"],
    ["a web page", "<!doctype html><script>1</script>", "text/plain", "txt"],
    ["a long text, cut inside a letter", `x${"ü".repeat(40_000)}`, "text/plain", "txt"],
    ["nothing", "", "application/octet-stream", "bin"],
    ["noise", Buffer.from([1, 2, 3, 0xff, 0]), "application/octet-stream", "bin"],
    ["a text with a NUL", "text\0text", "application/octet-stream", "bin"],
    ["a text with escapes", "\u001B]0;title\u0007", "application/octet-stream", "bin"],
    ["an archive that breaks off", Buffer.from("504b0304ffffffff", "hex"), "application/zip", "zip"],
  ])("%s", async (_what, bytes, mimeType, extension) => {
    expect(await sniffed(bytes)).toEqual({ mimeType, extension });
  });

  test("an office document is told from an archive, wherever its list of contents is", async () => {
    const types =
      '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ' +
      'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>';
    const picture = (folder: string) => zipped(`${folder}/image1.png`, Buffer.alloc(300_000));
    const document = Buffer.concat([
      picture("word/media"),
      zipped("[Content_Types].xml", Buffer.from(types)),
    ]);

    expect(await sniffed(document)).toMatchObject({ extension: "docx" });
    expect(await sniffed(picture("photos"))).toMatchObject({ extension: "zip" });
  });

  test("every ending that can be found fits the names of the folder", async () => {
    expect([...supportedExtensions].filter((ending) => !/^[a-z0-9][a-z0-9.]*$/i.test(ending))).toEqual([]);
    expect(await sniffed(Buffer.from("1fa0000000000000", "hex"))).toMatchObject({ extension: "z" });
  });
});

/** A file inside of an archive, as it is. */
function zipped(name: string, bytes: Buffer): Buffer {
  const header = Buffer.alloc(30);
  header.write("PK\x03\x04", "latin1");
  header.writeUInt32LE(bytes.length, 18);
  header.writeUInt32LE(bytes.length, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), bytes]);
}
