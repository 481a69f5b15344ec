import { z } from "zod";
import { text } from "./output.ts";
import { parseJson } from "../json.ts";

/** Something that listens on the node. */
export interface Serve {
  readonly kind: "background" | "foreground";
  readonly port: number;
  readonly isPublic: boolean;
  /** Path → address that it is passed on to. */
  readonly proxies: Readonly<Record<string, string>>;
}

const web = z.looseObject({
  Handlers: z
    .record(z.string(), z.looseObject({ Proxy: text }))
    .nullish()
    .catch(undefined),
});
const serveShape = z.looseObject({
  TCP: z.record(z.string(), z.unknown()).nullish().catch(undefined),
  Web: z.record(z.string(), web).nullish().catch(undefined),
  AllowFunnel: z.record(z.string(), z.boolean()).nullish().catch(undefined),
});
const serveConfig = serveShape.extend({
  Foreground: z.record(z.string(), serveShape).nullish().catch(undefined),
});

export function readServes(out: string): readonly Serve[] | undefined {
  const parsed = serveConfig.safeParse(parseJson(out.trim() === "" ? "{}" : out));
  if (!parsed.success) return undefined;
  const { Foreground: sessions, ...background } = parsed.data;
  return [
    ...servesOf("background", background),
    ...Object.values(sessions ?? {}).flatMap((session) => servesOf("foreground", session)),
  ];
}

function servesOf(kind: Serve["kind"], config: z.output<typeof serveShape>): Serve[] {
  return Object.keys(config.TCP ?? {}).map((port) => {
    const suffix = `:${port}`;
    const handlers = Object.entries(config.Web ?? {})
      .filter(([host]) => host.endsWith(suffix))
      .flatMap(([, { Handlers }]) => Object.entries(Handlers ?? {}));
    return {
      kind,
      port: Number(port),
      isPublic: Object.entries(config.AllowFunnel ?? {}).some(
        ([host, isOn]) => isOn && host.endsWith(suffix),
      ),
      proxies: Object.fromEntries(
        handlers.map(([path, { Proxy: target }]) => [path, target ?? "something else"]),
      ),
    };
  });
}
