import type { Listener } from "./listener.ts";

export interface Health {
  readonly ok: boolean;
  /** Part → whether it does its work, and its state in a word. */
  readonly parts: Readonly<Record<string, { readonly ok: boolean; readonly state: string }>>;
}

/** Serves `GET /health`: 200 while every part does its work, else 503. */
export function serveHealth(listener: Pick<Listener, "serve">, report: () => Promise<Health>): Disposable {
  return listener.serve(["/health"], async ({ method }) => {
    if (method !== "GET") return { status: 405, body: "Method not allowed", headers: { Allow: "GET" } };
    const { ok, parts } = await report();
    const body = JSON.stringify({ status: ok ? "ok" : "unhealthy", parts });
    return { status: ok ? 200 : 503, type: "application/json", body };
  });
}
