import { join } from "node:path";
import { MARK, type Order } from "./manager.ts";

export const LABEL = "wa-relay";

export function plistPath(home: string): string {
  return join(home, "Library", "LaunchAgents", `${LABEL}.plist`);
}

/** Where what is said before the log proper begins goes, and why a start failed. */
export function errorsPath(home: string): string {
  return join(home, "Library", "Logs", `${LABEL}.log`);
}

/** The launchd agent: https://leancrew.com/all-this/man/man5/launchd.plist.html */
export function plistText({ command, env, home }: Order): string {
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
