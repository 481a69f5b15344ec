import { Writable } from "node:stream";
import { createInterface, type Interface } from "node:readline/promises";
import { abortable } from "../../src/abortable.ts";
import { RelayError } from "../../src/errors.ts";
import { visible } from "../../src/visible.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { say, type Io } from "../io.ts";

export interface Question {
  readonly text: string;
  /** What it is about, when the text does not tell. */
  readonly title?: string;
  /** The option that would have answered it. */
  readonly flag: string;
  /** What an empty answer means; without one an empty answer is empty. */
  readonly fallback?: string | undefined;
  /** Not shown while it is typed. */
  readonly isSecret?: boolean;
}

/** There is nobody who could be asked, or no more lines to read. */
export class NoAnswerError extends RelayError {
  readonly flag: string;

  constructor({ text, title = text, flag }: Question) {
    super(`No answer to: ${title}`, { hint: `give ${flag}` });
    this.flag = flag;
  }
}

/** Where answers come from; undefined at the end. */
interface Answers extends Disposable {
  read(text: string, isSecret: boolean): Promise<string | undefined>;
}

/** Asks a person at a terminal, or reads a line for each question; with `--yes` nobody is asked. Speaks on stderr. */
export class Prompt implements Disposable {
  readonly #io: Io;
  readonly #answers: Answers | undefined;

  constructor(io: Io, { isSilent }: { readonly isSilent: boolean }) {
    this.#io = io;
    if (!isSilent) this.#answers = io.stdin.isTTY === true ? new Terminal(io) : new Lines(io);
  }

  get canAsk(): boolean {
    return this.#answers !== undefined;
  }

  say(line: string): void {
    say(this.#io, line);
  }

  /** @throws NoAnswerError */
  async ask(question: Question): Promise<string> {
    const { text, fallback, isSecret = false } = question;
    if (this.#answers === undefined) {
      if (fallback === undefined) throw new NoAnswerError(question);
      return fallback;
    }
    const shown = fallback === undefined || fallback === "" ? text : `${text} [${fallback}]`;
    const answer = await this.#answers.read(`${visible(shown)}: `, isSecret);
    if (answer === undefined) throw new NoAnswerError(question);
    return answer.trim() === "" ? (fallback ?? "") : answer.trim();
  }

  [Symbol.dispose](): void {
    this.#answers?.[Symbol.dispose]();
  }
}

/** A person who types. Between two questions the terminal is as it was, and Ctrl-C a signal. */
class Terminal implements Answers {
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  async read(text: string, isSecret: boolean): Promise<string | undefined> {
    const { stdin, stderr, signal } = this.#io;
    signal.throwIfAborted();
    const output = new Writable({
      write: (chunk, _, done) => {
        if (!isSecret) stderr.write(chunk);
        done();
      },
    });
    const lines = createInterface({ input: stdin, output, terminal: true, historySize: 0 });
    const stop = new AbortController();
    const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
    lines.on("SIGINT", () => stop.abort(new CommandError(EXIT.failed, "Interrupted by SIGINT")));
    lines.on("close", () => end(undefined));
    if (isSecret) stderr.write(text);
    const both = AbortSignal.any([signal, stop.signal]);
    try {
      const answer = lines.question(isSecret ? "" : text, { signal: both });
      // Closing it settles the question or does not, depending on the version of Node.
      answer.catch(() => {});
      return await abortable(Promise.race([answer, ended]), both);
    } finally {
      lines.close();
      if (isSecret || both.aborted) stderr.write("\n");
    }
  }

  [Symbol.dispose](): void {}
}

/** A file or a pipe with a line for each question. */
class Lines implements Answers {
  readonly #io: Io;
  readonly #lines: Interface;
  readonly #next: AsyncIterator<string>;

  constructor(io: Io) {
    this.#io = io;
    this.#lines = createInterface({ input: io.stdin, crlfDelay: Number.POSITIVE_INFINITY });
    this.#next = this.#lines[Symbol.asyncIterator]();
  }

  async read(text: string): Promise<string | undefined> {
    this.#io.stderr.write(text);
    const { done, value } = await abortable(this.#next.next(), this.#io.signal);
    this.#io.stderr.write("\n");
    return done === true ? undefined : value;
  }

  [Symbol.dispose](): void {
    this.#lines.close();
  }
}
