import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { expect } from "vitest";
import { runCli } from "../../cli/main.ts";
import { StandInKapso } from "../../src/sandbox/kapso.ts";
import { accountEnv } from "../account.ts";

export const TO = "+15551234567";
export const DIGITS = "15551234567";
/** Everybody may be written to at any time: for tests of something else. */
export const OPEN = { WA_SEND_ALLOW_TO: "*", WA_SEND_CHECK_WINDOW: "false" };
const API_KEY = "sk-4711-very-secret";

export interface RunOptions {
  readonly stdin?: string | (Readable & { readonly isTTY?: boolean });
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Of the process that it is taken for. */
  readonly pid?: number;
  /** Somebody sits there. */
  readonly isTerminal?: boolean;
  /** To see what is said while it runs. */
  readonly stderr?: PassThrough;
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The one document on standard output. */
export function read({ out }: Ran): Record<string, unknown> {
  return JSON.parse(out) as Record<string, unknown>;
}

/** A stand-in for Kapso, a home folder, and `wa-cli` between them. */
export class World implements AsyncDisposable {
  readonly kapso: StandInKapso;
  readonly home = mkdtempSync(join(tmpdir(), "wa-cli-test-"));

  private constructor(kapso: StandInKapso) {
    this.kapso = kapso;
  }

  static async start(): Promise<World> {
    return new World(await StandInKapso.start({ apiKey: API_KEY }));
  }

  get state(): string {
    return join(this.home, "state");
  }

  /** Everything that went to people, in order. */
  get texts(): readonly string[] {
    return this.kapso.sent.map(({ text }) => text);
  }

  /** Runs one command line. No output may ever show the key. */
  async run(
    args: readonly string[],
    { stdin = "", env, signal, isTerminal = false, pid = process.pid, ...streams }: RunOptions = {},
  ): Promise<Ran> {
    const stdout = Object.assign(new PassThrough(), { isTTY: isTerminal });
    const stderr = streams.stderr ?? new PassThrough();
    const [out, err] = [collect(stdout), collect(stderr)];
    const io = {
      env: {
        HOME: this.home,
        KAPSO_STATE_DIR: this.state,
        ...accountEnv(this.kapso),
        ...OPEN,
        ...env,
      },
      stdin: typeof stdin === "string" ? new PassThrough().end(stdin) : stdin,
      stdout,
      stderr,
      signal: signal ?? new AbortController().signal,
      pid,
    };
    const code = await runCli(io, args);
    const ran = { code, out: out(), err: err() };
    expect(ran.out + ran.err).not.toContain(API_KEY);
    return ran;
  }

  async send(text: string, options?: RunOptions): Promise<Ran> {
    return this.run(["send", "--to", TO, "--text", text, "--json"], options);
  }

  /** Sends are answered so from now on. */
  refuse(status: number, body: unknown, headers?: Readonly<Record<string, string>>): void {
    this.kapso.fault = ({ kind }) =>
      kind === "send" ? { status, body: JSON.stringify(body), ...(headers && { headers }) } : undefined;
  }

  heal(): void {
    this.kapso.fault = () => undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kapso[Symbol.asyncDispose]();
    rmSync(this.home, { recursive: true, force: true });
  }
}

function collect(stream: PassThrough): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}
