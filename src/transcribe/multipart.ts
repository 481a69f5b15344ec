import { randomUUID } from "node:crypto";

export interface Multipart {
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/**
 * A form with one file. Names and values must not have line ends or quotes: they are ours or checked by the configuration.
 * https://www.rfc-editor.org/rfc/rfc7578
 */
export function encodeMultipart(
  file: { readonly name: string; readonly mimeType: string; readonly bytes: Uint8Array },
  fields: Readonly<Record<string, string | undefined>>,
): Multipart {
  const boundary = `wa-relay-${randomUUID()}`;
  const part = (head: string) => `--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`;
  const texts = Object.entries(fields).map(([name, value]) =>
    value === undefined ? "" : `${part(`name="${name}"`)}${value}\r\n`,
  );
  const head = part(`name="file"; filename="${file.name}"\r\nContent-Type: ${file.mimeType}`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([
      Buffer.from(texts.join("") + head),
      file.bytes,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]),
  };
}
