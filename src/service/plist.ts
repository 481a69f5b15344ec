import { join } from "node:path";
import { MARK, type Launch } from "./supervisor.ts";

export const LABEL = "wa-relay";

export function plistPath(home: string): string {
  return join(home, "Library", "LaunchAgents", `${LABEL}.plist`);
}

/** Where what is said before the log proper begins goes, and why a start failed. */
export function errorsPath(home: string): string {
  return join(home, "Library", "Logs", `${LABEL}.log`);
}

/** The launchd agent: https://leancrew.com/all-this/man/man5/launchd.plist.html */
export function plistText({ command, env }: Launch, home: string): string {
  const variables = Object.entries({ ...env, WA_SERVICE: "launchd" });
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ${MARK}, which writes it anew. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  ${string(LABEL)}
  <key>ProgramArguments</key>
  <array>
    ${command.map(string).join("\n    ")}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    ${variables.map(([name, value]) => `<key>${escape(name)}</key>\n    ${string(value)}`).join("\n    ")}
  </dict>
  <key>WorkingDirectory</key>
  ${string(home)}
  <key>RunAtLoad</key>
  <true/>
  <!-- The daemon ends with 0 when a restart can not help. -->
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardErrorPath</key>
  ${string(errorsPath(home))}
</dict>
</plist>
`;
}

function string(text: string): string {
  return `<string>${escape(text)}</string>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What plistText() was given; an agent of somebody else may tell less. */
export function readPlist(text: string): Launch {
  const stringsOf = (key: string) => {
    const [, list = ""] = text.split(`<key>${key}</key>`, 2);
    const [inside = ""] = list.split(/<\/(?:array|dict)>/, 1);
    return [...inside.matchAll(/<(?:key|string)>([^<]*)</g)].map(([, value = ""]) => unescape(value));
  };
  const words = stringsOf("EnvironmentVariables");
  const names = words.filter((_, index) => index % 2 === 0);
  return {
    command: stringsOf("ProgramArguments"),
    env: Object.fromEntries(names.map((name, index) => [name, words[2 * index + 1] ?? ""])),
  };
}

function unescape(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
