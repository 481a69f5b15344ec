/** A host and a port. `":18790"` means every interface, as it did for the Go bridge; undefined for what is none. */
export function parseAddress(
  text: string,
): { readonly host: string | undefined; readonly port: number } | undefined {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:]*)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const { v6, name = "", port } = match ?? {};
  const host = v6 ?? name;
  if (port === undefined || Number(port) > 65_535) return undefined;
  return { host: host === "" ? undefined : host, port: Number(port) };
}
