import { join } from "node:path";
import type { Run } from "./run.ts";
import { MARK, type Launch } from "./supervisor.ts";

export const NAME = "wa-relay";
export const UNIT = `${NAME}.service`;

/** Where the unit of a user belongs: that is up to the systemd which reads it, and knows no variable of this shell. */
export async function unitPath(run: Run, home: string): Promise<string> {
  const { out } = await run("systemctl", "--user", "show", "--property=UnitPath", "--value");
  const folders = [...out.matchAll(/"((?:[^"\\]|\\.)*)"|\S+/g)].map(
    ([word, quoted]) => quoted?.replaceAll(/\\(.)/g, "$1") ?? word,
  );
  const usual = join(home, ".config", "systemd", "user");
  return join(folders.find((folder) => folder.endsWith("/systemd/user")) ?? usual, UNIT);
}

export interface UnitOptions {
  /** Of systemd: it warns of keys that it does not know. */
  readonly version: number;
  /** Whether there is `systemd-notify`, by which the daemon tells that it runs. */
  readonly canNotify: boolean;
}

/** The unit, with what is known to work in one of a user: https://www.freedesktop.org/software/systemd/man/systemd.exec.html */
export function unitText({ command, env }: Launch, { version, canNotify }: UnitOptions): string {
  const [program = "", ...args] = command;
  // Only arguments may have variables in them.
  const start = [quote(program), ...args.map((arg) => quote(arg).replaceAll("$", "$$$$"))];
  const variables = Object.entries({ ...env, WA_SERVICE: "systemd" });
  return `# ${MARK}, which writes it anew.
# Changes of your own belong into ${UNIT}.d/own.conf beside it: systemctl --user edit ${UNIT}
[Unit]
Description=WhatsApp for an agent (wa-relay)
# It never gives up, whatever the number of quick failures.
StartLimitIntervalSec=0

[Service]
${canNotify ? NOTIFY : "Type=exec"}
${variables.map(([name, value]) => `Environment=${quote(`${name}=${value}`)}`).join("\n")}
ExecStart=${start.join(" ")}
Restart=always
RestartSec=2
${version >= 254 ? "RestartSteps=6\nRestartMaxDelaySec=60\n" : ""}# A configuration that can not be used is not mended by a restart.
RestartPreventExitStatus=78
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=true
LockPersonality=true
RestrictRealtime=true
RestrictNamespaces=true
RestrictSUIDSGID=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
`;
}

/** The start may check and convert a large state file. A core would hold keys, so the watchdog leaves none. */
const NOTIFY = `Type=notify
NotifyAccess=all
TimeoutStartSec=300
WatchdogSec=300
WatchdogSignal=SIGKILL`;

/** https://www.freedesktop.org/software/systemd/man/systemd.syntax.html#Quoting */
function quote(text: string): string {
  const escaped = text
    .replaceAll("%", "%%")
    .replaceAll(/["\\]/g, String.raw`\$&`)
    .replaceAll(/[\0-\x1F\x7F]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `"${escaped}"`;
}

/** What unitText() was given; a unit of somebody else may tell less. */
export function readUnit(text: string): Launch {
  const wordsOf = (key: string) =>
    [...text.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].flatMap(([, line = ""]) =>
      [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = ""]) => unquote(word)),
    );
  const [program = "", ...args] = wordsOf("ExecStart");
  const variables = wordsOf("Environment").map((word) => [
    word.split("=", 1)[0] ?? "",
    word.slice(word.indexOf("=") + 1),
  ]);
  return {
    command: [program, ...args.map((arg) => arg.replaceAll("$$", "$"))],
    env: Object.fromEntries(variables),
  };
}

function unquote(word: string): string {
  return word.replaceAll(/\\x([\da-f]{2})|\\(.)|%%/g, (_, code?: string, char?: string) =>
    code === undefined ? (char ?? "%") : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
