import { constants } from "node:fs";
import { access, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childEnvironment } from "../child-environment.ts";
import { describeError, isCode } from "../errors.ts";
import type { MediaFile } from "../pipeline/media.ts";
import { runCommand, type Command } from "./command.ts";
import { TranscribeError, type Heard, type Provider } from "./provider.ts";

export interface LocalOptions {
  /** whisper-cli; a bare name is in the PATH. */
  readonly binaryPath: string;
  readonly modelPath: string;
  readonly language: string | undefined;
  /** Ours; only a few of these variables are passed on, and no key is among them. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where libraries and graphics cards are. */
const PASSED_ON = [
  "LC_ALL",
  "LD_LIBRARY_PATH",
  "DYLD_LIBRARY_PATH",
  "OMP_NUM_THREADS",
  "CUDA_VISIBLE_DEVICES",
  "HIP_VISIBLE_DEVICES",
  "VK_ICD_FILENAMES",
];
/** Not among them: playlists and lists of files, which name other files that would then be read. */
const FORMATS = "ogg,mov,mp3,aac,amr,wav,flac,matroska";
/** Keeps the disk from filling up: more than four hours. */
const MAX_WAV_BYTES = 536_870_912;
const MAX_TEXT_BYTES = 1_048_576;
/** What whisper.cpp writes when nobody speaks. */
const SILENCE = /[[(]\s*(?:blank_audio|silence)\s*[\])]/gi;
const MISSING = ["ENOENT", "EACCES", "ENOTDIR"];
const NOT_SET_UP = "speech recognition is not set up on this machine";

/** whisper.cpp's command, after ffmpeg: https://github.com/ggml-org/whisper.cpp/tree/master/examples/cli */
export class LocalWhisper implements Provider {
  readonly #options: LocalOptions;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(options: LocalOptions) {
    this.#options = options;
    this.#env = childEnvironment(options.env, PASSED_ON);
  }

  async hear(file: MediaFile, signal: AbortSignal): Promise<Heard> {
    const { binaryPath, modelPath, language = "auto" } = this.#options;
    await requireFile(modelPath);
    await using folder = await TemporaryFolder.make();
    const wav = join(folder.path, "audio.wav");
    const out = join(folder.path, "transcript");
    const base = { cwd: folder.path, env: this.#env };
    await this.#run({ ...base, bin: "ffmpeg", args: toWav(file.path, wav) }, FFMPEG, signal);
    const args = ["-m", modelPath, "-f", wav, "-l", language, "-nt", "-otxt", "-of", out];
    await this.#run({ ...base, bin: binaryPath, args }, WHISPER, signal);
    const text = await readStart(`${out}.txt`);
    return { text: text.replace(SILENCE, "").trim() };
  }

  async #run(command: Command, { name, hint, failed }: Tool, signal: AbortSignal): Promise<void> {
    const ended = await runCommand(command, signal);
    switch (ended.kind) {
      case "done":
        return;
      case "notStarted": {
        const isMissing = MISSING.some((code) => isCode(ended.error, code));
        throw new TranscribeError(
          `Cannot start ${name}: ${describeError(ended.error)}`,
          isMissing ? { reason: `${NOT_SET_UP}: ${name} is missing` } : { reason: failed },
          { cause: ended.error, hint: isMissing ? hint : undefined },
        );
      }
      case "killed":
        throw new TranscribeError(`${name} was ended by ${ended.by}`, {
          reason: "the system ended speech recognition before it was done",
        });
      case "failed":
        throw new TranscribeError(`${name} failed: ${lastLines(ended.complaint)}`, { reason: failed });
    }
  }
}

interface Tool {
  readonly name: string;
  readonly hint: string;
  /** For the agent, when it did not succeed. */
  readonly failed: string;
}

const FFMPEG: Tool = {
  name: "ffmpeg",
  hint: "install ffmpeg, or see that it is in the PATH of the service",
  failed: "the recording could not be decoded",
};
const WHISPER: Tool = {
  name: "whisper-cli",
  hint: "install whisper.cpp, or set transcribe.binary_path (KAPSO_TRANSCRIBE_BINARY_PATH)",
  failed: "speech recognition on this machine failed",
};

/** The recording is a stranger's: it is read as sound of a known format, from this file alone. */
function toWav(from: string, to: string): string[] {
  const input = ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i", `file:${from}`];
  const output = ["-map", "0:a:0", "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le"];
  const limits = ["-fs", String(MAX_WAV_BYTES)];
  return [
    "-nostdin",
    "-hide_banner",
    "-loglevel",
    "error",
    ...input,
    ...output,
    ...limits,
    "-f",
    "wav",
    "-y",
    to,
  ];
}

async function requireFile(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((cause: unknown) => {
    throw new TranscribeError(
      `Cannot read the model: ${describeError(cause)}`,
      { reason: `${NOT_SET_UP}: its model file is missing` },
      { cause, hint: "set transcribe.model_path (KAPSO_TRANSCRIBE_MODEL_PATH) to a file of whisper.cpp's" },
    );
  });
}

/** The file's first MiB; nobody speaks that much. */
async function readStart(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const buffer = Buffer.alloc(MAX_TEXT_BYTES);
    const { bytesRead } = await file.read(buffer);
    return buffer.toString("utf8", 0, bytesRead);
  } catch (cause) {
    throw new TranscribeError(
      `whisper-cli left no transcript: ${describeError(cause)}`,
      { reason: WHISPER.failed },
      { cause },
    );
  }
}

function lastLines(text: string): string {
  return text.split("\n").slice(-3).join(" ").slice(-500) || "it did not say why";
}

class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Closed to others: what is said in it is private. */
  static async make(): Promise<TemporaryFolder> {
    return new TemporaryFolder(await mkdtemp(join(tmpdir(), "wa-relay-audio-")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 }).catch(() => {
      // No reason to lose a transcript: systems clean this folder themselves.
    });
  }
}
